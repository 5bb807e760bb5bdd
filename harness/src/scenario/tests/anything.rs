//! Whatever the text is, the parser answers: it never panics, and what it accepts can be drawn and written.

use super::{EVERYTHING, TEN_LINES, read};
use crate::scenario::{draw, parse, to_toml, topology};
use proptest::prelude::*;
use std::path::Path;

/// Reads a text and uses what comes out of it; an accepted text must be written back as an accepted text.
fn try_text(text: &str) {
    match read(text) {
        Err(findings) => {
            assert!(!findings.is_empty());
            for finding in findings {
                assert!(!finding.to_string().contains('\n'), "{finding}");
            }
        }
        Ok(s) => {
            let drawn = draw(&s, 7);
            for fault in &drawn.faults {
                topology::resolve(&fault.on, &drawn);
            }
            for s in [&s, &drawn] {
                let text = to_toml(s);
                if let Err(e) = read(&text) {
                    panic!("{e:#?}\n{text}");
                }
            }
        }
    }
}

/// Values that a mutation puts in the place of another.
const STRANGE: [&str; 24] = [
    "0",
    "-1",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "nan",
    "-inf",
    "true",
    "\"\"",
    "[]",
    "{}",
    "\"18446744073709551615\"",
    "\"99999999999999999999999999999999TiB\"",
    "\"0s\"",
    "\"0B\"",
    "\"1ns..100000h\"",
    "\"0B..1024TiB\"",
    "\"512B..64MiB\"",
    "1979-05-27",
    "\"any 4 of paths\"",
    "[[[[[[[[]]]]]]]]",
    "\"\u{202e}é\"",
    "\"all\"",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in "\\PC*") {
        try_text(&text);
    }

    #[test]
    fn any_bytes_that_are_a_text(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        try_text(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_scenario_with_bytes_changed(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), small in any::<bool>()) {
        let mut bytes = if small { TEN_LINES } else { EVERYTHING }.as_bytes().to_vec();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        try_text(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_scenario_with_lines_lost_doubled_and_moved(moves in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..3u8), 1..5)) {
        let mut lines: Vec<&str> = EVERYTHING.lines().collect();
        for (from, to, what) in moves {
            let from = from.index(lines.len());
            let line = if what == 0 { lines[from] } else { lines.remove(from) };
            if what < 2 {
                let to = to.index(lines.len());
                lines.insert(to, line);
            }
        }
        try_text(&lines.join("\n"));
    }

    #[test]
    fn a_scenario_with_strange_values(changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..STRANGE.len()), 1..4)) {
        let mut lines: Vec<String> = EVERYTHING.lines().map(str::to_string).collect();
        for (index, value) in changes {
            let at = index.index(lines.len());
            if let Some((key, _)) = lines[at].clone().split_once(" = ") {
                lines[at] = format!("{key} = {}", STRANGE[value]);
            }
        }
        try_text(&lines.join("\n"));
    }

    #[test]
    fn a_scenario_cut_anywhere(at in any::<prop::sample::Index>()) {
        let at = at.index(EVERYTHING.len());
        try_text(&String::from_utf8_lossy(&EVERYTHING.as_bytes()[..at]));
    }

    #[test]
    fn any_set(key in "[a-z0-9.]{0,30}", value in "\\PC{0,20}") {
        let _ = parse(TEN_LINES, Path::new("x.toml"), "x", &[(key, value)]);
    }
}

/// Every value of the big scenario, one after another, becomes every strange one.
#[test]
fn each_value_can_be_anything() {
    let lines: Vec<&str> = EVERYTHING.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        for value in STRANGE {
            let changed = format!("{key} = {value}");
            let mut lines = lines.clone();
            lines[at] = &changed;
            try_text(&lines.join("\n"));
        }
    }
}

#[test]
fn deep_and_wide_texts_are_survived() {
    try_text(&format!("a = {}", "[".repeat(100_000)));
    try_text(&format!("a = {}{}", "[".repeat(60), "]".repeat(60)));
    try_text(&format!("[{}]", vec!["a"; 50_000].join(".")));
    try_text(&"[[workload]]\n".repeat(20_000));
    try_text(&"[[volume]]\n".repeat(70_000));
    try_text(&format!("{TEN_LINES}{} = 1\n", "k".repeat(1_000_000)));
    try_text(&"x".repeat(5 << 20));
}

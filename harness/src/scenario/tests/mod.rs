//! The language as a user meets it: small scenarios, what is written reads back, draws.

mod anything;
mod commands;
mod guide;
mod refusals;
mod sharing;

use super::model::*;
use super::*;
use std::path::Path;

const TEN_LINES: &str = r#"[scenario]
title = "Loss of one controller"

[[workload]]
depth = 16

[[fault]]
at = "1s"
for = "500ms"
on = "controller:A"
do = "drop"
"#;

fn read(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    parse(text, Path::new("x.toml"), "x", &[])
}

#[test]
fn ten_lines_are_a_scenario_and_the_rest_are_defaults() {
    let s = read(TEN_LINES).unwrap();
    assert_eq!(s.title, "Loss of one controller");
    assert_eq!((s.duration.nanos(), s.seed), (3_000_000_000, 1));
    assert_eq!(
        (
            s.array.controllers,
            s.array.ports,
            s.array.fabrics,
            s.array.block
        ),
        (2, 2, 2, 512)
    );
    let w = &s.workloads[0];
    assert_eq!(
        (w.read_pct, w.block, w.span, w.load),
        (70, Span::fixed(4096), 64 << 30, Load::Depth(16))
    );
    let names: Vec<String> = topology::paths(&s).into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["h0-A0", "h0-B0", "h1-A1", "h1-B1"]);
    assert_eq!(topology::resolve(&s.faults[0].on, &s).len(), 2);
}

/// Every key of the language, most of them with a range.
const EVERYTHING: &str = include_str!("everything.toml");

/// The same scenario but for the lines of its expectations.
fn same(mut a: Scenario, mut b: Scenario) {
    for e in a.expects.iter_mut().chain(&mut b.expects) {
        e.line = 0;
    }
    assert_eq!(a, b);
}

#[test]
fn what_is_written_reads_back() {
    for text in [TEN_LINES, EVERYTHING] {
        let s = read(text).unwrap_or_else(|e| panic!("{e:#?}"));
        same(read(&to_toml(&s)).unwrap(), s.clone());
        for seed in 0..50 {
            let drawn = draw(&s, seed);
            let text = to_toml(&drawn);
            let again = read(&text).unwrap_or_else(|e| panic!("{e:#?}\n{text}"));
            same(again, drawn);
        }
    }
}

#[test]
fn a_draw_fixes_everything_but_the_ranges_of_each_io() {
    let s = read(EVERYTHING).unwrap();
    // As many ranges as the text has, less those that are drawn for each I/O.
    let per_io = ["block = ", "after = ", "add = "];
    let given = EVERYTHING.matches("..").count() - per_io.len();
    assert_eq!(s.ranges.len(), given);
    let changed = (0..20).map(|seed| draw(&s, seed)).collect::<Vec<_>>();
    for (seed, d) in changed.iter().enumerate() {
        assert!(d.ranges.is_empty());
        assert_eq!(d.seed, seed as u64);
        assert!(d.faults.iter().all(|f| !matches!(f.on, Target::Any { .. })));
        assert_eq!(
            *d,
            draw(&s, seed as u64),
            "a draw is a function of the seed"
        );
        assert!(d.workloads[0].offset % 4096 == 0 && d.workloads[0].span % 4096 == 0);
        assert_eq!(
            d.workloads[0].block,
            Span {
                lo: 4096,
                hi: 65_536
            }
        );
        assert_eq!(topology::resolve(&d.faults[0].on, d).len(), 2);
    }
    // Every range has a place in the model: over some seeds each of them takes other values.
    for range in &s.ranges {
        let texts: std::collections::BTreeSet<String> = (0..20)
            .map(|seed| {
                let mut one = s.clone();
                one.ranges = vec![range.clone()];
                let mut one = draw(&one, seed);
                one.seed = 0;
                one.faults.iter_mut().for_each(|f| f.on = Target::All);
                format!("{one:?}")
            })
            .collect();
        assert!(texts.len() > 1, "{} is never drawn", range.key);
    }
}

#[test]
fn one_draw_does_not_shift_another() {
    let s = read(EVERYTHING).unwrap();
    let mut less = s.clone();
    less.ranges.retain(|r| r.key != "fault.0.at");
    let (a, b) = (draw(&s, 7), draw(&less, 7));
    assert_eq!(a.faults[0].lasts, b.faults[0].lasts);
    assert_eq!(a.workloads, b.workloads);
}

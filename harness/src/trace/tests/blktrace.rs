//! blkparse's text, as blkparse 1.2.0 printed it, and its odd corners.

use super::*;

const EVENT: &str = "  8,0    3        1     0.000000000   697";

fn events(rest: &[&str]) -> String {
    rest.iter().map(|r| format!("{EVENT}  {r}\n")).collect()
}

#[test]
fn queue_events_are_replayed_and_the_rest_is_counted() {
    let (lines, others) = all_told(BLKPARSE, Some(Format::Blkparse));
    assert_eq!(
        lines,
        [
            "0 Read 1048576+4096 8,16",
            "100000 Write 114426880+65536 8,16",
            // FWFS: a flush, then the write with force unit access.
            "200000 Flush 0+0 8,16",
            "200000 Write fua 2097152+4096 8,16",
            "300000 Flush 0+0 8,16",
            "400000 Read 4608000000000+131072 8,16",
            "500000 Discard 536870912+1048576 8,16",
            "600000 Write fua 631808+512 8,16",
        ]
    );
    let text = String::from_utf8(BLKPARSE.to_vec()).unwrap();
    let filled = text.lines().filter(|l| !l.is_empty()).count() as u64;
    // Seven Q lines; every other line that is not blank is no I/O.
    assert_eq!(others, filled - 7);
}

#[test]
fn issues_are_replayed_where_nothing_was_queued() {
    let text = String::from_utf8(BLKPARSE.to_vec()).unwrap();
    let without: String = text
        .lines()
        .filter(|l| !l.contains("  Q "))
        .map(|l| format!("{l}\n"))
        .collect();
    assert!(without.len() < text.len());
    let (queued, _) = all_told(BLKPARSE, None);
    let (issued, _) = all_told(without.as_bytes(), None);
    assert_eq!(issued.len(), queued.len());
    assert_eq!(issued[0], "3000 Read 1048576+4096 8,16");
}

#[test]
fn an_issue_before_the_first_queue_event_does_not_decide() {
    let text = events(&["D W 8 + 8 [a]", "Q R 16 + 8 [b c (d) + 7]", "C W 8 + 8 [0]"]);
    let (lines, others) = all_told(text.as_bytes(), None);
    assert_eq!(lines, ["0 Read 8192+4096 8,0"]);
    assert_eq!(others, 2);
}

#[test]
fn flags_have_their_meaning() {
    for (flags, told) in [
        ("R 8 + 8", &["Read 4096+4096"][..]),
        ("RAM 8 + 8", &["Read 4096+4096"]),
        ("WFS 8 + 8", &["Write fua 4096+4096"]),
        ("FWS 8 + 8", &["Flush 0+0", "Write 4096+4096"]),
        ("WB 8 + 8", &["Flush 0+0", "Write fua 4096+4096"]),
        ("DE 8 + 8", &["Discard 4096+4096"]),
        ("FN", &["Flush 0+0"]),
        ("FF", &["Flush 0+0"]),
        ("FWS 0 + 0", &["Flush 0+0"]),
        ("N", &[]),
        ("W 8", &["Write 4096+0"]),
    ] {
        let text = events(&[&format!("Q {flags} [x]")]);
        let (lines, _) = all_told(text.as_bytes(), None);
        let expected: Vec<String> = told.iter().map(|t| format!("0 {t} 8,0")).collect();
        assert_eq!(lines, expected, "{flags}");
    }
}

#[test]
fn bad_events_are_refused_with_their_column() {
    for (rest, column, said) in [
        ("Y R 8 + 8 [x]", 44, "found 'Y', expected an action"),
        ("Q RQ 8 + 8 [x]", 46, "found 'RQ', expected RWBS flags"),
        ("Q R eight + 8 [x]", 48, "found 'eight', expected a sector"),
        ("Q R 8 - 8 [x]", 50, "found '-', expected '+'"),
        (
            "Q R 8 + [x]",
            52,
            "found '[x]', expected a number of sectors",
        ),
    ] {
        let text = events(&["Q R 8 + 8 [x]", rest]);
        let (n, error) = refused(text.as_bytes(), Some(Format::Blkparse));
        assert_eq!((n, error.kind()), (1, Kind::Syntax), "{error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("t:2:{column}: {said}")),
            "{error}"
        );
    }
}

#[test]
fn events_may_follow_a_summary() {
    let twice = [BLKPARSE, BLKPARSE].concat();
    let (once, others) = all_told(BLKPARSE, None);
    let (lines, both) = all_told(&twice, None);
    assert_eq!(lines, [once.clone(), once].concat());
    assert_eq!(both, 2 * others);
}

//! Every report writer, as it is read.

mod common;

use common::*;
use harness::report::compare::{self, Column};
use harness::report::github::Annotations;
use harness::report::junit::Junit;
use harness::report::model::{RunReport, Value, Verdict};
use harness::report::outcome::{Group, Outcome, Worse};
use harness::report::style::Style;
use harness::report::terminal::{self, Totals};
use harness::report::{detail, failure, folder, lanes};
use insta::assert_snapshot;

fn passed() -> Group {
    let run = |seed| judged(passing("failover/reset", seed), Verdict::Pass, 0);
    with("failover/reset", (1..=3).map(run).collect())
}

fn broken_rule() -> Group {
    let mut bad = judged(
        rule_broken("failover/controller-loss", 1183),
        Verdict::Fail,
        10,
    );
    bad.folder = Some("results/runs/failover/controller-loss/seed-1183".into());
    let good = judged(passing("failover/controller-loss", 1184), Verdict::Pass, 0);
    with("failover/controller-loss", vec![bad, good])
}

fn missed_expectation() -> Group {
    let run = |seed| judged(missed("balance/slow-path", seed), Verdict::Fail, 12);
    with("balance/slow-path", (1..=4).map(run).collect())
}

fn expected() -> Group {
    let mut r = missed("data/late-write", 1);
    r.expect_fail = Some("the fence is not built yet".into());
    with("data/late-write", vec![judged(r, Verdict::Expected, 0)])
}

fn skipped() -> Group {
    let mut r = passing("array/ccr", 1);
    r.skip_reason = Some("requires fence.ccr, which the array does not offer".into());
    r.metrics.clear();
    r.virtual_ns = 0;
    with("array/ccr", vec![judged(r, Verdict::Skip, 0)])
}

fn worse() -> Group {
    let mut o = judged(passing("balance/even", 1), Verdict::Fail, 13);
    o.worse = vec![
        Worse {
            metric: "app.all.p99_ns".into(),
            baseline: 640_000.0,
            actual: 812_000.0,
            limit: 704_000.0,
        },
        Worse {
            metric: "balance.jain".into(),
            baseline: 0.999,
            actual: 0.5,
            limit: 0.899,
        },
    ];
    with("balance/even", vec![o])
}

/// One `sometimes` held in no seed, another one in another seed.
fn never() -> Group {
    let mut r = missed("flaky/sometimes", 8);
    for e in &mut r.expectations[1..] {
        e.sometimes = true;
    }
    let mut o = judged(r, Verdict::Fail, 12);
    o.never = vec![1];
    with("flaky/sometimes", vec![o])
}

fn undetermined() -> Group {
    let mut o = judged(passing("scale/many", 5), Verdict::Fail, 14);
    o.differs =
        Some("fingerprint: first 01, then 02\nevents.jsonl line 3: first {}, then [],".into());
    with("scale/many", vec![o])
}

fn all() -> Vec<Group> {
    vec![
        passed(),
        broken_rule(),
        missed_expectation(),
        expected(),
        skipped(),
        worse(),
        never(),
        undetermined(),
    ]
}

#[test]
fn a_broken_rule_is_told_in_full() {
    let text = failure::write(&broken_rule(), Style::PLAIN);
    for line in text.lines() {
        assert!(line.chars().count() <= lanes::WIDTH, "{line}");
    }
    assert_snapshot!(text);
}

#[test]
fn missed_expectations_are_told_with_what_was_measured() {
    assert_snapshot!(
        failure::write(&missed_expectation(), Style::PLAIN)
            + &failure::write(&never(), Style::PLAIN)
    );
}

#[test]
fn a_worse_figure_and_a_second_run_that_differs_are_told() {
    let text =
        failure::write(&worse(), Style::PLAIN) + &failure::write(&undetermined(), Style::PLAIN);
    assert_snapshot!(text);
}

#[test]
fn what_did_not_fail_is_no_failure() {
    for group in [passed(), expected(), skipped()] {
        assert_eq!(failure::write(&group, Style::PLAIN), "");
    }
}

#[test]
fn the_catalogue_is_a_line_each() {
    let mut totals = Totals::default();
    for group in all() {
        totals.add(&group);
    }
    totals.wall_ns = 2_000_000_000;
    totals.notices.push("balance/even: no baseline".into());
    let text = terminal::lines(&totals, Style::PLAIN)
        + &terminal::notices(&totals, Style::PLAIN)
        + &terminal::summary(&totals, "results/runs", Style::PLAIN);
    assert_snapshot!(text);
}

#[test]
fn a_single_run_is_shown_in_detail() {
    let group = passed();
    assert_snapshot!(detail::write(&group, &group.runs[0], Style::PLAIN));
}

#[test]
fn colours_change_nothing_but_colours() {
    let painted = Style { colour: true };
    let plain = |text: String| {
        let mut out = String::new();
        let mut parts = text.split('\u{1b}');
        out += parts.next().unwrap();
        for part in parts {
            out += part.split_once('m').unwrap().1;
        }
        out
    };
    let mut totals = Totals::default();
    for group in all() {
        totals.add(&group);
        assert_eq!(
            plain(failure::write(&group, painted)),
            failure::write(&group, Style::PLAIN)
        );
        assert_eq!(
            plain(detail::write(&group, &group.runs[0], painted)),
            detail::write(&group, &group.runs[0], Style::PLAIN)
        );
    }
    assert_eq!(
        plain(terminal::lines(&totals, painted)),
        terminal::lines(&totals, Style::PLAIN)
    );
}

#[test]
fn json_is_the_contract() {
    let lines: Vec<String> = all().iter().map(|g| g.runs[0].json()).collect();
    for line in &lines {
        assert!(!line.contains('\n'));
        let back: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(back["schema"], 1);
    }
    // The keys of the contract, in its order; what is added comes behind.
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn junit_has_a_case_for_each_expectation() {
    let mut junit = Junit::default();
    for group in all() {
        junit.add(&group);
    }
    assert_snapshot!(junit.write(2_000_000_000).unwrap());
}

#[test]
fn github_gets_the_line_of_the_expectation() {
    let mut annotations = Annotations::default();
    for mut group in all() {
        group.file = group.file.replace("slow-path", "slow,path: 50%");
        annotations.add(&group);
    }
    assert_snapshot!(annotations.write());
}

#[test]
fn github_shows_nine_and_counts_the_rest() {
    let mut annotations = Annotations::default();
    for i in 0..12 {
        let mut group = worse();
        group.name = format!("g{i}");
        annotations.add(&group);
    }
    let text = annotations.write();
    assert_eq!(text.lines().count(), 10);
    assert!(
        text.ends_with("::error title=harness::and 15 more\n"),
        "{text}"
    );
}

#[test]
fn a_timeline_fits_its_screen() {
    let mut r = rule_broken("x", 1);
    let names = |n: usize| (0..n).map(|i| format!("host{}.h{}-A{i}", i % 3, i % 2));
    r.paths = names(64)
        .map(|name| {
            let mut p = r.paths[0].clone();
            p.name = name;
            p
        })
        .collect();
    r.around = (0..500)
        .map(|i| {
            let name = names(64).nth(i % 64).unwrap();
            event(
                1_060_000_000 + i as u64 * 10_000,
                ["issue", "answer", "complete", "effect"][i % 4],
                Some(&name),
                &"a long text of an event ".repeat(9),
            )
        })
        .collect();
    let lines = lanes::draw(&r);
    assert!(lines.len() <= lanes::LINES, "{}", lines.len());
    assert!(lines.iter().all(|l| l.chars().count() <= lanes::WIDTH));
    let marked: Vec<_> = lines
        .iter()
        .filter(|l| l.contains("← first violation"))
        .collect();
    assert_eq!(marked.len(), 1, "{lines:#?}");
    assert!(lines.last().unwrap().contains("without a lane"));
}

#[test]
fn what_touches_the_block_is_kept_and_what_led_to_it() {
    let mut r = rule_broken("x", 1);
    let story = std::mem::take(&mut r.around);
    // Other commands by the hundred, on other blocks.
    for i in 0..300 {
        let at = 1_000_050_000 + i * 200_000;
        r.around.push(event(
            at,
            "issue",
            Some("h1-A1"),
            &format!("read vol0 {}+8", i * 8),
        ));
    }
    r.around.extend(story);
    r.around.sort_by_key(|e| e.at_ns);
    let text = lanes::draw(&r).join("\n");
    for (time, kind) in [
        ("1.000000", "fault_start"),
        ("1.000100", "issue write vol0 8000+8"),
        ("1.000210", "lost"),
        ("1.000211", "redispatch write vol0 8000+8"),
        ("1.050000", "issue write vol0 8000+8"),
        ("1.058112", "answer write vol0 8000+8"),
        ("1.061840", "effect write vol0 8000+8"),
        ("1.061840", "violation"),
    ] {
        let shown = |l: &str| l.contains(time) && l.contains(kind);
        assert!(text.lines().any(shown), "{time} {kind}:\n{text}");
    }
    assert_eq!(text.lines().count(), lanes::LINES - 1);
}

#[test]
fn nothing_known_is_no_timeline() {
    let mut r = passing("x", 1);
    r.events.clear();
    assert!(lanes::draw(&r).is_empty());
}

#[test]
fn a_lane_shows_that_its_path_is_down() {
    let lines = lanes::draw(&rule_broken("x", 1)).join("\n");
    let landed = lines.lines().find(|l| l.contains("answer")).unwrap();
    assert!(landed.contains('╳'), "{lines}");
}

#[test]
fn a_lane_follows_the_changes_of_its_path() {
    let mut r = passing("x", 1);
    let at = |ms: u64, kind: &str, text: &str| event(ms * 1_000_000, kind, Some("h1-A1"), text);
    r.events = vec![
        at(1, "link", "up → lost"),
        at(2, "note", "still down"),
        at(3, "link", "connecting → up"),
        at(4, "usable", "vol0 not usable"),
        at(5, "usable", "vol0 usable"),
        event(6_000_000, "fault_end", None, "reset controller:A"),
    ];
    let lines = lanes::draw(&r);
    let cells: Vec<&str> = lines[1..]
        .iter()
        .map(|l| l.split_whitespace().nth(3).unwrap())
        .collect();
    assert_eq!(cells, ["▼", "*", "▲", "▼", "▲", "│"], "{lines:#?}");
}

fn of_policy(policy: &str, change: impl Fn(&mut RunReport)) -> Column {
    let run = |seed| {
        let mut r = passing("balance/even", seed);
        r.policy = policy.into();
        change(&mut r);
        Outcome::of(r)
    };
    Column::of("balance/even", policy, &[run(1), run(2), run(3)])
}

#[test]
fn policies_stand_side_by_side() {
    let mut columns = vec![
        of_policy("adaptive", |_| {}),
        of_policy("round_robin", |r| {
            r.metrics.insert("app.iops".into(), Value::Float(150_000.4));
            r.metrics
                .insert("app.all.p50_ns".into(), Value::Int(120_000 + r.seed));
            r.metrics.insert("balance.jain".into(), Value::Float(1.0));
        }),
        of_policy("failover", |r| {
            r.metrics.remove("balance.jain");
            r.rules.insert("stale_read".into(), 1);
        }),
    ];
    compare::mark(&mut columns);
    let json: Vec<String> = columns
        .iter()
        .map(|c| serde_json::to_string(c).unwrap())
        .collect();
    assert_snapshot!(format!(
        "{}\n{}\n\n{}",
        compare::table("Even paths", &columns, Style::PLAIN),
        compare::csv(&columns),
        json.join("\n")
    ));
}

#[test]
fn files_of_a_run() {
    let r = passing("x", 1);
    let names: Vec<String> = r.paths.iter().map(|p| p.name.clone()).collect();
    assert_snapshot!(format!(
        "{}{}",
        folder::events(&r.events),
        folder::timeline(&r.timeline, &names)
    ));
}

//! The binary over the real datapath and array, as a new user tries it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Home(tempfile::TempDir);

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn json(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
            .collect()
    }
}

impl Home {
    fn new(files: &[(&str, &str)]) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let file = home.at(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        home
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(args)
            .current_dir(self.0.path())
            .env_remove("GITHUB_STEP_SUMMARY")
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                all.insert(
                    path.strip_prefix(folder).unwrap().into(),
                    without_wall(&text),
                );
            }
        }
    }
    all
}

fn without_wall(text: &str) -> String {
    let Some(start) = text.find("\"wall_ns\":") else {
        return text.to_string();
    };
    let end = start + text[start..].find(',').unwrap();
    format!("{}{}", &text[..start], &text[end..])
}

/// The guide's ten lines, over a shorter time.
const SILENT: &str = r#"[scenario]
title = "One path falls silent"
duration = "400ms"

[[workload]]
block = "4KiB..16KiB"
flush_every = 50

[[fault]]
at  = "80ms..120ms"
for = "100ms"
on  = "any 1 of optimized"
do  = "drop"

[[expect]]
metric = "app.errors == 0"
"#;

const CALM: &str = r#"[scenario]
title = "Nothing happens"
duration = "100ms"

[[workload]]
depth = 8

[[expect]]
metric = "app.ios > 100"

[[expect]]
metric = "app.all.p99 < 1s"
window = "steady"
"#;

fn home() -> Home {
    Home::new(&[
        ("scenarios/failover/silent.toml", SILENT),
        ("scenarios/calm.toml", CALM),
    ])
}

#[test]
fn a_path_is_lost_and_no_application_notices() {
    let home = home();
    let said = home.run(&["run"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("2 scenarios: 2 passed, 0 failed"),
        "{}",
        said.out
    );
    let report: Value = serde_json::from_str(
        &fs::read_to_string(home.at("results/runs/failover/silent/seed-1/report.json")).unwrap(),
    )
    .unwrap();
    for key in [
        "schema",
        "scenario",
        "title",
        "seed",
        "policy",
        "fidelity",
        "verdict",
        "exit",
        "virtual_ns",
        "wall_ns",
        "fingerprint",
        "expectations",
        "rules",
        "first_violation",
        "metrics",
        "paths",
        "failovers",
        "workloads",
        "repro",
    ] {
        assert!(report.get(key).is_some(), "{key}");
    }
    assert!(report["metrics"]["app.ios"].as_u64().unwrap() > 100);
    assert!(report["metrics"]["failover.count"].as_u64().unwrap() >= 1);
    assert_eq!(
        report["repro"],
        "harness run scenarios/failover/silent.toml --seed 1"
    );
    let events =
        fs::read_to_string(home.at("results/runs/failover/silent/seed-1/events.jsonl")).unwrap();
    for kind in ["fault_start", "fault_end", "lost"] {
        assert!(
            events.contains(&format!("\"kind\":\"{kind}\"")),
            "{kind}: {events}"
        );
    }
    let timeline = fs::read_to_string(home.at("results/runs/calm/seed-1/timeline.csv")).unwrap();
    assert!(timeline.lines().count() > 5, "{timeline}");
}

#[test]
fn every_byte_is_the_same_whatever_the_jobs() {
    let home = home();
    let runs: Vec<_> = ["1", "2"]
        .iter()
        .map(|jobs| {
            let out = format!("out{jobs}");
            let said = home.run(&[
                "run", "--seeds", "1..4", "--jobs", jobs, "--out", &out, "--events", "io",
            ]);
            assert_eq!(said.code, 0, "{}{}", said.out, said.err);
            tree(&home.at(&out))
        })
        .collect();
    assert_eq!(runs[0].len(), 2 * 4 * 4);
    assert!(runs[0] == runs[1]);
    assert_eq!(home.run(&["run", "--seeds", "1..2", "--twice"]).code, 0);
}

#[test]
fn a_resolved_scenario_is_the_same_run() {
    let home = home();
    let first = home
        .run(&["run", "scenarios/failover", "--seed", "5", "--json"])
        .json();
    let resolved = "results/runs/failover/silent/seed-5/scenario.toml";
    let text = fs::read_to_string(home.at(resolved)).unwrap();
    assert!(
        !text.contains("any 1") && !text.contains("80ms.."),
        "{text}"
    );
    let again = home.run(&["run", resolved, "--json"]).json();
    assert_eq!(first[0]["fingerprint"], again[0]["fingerprint"]);
    assert_eq!(first[0]["metrics"], again[0]["metrics"]);
    let other = home
        .run(&["run", "scenarios/failover", "--seed", "6", "--json"])
        .json();
    assert_ne!(first[0]["fingerprint"], other[0]["fingerprint"]);
}

#[test]
fn commands_are_recorded_when_asked_for() {
    let home = home();
    let lines = |more: &[&str]| {
        let mut args = vec!["run", "scenarios/calm.toml"];
        args.extend(more);
        let said = home.run(&args);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let events = fs::read_to_string(home.at("results/runs/calm/seed-1/events.jsonl")).unwrap();
        events.lines().count()
    };
    assert!(lines(&[]) + 100 < lines(&["--events", "io"]));
}

#[test]
fn an_expectation_that_fails_is_told_and_can_be_a_known_gap() {
    let home = home();
    let impossible = CALM.replace("app.ios > 100", "app.errors > 0");
    fs::write(home.at("scenarios/calm.toml"), &impossible).unwrap();
    let said = home.run(&["run", "scenarios/calm.toml"]);
    assert_eq!(said.code, 12);
    assert!(
        said.out.contains("✗ app.errors > 0   actual 0"),
        "{}",
        said.out
    );
    let gap = impossible.replace("[scenario]", "[scenario]\nexpect_fail = \"impossible\"");
    fs::write(home.at("scenarios/calm.toml"), gap).unwrap();
    assert_eq!(home.run(&["run", "scenarios/calm.toml"]).code, 0);
    let closed = CALM.replace("[scenario]", "[scenario]\nexpect_fail = \"impossible\"");
    fs::write(home.at("scenarios/calm.toml"), closed).unwrap();
    let said = home.run(&["run", "scenarios/calm.toml"]);
    assert_eq!(said.code, 12);
    assert!(
        said.out.contains("passes now: remove expect_fail"),
        "{}",
        said.out
    );
}

#[test]
fn three_policies_side_by_side() {
    let home = home();
    let policies = "adaptive,round_robin,numa";
    let said = home.run(&[
        "compare",
        "--policies",
        policies,
        "--seeds",
        "1..2",
        "--json",
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let all = said.json();
    assert_eq!(all.len(), 6);
    assert!(
        all.iter()
            .all(|c| c["metrics"]["app.iops"].as_f64().unwrap() > 0.0)
    );
}

#[test]
fn a_bad_line_of_a_trace_stops_the_run_with_its_place() {
    let home = Home::new(&[
        (
            "scenarios/replay.toml",
            "[scenario]\ntitle = \"Replay\"\n[[workload]]\nkind = \"replay\"\nfile = \"t.log\"\npace = \"asap\"\ndepth = 1\n",
        ),
        (
            "scenarios/t.log",
            "fio version 2 iolog\nd add\nd open\nd write 0 4096\nd wrte 4096 4096\n",
        ),
    ]);
    let said = home.run(&["run"]);
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!((said.out + &said.err).contains("t.log:5:"));
}

#[test]
fn a_baseline_of_a_run_is_met_by_the_run() {
    let home = home();
    assert_eq!(home.run(&["run", "--update-baseline"]).code, 0);
    assert!(home.at("results/baseline/failover/silent.json").is_file());
    let said = home.run(&["run", "--baseline", "results/baseline"]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(!said.out.contains("no baseline"), "{}", said.out);
    let slow = home.run(&[
        "run",
        "--baseline",
        "results/baseline",
        "--set",
        "link.latency=\"2ms\"",
    ]);
    assert_eq!(slow.code, 13, "{}", slow.out);
}

/// Its own connections' first coming up is not a path that is back; the first that is back after a loss is, once for each shard.
#[test]
fn a_fault_on_path_back_begins_when_the_lost_path_stands_again() {
    let text = r#"[scenario]
title = "A second path breaks as soon as the first is back"
duration = "1s"
[host]
shards = 1
[[workload]]
depth = 8
[[fault]]
at = "200ms"
for = "130ms"
on = "path:h0-A0"
do = "reset"
[[fault]]
on_event = "path_back"
for = "50ms"
on = "path:h1-A1"
do = "reset"
[[fault]]
on_event = "path_back"
nth = 3
on = "path:h1-B1"
do = "reset"
[[expect]]
metric = "app.errors == 0"
[[expect]]
metric = "failover.count == 2"
"#;
    let home = Home::new(&[("two.toml", text)]);
    let said = home.run(&["run", "two.toml", "--out", "runs"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let events = fs::read_to_string(home.at("runs/two/seed-1/events.jsonl")).unwrap();
    let events: Vec<Value> = events
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let of = |kind: &str| -> Vec<(u64, String)> {
        let found = events.iter().filter(|e| e["kind"] == kind);
        found
            .map(|e| (e["at_ns"].as_u64().unwrap(), e["text"].to_string()))
            .collect()
    };
    let starts = of("fault_start");
    let back: Vec<u64> = of("link")
        .into_iter()
        .filter(|(at, text)| *at > 200_000_000 && text.contains("→ up"))
        .map(|(at, _)| at)
        .collect();
    assert_eq!(back.len(), 2, "each broken path once: {back:?}");
    assert!(back[0] >= 330_000_000, "{back:?}");
    let times: Vec<u64> = starts.iter().map(|s| s.0).collect();
    assert_eq!(
        times,
        [200_000_000, back[0]],
        "there is no third: {starts:?}"
    );
}

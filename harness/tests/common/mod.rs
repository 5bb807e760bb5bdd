//! Runs made by hand: of every kind, also of those that a sound datapath never gives.
#![allow(dead_code)] // Each test binary uses its part.

use harness::cli::{Streams, command};
use harness::report::model::*;
use harness::report::outcome::{Group, Outcome};
use harness::report::style::Style;
use harness::scenario::Scenario;
use harness::world::WorldError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub fn event(at_ns: u64, kind: &str, path: Option<&str>, text: &str) -> EventLine {
    EventLine {
        at_ns,
        kind: kind.into(),
        path: path.map(str::to_string),
        text: text.into(),
    }
}

pub fn expectation(metric: &str, window: &str, actual: Option<Value>, ok: bool) -> ExpectResult {
    ExpectResult {
        metric: metric.into(),
        window: window.into(),
        actual,
        ok,
        sometimes: false,
        is_time: metric.contains("stall") || metric.contains("p99"),
        line: 21,
    }
}

fn path(name: &str, ios: u64, share: f64, errors: u64) -> PathReport {
    PathReport {
        name: name.into(),
        ios,
        bytes: ios * 4_096,
        share,
        errors,
        p50_ns: 131_000,
        p99_ns: 612_000,
    }
}

/// A run that met everything.
pub fn passing(name: &str, seed: u64) -> RunReport {
    let metrics: BTreeMap<String, Value> = [
        ("app.ios", Value::Int(590_000)),
        ("app.iops", Value::Float(196_666.7)),
        ("app.bytes_per_s", Value::Float(805_546_666.7)),
        ("app.errors", Value::Int(0)),
        ("app.stall_max_ns", Value::Int(41_000_000)),
        ("app.all.mean_ns", Value::Float(160_250.5)),
        ("app.all.p50_ns", Value::Int(131_000)),
        ("app.all.p90_ns", Value::Int(300_000)),
        ("app.all.p99_ns", Value::Int(812_000)),
        ("app.all.p999_ns", Value::Int(2_100_000)),
        ("app.all.max_ns", Value::Int(41_100_000)),
        ("app.read.p99_ns", Value::Int(812_000)),
        ("balance.jain", Value::Float(0.998)),
        ("balance.spread", Value::Float(0.02)),
        ("failover.count", Value::Int(1)),
        ("failover.detect_max_ns", Value::Int(210_000)),
        ("failover.redispatch_max_ns", Value::Int(3_000)),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_string(), v))
    .collect();
    RunReport {
        schema: 1,
        scenario: name.into(),
        title: "Loss of the optimised controller at full load".into(),
        seed,
        policy: "adaptive".into(),
        fidelity: "model".into(),
        verdict: Verdict::Pass,
        exit: 0,
        virtual_ns: 3_000_000_000,
        wall_ns: 210_000_000,
        fingerprint: "6982bef89b36c96c".into(),
        expectations: vec![
            expectation("app.errors == 0", "whole", Some(Value::Int(0)), true),
            expectation(
                "app.stall_max < 120ms",
                "fault",
                Some(Value::Int(41_000_000)),
                true,
            ),
        ],
        rules: [("ghost_write", 0), ("lost_write", 0), ("stuck_io", 0)]
            .map(|(r, n)| (r.to_string(), n))
            .into(),
        first_violation: None,
        metrics,
        paths: vec![
            path("h0-A0", 270_000, 0.49, 12),
            path("h0-B0", 30_000, 0.0, 0),
            path("h1-A1", 281_000, 0.51, 4),
            path("h1-B1", 9_000, 0.0, 0),
        ],
        failovers: vec![FailoverReport {
            at_ns: 1_000_210_000,
            path: "h0-A0".into(),
            cause: "reset".into(),
            detect_ns: 210_000,
            retried: 16,
            stall_ns: 400_000,
        }],
        workloads: vec![WorkloadReport {
            name: "oltp".into(),
            ios: 590_000,
            errors: 0,
            skipped_records: 0,
        }],
        repro: format!("harness run scenarios/{name}.toml --seed {seed}"),
        skip_reason: None,
        expect_fail: None,
        not_judged: Vec::new(),
        why: "Retries must not overtake newer writes; the application must see no error.".into(),
        file: format!("scenarios/{name}.toml"),
        events: vec![
            event(1_000_000_000, "fault_start", None, "reset controller:A"),
            event(1_000_210_000, "lost", Some("h0-A0"), "reset, 16 to redo"),
        ],
        around: Vec::new(),
        timeline: vec![TimelineRow {
            at_ns: 0,
            ios: 1_966,
            errors: 0,
            bytes: 8_052_736,
            mean_ns: 160_000,
            max_ns: 900_000,
            per_path_ios: vec![980, 0, 986, 0],
        }],
    }
}

pub fn rule_broken(name: &str, seed: u64) -> RunReport {
    let mut r = passing(name, seed);
    r.rules.insert("ghost_write".into(), 2);
    r.first_violation = Some(Violation {
        rule: "ghost_write".into(),
        at_ns: 1_061_840_000,
        text: "The write 0x5521 (volume 0, LBA 8000, 8 blocks, submitted at 1000100000 ns, completed at 1000500000 ns) \
               was over and changed LBA 8000 of volume 0 (of 8000 to 8007), which held write 0x5607 (volume 0, \
               LBA 8000, 8 blocks, submitted at 1050000000 ns, completed at 1058112000 ns)."
            .into(),
    });
    r.events.push(event(
        1_061_840_000,
        "violation",
        None,
        "ghost_write: The write 0x5521 was over",
    ));
    r.around = vec![
        event(1_000_100_000, "issue", Some("h0-A0"), "write vol0 8000+8"),
        event(
            1_000_211_000,
            "redispatch",
            Some("h1-A1"),
            "write vol0 8000+8",
        ),
        event(1_050_000_000, "issue", Some("h1-A1"), "write vol0 8000+8"),
        event(1_058_112_000, "answer", Some("h1-A1"), "write vol0 8000+8"),
        event(1_061_840_000, "effect", Some("h0-A0"), "write vol0 8000+8"),
    ];
    r
}

pub fn stuck(name: &str, seed: u64) -> RunReport {
    let mut r = passing(name, seed);
    r.rules.insert("stuck_io".into(), 1);
    r
}

pub fn missed(name: &str, seed: u64) -> RunReport {
    let mut r = passing(name, seed);
    r.expectations[1].actual = Some(Value::Int(141_000_000));
    r.expectations[1].ok = false;
    r.expectations
        .push(expectation("app.write.p99 < 2ms", "healed", None, false));
    r
}

pub fn with(name: &str, runs: Vec<Outcome>) -> Group {
    let first = &runs[0].report;
    Group {
        name: name.into(),
        title: first.title.clone(),
        why: first.why.clone(),
        file: first.file.clone(),
        runs,
        notices: Vec::new(),
    }
}

/// As judged: the verdict and its code.
pub fn judged(report: RunReport, verdict: Verdict, exit: i32) -> Outcome {
    let mut o = Outcome::of(report);
    (o.report.verdict, o.report.exit) = (verdict, exit);
    o
}

/// What a command said, and its exit code.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// The command with a runner made by hand.
pub fn harness<F>(args: &[&str], runner: F) -> Said
where
    F: Fn(&Scenario, u64) -> Result<RunReport, WorldError> + Sync,
{
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = command(
        std::iter::once("harness").chain(args.iter().copied()),
        &runner,
        &mut Streams {
            out: &mut out,
            err: &mut err,
            out_style: Style::PLAIN,
            err_style: Style::PLAIN,
            progress: false,
        },
    );
    Said {
        code,
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
    }
}

/// A folder with scenarios of these names; each has two expectations, or what `more` adds.
pub struct Bench {
    pub folder: tempfile::TempDir,
}

impl Bench {
    pub fn new(scenarios: &[(&str, &str)]) -> Bench {
        let bench = Bench {
            folder: tempfile::tempdir().unwrap(),
        };
        for (name, more) in scenarios {
            let file = bench.file(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(
                file,
                format!(
                    "[scenario]\ntitle = \"Scenario {name}\"\n{more}\n[[workload]]\n\n\
                     [[expect]]\nmetric = \"app.errors == 0\"\n"
                ),
            )
            .unwrap();
        }
        bench
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.at(&format!("scenarios/{name}.toml"))
    }

    pub fn text(&self, path: &str) -> String {
        self.at(path).to_string_lossy().into_owned()
    }

    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.at(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// `harness run` over all scenarios.
    pub fn run<F>(&self, more: &[&str], runner: F) -> Said
    where
        F: Fn(&Scenario, u64) -> Result<RunReport, WorldError> + Sync,
    {
        let (scenarios, out) = (self.text("scenarios"), self.text("runs"));
        let mut args = vec!["run", &scenarios, "--out", &out];
        args.extend(more);
        harness(&args, runner)
    }
}

/// Every file below a folder, by its path.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                all.insert(path.strip_prefix(folder).unwrap().to_path_buf(), text);
            }
        }
    }
    all
}

/// Without the one field that depends on the machine.
pub fn without_wall(text: &str) -> String {
    let Some(start) = text.find("\"wall_ns\":") else {
        return text.to_string();
    };
    let end = start + text[start..].find(',').unwrap();
    format!("{}{}", &text[..start], without_wall(&text[end..]))
}

pub type Ran = Result<RunReport, WorldError>;

/// Every run passes.
pub fn good(s: &Scenario, seed: u64) -> Ran {
    Ok(passing(&s.name, seed))
}

/// The lines of `--json`.
pub fn lines(said: &Said) -> Vec<serde_json::Value> {
    said.out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect()
}

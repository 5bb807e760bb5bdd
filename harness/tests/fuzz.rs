//! Search, shrinking and merging by the binary, as a CI job uses them.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// A seed's line without what the wall clock says.
    fn lines(&self) -> Vec<Value> {
        let read =
            |l: &str| serde_json::from_str::<Value>(l).unwrap_or_else(|e| panic!("{e}: {l}"));
        let mut lines: Vec<Value> = self.out.lines().map(read).collect();
        for line in &mut lines {
            line["wall_ns"] = 0.into();
            line["totals"]["run_ns"] = 0.into();
        }
        lines
    }
}

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn harness(&self, args: &str) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(args.split(' '))
            .current_dir(self.0.path())
            .output()
            .unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn json(file: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn a_search_is_the_same_for_any_number_of_threads_and_its_shards_add_up() {
    let home = Home::new();
    let one = home.harness("fuzz --seeds 1..30 --jobs 1 --json --out one");
    let two = home.harness("fuzz --seeds 1..30 --jobs 2 --json --out two");
    assert_eq!(one.code, 0, "{}{}", one.out, one.err);
    assert_eq!(one.lines(), two.lines());
    let (whole, lines) = (json(&home.at("one/summary.json")), one.lines());
    assert_eq!(lines.len(), 31, "a line for each seed, and the summary");
    assert_eq!(whole["totals"]["seeds"], 30);
    assert!(
        lines[..30]
            .iter()
            .any(|l| l["losses"].as_object().unwrap().len() > 1)
    );

    let mut seeds = Vec::new();
    for k in 0..3 {
        let part = home.harness(&format!(
            "fuzz --seeds 1..30 --shard {k}/3 --json --out parts/{k}"
        ));
        assert_eq!(part.code, 0);
        let lines = part.lines();
        seeds.extend(
            lines[..lines.len() - 1]
                .iter()
                .map(|l| l["seed"].as_u64().unwrap()),
        );
    }
    seeds.sort_unstable();
    assert_eq!(seeds, (1..=30).collect::<Vec<u64>>());
    let merged = home.harness("merge parts --json --out joined");
    assert_eq!(merged.code, 0, "{}", merged.err);
    assert_eq!(merged.err, "");
    let mut joined = merged.lines().remove(0);
    assert_eq!(joined["parts"].as_array().unwrap().len(), 3);
    joined["parts"] = whole["parts"].clone();
    let mut whole = whole;
    whole["wall_ns"] = 0.into();
    whole["totals"]["run_ns"] = 0.into();
    assert_eq!(joined, whole);

    let twice = home.harness("merge parts/0 parts/0");
    assert_eq!(twice.code, 2);
    assert!(
        twice.err.contains("each seed may count once"),
        "{}",
        twice.err
    );
    let some = home.harness("merge parts/0 parts/2");
    assert_eq!(some.code, 0);
    assert!(
        some.err.contains("shard 1/3 is not among them"),
        "{}",
        some.err
    );
}

#[test]
fn time_ends_a_search_between_seeds() {
    let home = Home::new();
    let said = home.harness("fuzz --time 300ms --from 500 --profile ghosts --out x");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let summary = json(&home.at("x/summary.json"));
    let part = &summary["parts"][0];
    let (first, last) = (
        part["first"].as_u64().unwrap(),
        part["last"].as_u64().unwrap(),
    );
    assert_eq!(first, 500);
    assert_eq!(
        summary["totals"]["seeds"].as_u64().unwrap(),
        last - first + 1
    );
    assert_eq!(summary["profile"], "ghosts");
}

#[test]
fn mistakes_are_told() {
    let home = Home::new();
    fs::create_dir(home.at("empty")).unwrap();
    for (args, said) in [
        ("fuzz --profile swarn --time 1s", "did you mean 'swarm'?"),
        ("fuzz --shard 3/3 --time 1s", "the last of 3 is 2/3"),
        ("fuzz --seeds 9..1", "did you mean 1..9?"),
        ("fuzz --seeds 1..2 --time 5s", "cannot be used with"),
        ("fuzz --time 5", "unit"),
        ("merge empty", "no summary.json"),
        ("merge nowhere", "cannot be read"),
        ("shrink empty", "scenario.toml"),
    ] {
        let got = home.harness(args);
        assert_eq!(got.code, 2, "{args}: {}", got.err);
        assert!(got.err.contains(said), "{args}: {}", got.err);
    }
    let none = home.harness("fuzz --seeds 1..2 --shard 5/9 --out none");
    assert_eq!(none.code, 4, "no seed belongs to the shard");
}

/// An expectation that fails in a large scenario: what it needs is one load and one fault.
#[test]
fn a_failed_run_is_shrunk_to_what_makes_it_fail() {
    let home = Home::new();
    let text = r#"
[scenario]
title = "Large"
duration = "2500ms"
seed = 5
[array]
controllers = 3
ports = 3
fabrics = 3
cache = "volatile"
service = { read = "300us", write = "200us", tail = "lognormal", parallel = 8 }
[[volume]]
name = "a"
[[volume]]
name = "b"
owner = "B"
[host]
count = 2
shards = 3
[datapath]
policy = "queue_depth"
fence = "hold"
[[workload]]
name = "one"
volume = "a"
rate = "300/s"
[[workload]]
name = "two"
volume = "b"
host = 1
rate = "300/s"
flush_every = 7
[[workload]]
name = "three"
volume = "a"
span = "1GiB"
offset = "4GiB"
kind = "zipf"
rate = "200/s"
fua = 20
[[fault]]
at = "300ms"
for = "200ms"
on = "host:1"
do = "drop"
[[fault]]
at = "450ms"
for = "400ms"
on = "controller:A"
do = "crash"
[[fault]]
at = "700ms"
for = "300ms"
on = "fabric:blue"
do = "late"
after = "30ms"
[[fault]]
at = "900ms"
for = "90ms"
on = "controller:A"
do = "error"
status = "nvme:0x281"
share = 40
[[expect]]
metric = "app.errors == 0"
[[expect]]
metric = "app.ios > 100"
"#;
    fs::write(home.at("large.toml"), text).unwrap();
    assert_eq!(home.harness("run large.toml --out runs").code, 12);
    let shrunk = home.harness("shrink runs/large/seed-5");
    assert_eq!(shrunk.code, 0, "{}{}", shrunk.out, shrunk.err);
    assert!(
        shrunk
            .out
            .contains("before: 4 faults, 3 workloads, 2 hosts"),
        "{}",
        shrunk.out
    );
    assert!(
        shrunk
            .out
            .contains("after:  1 faults, 1 workloads, 1 hosts"),
        "{}",
        shrunk.out
    );
    let small = fs::read_to_string(home.at("runs/large/seed-5/shrunk.toml")).unwrap();
    assert!(
        small
            .starts_with("# The smallest scenario found that still fails: app.errors == 0 (whole)")
    );
    assert!(
        small.contains("nvme:0x281") && small.lines().count() <= 28,
        "{small}"
    );
    let again = home.harness("run runs/large/seed-5/shrunk.toml --out again");
    assert_eq!(again.code, 12, "{}", again.out);

    fs::write(
        home.at("fine.toml"),
        "[scenario]\ntitle = \"t\"\nduration = \"10ms\"\n[[workload]]\n",
    )
    .unwrap();
    assert_eq!(home.harness("run fine.toml --out runs").code, 0);
    let fine = home.harness("shrink runs/fine/seed-1");
    assert_eq!(fine.code, 2);
    assert!(fine.err.contains("passes now"), "{}", fine.err);
}

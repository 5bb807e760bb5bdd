//! Baselines with runs made by hand: written, compared with, edited, refused.

mod common;

use common::*;
use harness::report::model::Value;
use harness::scenario::Scenario;
use std::fs;

#[test]
fn baselines_are_written_compared_and_edited() {
    let bench = Bench::new(&[("a/one", ""), ("a/two", "")]);
    let folder = bench.text("baseline");
    let base = ["--baseline", &folder];
    let said = bench.run(&base, good);
    assert_eq!(said.code, 2, "a folder that is not there");
    assert!(
        said.err
            .contains("no such folder; --update-baseline makes it")
    );

    let one = bench.text("scenarios/a/one.toml");
    let out = bench.text("runs");
    let update = [
        "run",
        &one,
        "--out",
        &out,
        "--baseline",
        &folder,
        "--update-baseline",
    ];
    assert_eq!(harness(&update, good).code, 0);
    let written = bench.read("baseline/a/one.json");
    assert_eq!(harness(&update, good).code, 0);
    assert_eq!(bench.read("baseline/a/one.json"), written, "stable");

    let said = bench.run(&base, good);
    assert_eq!(said.code, 0);
    assert!(
        said.out.contains("note: a/two: no baseline"),
        "{}",
        said.out
    );
    let slower = |s: &Scenario, seed| {
        let mut r = passing(&s.name, seed);
        r.metrics
            .insert("app.all.p99_ns".into(), Value::Int(2_000_000));
        r.metrics.insert("app.iops".into(), Value::Float(500_000.0));
        Ok(r)
    };
    let said = bench.run(&base, slower);
    assert_eq!(said.code, 13);
    assert!(
        said.out
            .contains("app.all.p99_ns      812 us     2.00 ms      893 us"),
        "{}",
        said.out
    );
    assert!(
        !said.out.contains("app.iops  "),
        "better is fine: {}",
        said.out
    );
    let said = bench.run(&["--baseline", &folder, "--json"], slower);
    assert_eq!(lines(&said)[0]["baseline"][0]["metric"], "app.all.p99_ns");
    assert_eq!(lines(&said)[0]["exit"], 13);

    // A tolerance that somebody edited is used, and kept.
    let mut edited: serde_json::Value = serde_json::from_str(&written).unwrap();
    edited["runs"][0]["metrics"]["app.all.p99_ns"]["rel_tol"] = 2.0.into();
    fs::write(bench.at("baseline/a/one.json"), edited.to_string()).unwrap();
    assert_eq!(bench.run(&base, slower).code, 0);
    assert_eq!(harness(&update, slower).code, 0);
    let kept: serde_json::Value = serde_json::from_str(&bench.read("baseline/a/one.json")).unwrap();
    assert_eq!(kept["runs"][0]["metrics"]["app.all.p99_ns"]["rel_tol"], 2.0);
    assert_eq!(
        kept["runs"][0]["metrics"]["app.all.p99_ns"]["value"],
        2_000_000.0
    );
    // Another seed is noted, and recorded beside the first.
    let said = bench.run(&["--baseline", &folder, "--seed", "9"], good);
    assert_eq!(said.code, 0);
    assert!(
        said.out.contains("has not the seed and policy of 1 run"),
        "{}",
        said.out
    );
    let mut other = update.to_vec();
    other.extend(["--seed", "9"]);
    harness(&other, good);
    assert!(bench.read("baseline/a/one.json").contains("\"seed\": 9"));
    assert!(bench.read("baseline/a/one.json").contains("\"seed\": 1"));
    // A failure is never recorded, nor is what --set changed.
    let failed = harness(&other, |s: &Scenario, seed| Ok(missed(&s.name, seed)));
    assert_eq!(failed.code, 12);
    assert!(failed.out.contains("not recorded"), "{}", failed.out);
    other.extend(["--set", "workload.0.depth=2"]);
    assert_eq!(harness(&other, good).code, 2);

    fs::write(bench.at("baseline/a/one.json"), "{\"schema\":1,").unwrap();
    let said = bench.run(&base, good);
    assert_eq!(said.code, 2);
    assert!(
        said.err.contains("one.json: not a baseline: "),
        "{}",
        said.err
    );
}

//! `harness run` and `compare` with runs made by hand: verdicts, exit codes, folders.

mod common;

use common::*;
use datapath::core::ConfigError;
use harness::report::model::{RunReport, Value};
use harness::scenario::Scenario;
use harness::world::WorldError;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn the_exit_code_is_the_gravest() {
    let bench = Bench::new(&[("a/one", ""), ("a/two", ""), ("b/three", "")]);
    let of = |one: fn(&str, u64) -> RunReport, two: fn(&str, u64) -> RunReport| {
        let said = bench.run(&[], move |s: &Scenario, seed| {
            Ok(match s.name.as_str() {
                "a/one" => one(&s.name, seed),
                "a/two" => two(&s.name, seed),
                _ => passing(&s.name, seed),
            })
        });
        said.code
    };
    assert_eq!(of(passing, passing), 0);
    assert_eq!(of(passing, rule_broken), 10);
    assert_eq!(of(passing, stuck), 11);
    assert_eq!(of(missed, passing), 12);
    assert_eq!(of(missed, stuck), 11);
    assert_eq!(of(stuck, rule_broken), 10);
}

#[test]
fn a_failure_comes_first_and_says_how_to_repeat_it() {
    let bench = Bench::new(&[("a/one", ""), ("b/two", "")]);
    let said = bench.run(
        &["--policy", "numa", "--set", "workload.0.depth=4"],
        |s: &Scenario, seed| {
            Ok(match s.name.as_str() {
                "b/two" => rule_broken(&s.name, seed),
                _ => passing(&s.name, seed),
            })
        },
    );
    assert_eq!(said.code, 10);
    assert!(
        said.out.starts_with(" FAIL  b/two   seed 1"),
        "{}",
        said.out
    );
    let repeat = format!(
        "harness run {} --seed 1 --policy numa --set workload.0.depth=4\n",
        bench.text("scenarios/b/two.toml")
    );
    assert!(said.out.contains(&repeat), "{}", said.out);
    assert!(
        said.out
            .contains("2 scenarios: 1 passed, 1 failed, 0 expected to fail, 0 skipped   (2 runs)")
    );
    assert!(bench.at("runs/b/two/seed-1-numa/report.json").is_file());
    assert!(said.err.is_empty(), "{}", said.err);
}

#[test]
fn quiet_leaves_failures_and_the_sum() {
    let bench = Bench::new(&[("a/one", ""), ("b/two", "")]);
    let said = bench.run(&["--quiet"], good);
    assert_eq!((said.code, said.out.lines().count()), (0, 3));
    assert!(said.out.starts_with(" 2 scenarios: 2 passed"));
}

#[test]
fn a_known_gap_is_counted_and_no_error() {
    let bench = Bench::new(&[("a/one", "expect_fail = \"no fence yet\""), ("a/two", "")]);
    let failing = |s: &Scenario, seed| {
        Ok(match s.name.as_str() {
            "a/one" => rule_broken(&s.name, seed),
            _ => passing(&s.name, seed),
        })
    };
    let said = bench.run(&["--seeds", "1..3"], failing);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("1 passed, 0 failed, 1 expected to fail"));
    assert!(said.out.contains("no fence yet"));
    let said = bench.run(&["--json"], failing);
    let all = lines(&said);
    assert_eq!(
        (&all[0]["verdict"], &all[0]["exit"]),
        (&"expected".into(), &0.into())
    );
    assert_eq!(all[0]["expect_fail"], "no fence yet");

    // On the day it passes it is an error, in the report's file too.
    let said = bench.run(&["--seeds", "1..3"], good);
    assert_eq!(said.code, 12);
    assert!(
        said.out.contains("passes now: remove expect_fail"),
        "{}",
        said.out
    );
    let report: serde_json::Value =
        serde_json::from_str(&bench.read("runs/a/one/seed-2/report.json")).unwrap();
    assert_eq!(
        (&report["verdict"], &report["exit"]),
        (&"fail".into(), &12.into())
    );
    // One seed that still fails is enough for the mark.
    let said = bench.run(&["--seeds", "1..3"], |s: &Scenario, seed| {
        Ok(match seed {
            2 => missed(&s.name, seed),
            _ => passing(&s.name, seed),
        })
    });
    assert_eq!(said.code, 12, "a/two misses its expectation in seed 2");
    assert!(
        said.out.contains("0 passed, 1 failed, 1 expected to fail"),
        "{}",
        said.out
    );
}

#[test]
fn sometimes_is_judged_over_all_seeds() {
    let bench = Bench::new(&[("a/one", "")]);
    let in_seed = |lucky: u64| {
        move |s: &Scenario, seed: u64| {
            let mut r = passing(&s.name, seed);
            let mut e = expectation(
                "failover.count >= 1",
                "whole",
                Some(Value::Int(0)),
                seed == lucky,
            );
            e.sometimes = true;
            r.expectations.push(e);
            Ok(r)
        }
    };
    let said = bench.run(&["--seeds", "1..5", "--json"], in_seed(3));
    assert_eq!(said.code, 0, "{}", said.err);
    let all = lines(&said);
    assert!(all.iter().all(|l| l["verdict"] == "pass"));
    assert_eq!(all[0]["expectations"][2]["ok"], false);
    assert_eq!(all[0]["expectations"][2]["sometimes"], true);

    let said = bench.run(&["--seeds", "1..5", "--json"], in_seed(9));
    assert_eq!(said.code, 12);
    assert!(
        lines(&said)
            .iter()
            .all(|l| l["verdict"] == "fail" && l["exit"] == 12)
    );
    assert!(said.err.contains("in no seed of the run"), "{}", said.err);
    let report: serde_json::Value =
        serde_json::from_str(&bench.read("runs/a/one/seed-5/report.json")).unwrap();
    assert_eq!(report["exit"], 12);
}

#[test]
fn what_the_target_cannot_do_is_skipped_visibly() {
    let needs = "requires = [\"fence.ccr\", \"inject.kill\", \"media_log\", \"multi_host\"]\n[array]\nfence = ";
    let bench = Bench::new(&[("a/one", &format!("{needs}\"time\""))]);
    let run =
        |more: &[&str]| bench.run(more, |_: &Scenario, _| -> Ran { panic!("it must not run") });
    let said = run(&[]);
    assert_eq!(said.code, 77);
    assert!(
        said.out.contains("skip") && said.out.contains("requires fence.ccr"),
        "{}",
        said.out
    );
    let said = run(&["--json"]);
    assert_eq!(lines(&said)[0]["verdict"], "skip");
    assert!(!bench.at("runs").exists());
    // With an array that can, it runs.
    let said = bench.run(&["--set", "array.fence=\"ccr\""], good);
    assert_eq!(said.code, 0, "{}", said.err);
    // Skipped among others is no exit code of its own.
    let bench = Bench::new(&[("a/one", &format!("{needs}\"time\"")), ("b", "")]);
    assert_eq!(bench.run(&[], good).code, 0);
}

#[test]
fn a_panic_is_an_internal_error_of_its_run_alone() {
    let bench = Bench::new(&[("a/one", ""), ("a/two", "")]);
    let said = bench.run(&["--jobs", "2"], |s: &Scenario, seed| {
        assert!(s.name != "a/one", "slot {seed} is not free");
        Ok(rule_broken(&s.name, seed))
    });
    assert_eq!(said.code, 1, "an internal error comes before a broken rule");
    assert!(
        said.out.contains("internal error: slot 1 is not free ("),
        "{}",
        said.out
    );
    assert!(said.out.contains("one.toml --seed 1\n"));
    assert!(said.out.contains("0 passed, 2 failed"));
}

#[test]
fn what_a_run_cannot_take_is_invalid_input() {
    let bench = Bench::new(&[("a/one", ""), ("a/two", "")]);
    let said = bench.run(&["--json"], |s: &Scenario, seed| match s.name.as_str() {
        "a/one" => Err(WorldError::Config(ConfigError::NoVolume)),
        _ => Ok(missed(&s.name, seed)),
    });
    assert_eq!(said.code, 2);
    let all = lines(&said);
    assert_eq!((&all[0]["exit"], &all[1]["exit"]), (&2.into(), &12.into()));
    assert!(all[0]["note"].as_str().unwrap().contains("no volume"));
}

#[test]
fn output_is_the_same_for_any_number_of_jobs() {
    let names = ["a/one", "a/two", "b/three", "four"];
    let scenarios: Vec<(&str, &str)> = names.iter().map(|n| (*n, "")).collect();
    let runs = ["1", "2", "8"].map(|jobs| {
        let bench = Bench::new(&scenarios);
        // The first of all is the slowest.
        let said = bench.run(
            &["--json", "--seeds", "0..9", "--jobs", jobs],
            |s: &Scenario, seed| {
                if (s.name.as_str(), seed) == ("a/one", 0) {
                    std::thread::sleep(std::time::Duration::from_millis(50));
                }
                Ok(match seed {
                    7 => rule_broken(&s.name, seed),
                    _ => passing(&s.name, seed),
                })
            },
        );
        let here = bench.folder.path().to_string_lossy().into_owned();
        let files: Vec<_> = tree(&bench.at("runs"))
            .into_iter()
            .map(|(path, text)| (path, without_wall(&text).replace(&here, "HERE")))
            .collect();
        assert_eq!(files.len(), 4 * 10 * 4);
        (
            said.code,
            without_wall(&said.out).replace(&here, "HERE"),
            files,
        )
    });
    assert_eq!(runs[0].0, 10);
    assert!(runs[0] == runs[1] && runs[0] == runs[2]);
    // In the order of the input: files sorted, seeds ascending.
    let first = runs[0].1.lines().next().unwrap();
    assert!(first.contains("\"scenario\":\"a/one\"") && first.contains("\"seed\":0"));
}

#[test]
fn twice_finds_what_is_not_deterministic() {
    let bench = Bench::new(&[("a/one", "")]);
    assert_eq!(bench.run(&["--twice"], good).code, 0);
    let calls = AtomicU64::new(0);
    let said = bench.run(&["--twice"], |s: &Scenario, seed| {
        let mut r = passing(&s.name, seed);
        r.fingerprint = format!("{:016x}", calls.fetch_add(1, Ordering::Relaxed));
        Ok(r)
    });
    assert_eq!(said.code, 14);
    assert!(
        said.out
            .contains("fingerprint: first 0000000000000000, then 0000000000000001")
    );
    // The same fingerprint is not enough: every byte counts.
    let calls = AtomicU64::new(0);
    let said = bench.run(&["--twice"], |s: &Scenario, seed| {
        let mut r = passing(&s.name, seed);
        r.events[1].at_ns += calls.fetch_add(1, Ordering::Relaxed);
        Ok(r)
    });
    assert_eq!(said.code, 14);
    assert!(
        said.out.contains("events.jsonl line 2: first"),
        "{}",
        said.out
    );
    // A broken rule is graver.
    let calls = AtomicU64::new(0);
    let said = bench.run(&["--twice"], |s: &Scenario, seed| {
        let mut r = rule_broken(&s.name, seed);
        r.fingerprint = format!("{:016x}", calls.fetch_add(1, Ordering::Relaxed));
        Ok(r)
    });
    assert_eq!(said.code, 10);
}

#[test]
fn a_runs_folder_has_the_object_of_its_json_line_and_runs_again() {
    let bench = Bench::new(&[("a/one", "duration = \"1s..2s\"")]);
    let said = bench.run(&["--json", "--seed", "7"], good);
    assert_eq!(bench.read("runs/a/one/seed-7/report.json"), said.out);
    assert!(
        bench
            .read("runs/a/one/seed-7/events.jsonl")
            .starts_with("{\"at_ns\":1000000000,\"kind\":\"fault_start\"")
    );
    assert!(
        bench
            .read("runs/a/one/seed-7/timeline.csv")
            .starts_with("at_ns,ios,errors,bytes,mean_ns,max_ns,ios.h0-A0,")
    );
    // A stale file of an earlier run does not stay.
    fs::write(bench.at("runs/a/one/seed-7/report.html"), "old").unwrap();
    bench.run(&["--seed", "7"], good);
    assert_eq!(tree(&bench.at("runs")).len(), 4);
    // The resolved scenario is the scenario of that seed, whatever seed it is told to take.
    let again = bench.text("runs/a/one/seed-7/scenario.toml");
    let out = bench.text("again");
    let first = std::sync::Mutex::new(Vec::new());
    let record = |s: &Scenario, seed: u64| {
        first.lock().unwrap().push((s.duration, seed));
        good(s, seed)
    };
    harness(&["run", &again, "--out", &out], record);
    bench.run(&["--seed", "7"], record);
    let seen = first.into_inner().unwrap();
    assert_eq!(seen[0], seen[1]);
    // Several resolved scenarios do not share a folder.
    let all = bench.text("runs");
    bench.run(&["--seeds", "1..3"], good);
    let said = harness(&["run", &all, "--out", &out], good);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        bench.at("again/scenario-4/seed-7").is_dir(),
        "{:?}",
        tree(&bench.at("again")).keys()
    );
}

#[test]
fn a_folder_that_is_no_runs_is_never_replaced() {
    let bench = Bench::new(&[("a/one", "")]);
    fs::create_dir_all(bench.at("runs/a/one/seed-1")).unwrap();
    fs::write(bench.at("runs/a/one/seed-1/thesis.tex"), "precious").unwrap();
    let said = bench.run(&[], good);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("seed-1: is in the way"), "{}", said.err);
    assert_eq!(bench.read("runs/a/one/seed-1/thesis.tex"), "precious");
    // A file where the folder should be.
    let bench = Bench::new(&[("a/one", "")]);
    fs::write(bench.at("runs"), "").unwrap();
    let said = bench.run(&[], good);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("cannot make the folder"), "{}", said.err);
}

#[test]
fn ci_gets_its_files() {
    let bench = Bench::new(&[("a/one", ""), ("a/two", "")]);
    let junit = bench.text("ci/junit.xml");
    let said = bench.run(&["--junit", &junit, "--github"], |s: &Scenario, seed| {
        Ok(match s.name.as_str() {
            "a/one" => missed(&s.name, seed),
            _ => passing(&s.name, seed),
        })
    });
    assert_eq!(said.code, 12);
    let xml = bench.read("ci/junit.xml");
    assert!(xml.contains("<testsuite name=\"a/one\""), "{xml}");
    let annotation = format!(
        "::error file={},line=21,title=a/one::app.stall_max < 120ms (fault): actual 141 ms",
        bench.text("scenarios/a/one.toml")
    );
    assert!(said.out.contains(&annotation), "{}", said.out);
    let said = bench.run(&["--junit", &bench.text("scenarios")], good);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("cannot write"), "{}", said.err);
}

#[test]
fn compare_judges_rules_and_no_expectations() {
    let bench = Bench::new(&[("a/one", "expect_fail = \"a gap\""), ("b", "")]);
    let scenarios = bench.text("scenarios");
    let csv = bench.text("c.csv");
    let args = [
        "compare",
        &scenarios,
        "--policies",
        "adaptive,numa",
        "--seeds",
        "1..3",
        "--csv",
        &csv,
    ];
    let run = |s: &Scenario, seed: u64| {
        let mut r = passing(&s.name, seed);
        let policy = harness::scenario::policy_name(&s.datapath);
        r.policy.clone_from(&policy);
        if policy == "numa" {
            r.metrics
                .insert("app.iops".into(), Value::Float(1_000.0 * seed as f64));
        }
        r.expectations.clear();
        Ok(r)
    };
    let said = harness(&args, run);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(
        said.out.contains("197 k IOPS") || said.out.contains("197 k*"),
        "{}",
        said.out
    );
    assert!(said.out.contains("medians of 3 seeds"), "{}", said.out);
    assert!(
        bench.read("c.csv").contains("b,numa,3,app.iops,2000,,,"),
        "{}",
        bench.read("c.csv")
    );
    let mut json = args.to_vec();
    json.push("--json");
    let all = lines(&harness(&json, run));
    assert_eq!(all.len(), 4);
    assert_eq!(all[1]["policy"], "numa");
    assert_eq!(all[1]["metrics"]["app.iops"], 2000.0);
    assert_eq!(all[0]["best"][0], "app.iops");
    let said = harness(&args, |s: &Scenario, seed| Ok(stuck(&s.name, seed)));
    assert_eq!(said.code, 11);
    assert!(
        said.out.contains("✗ numa: stuck_io, 3 violations"),
        "{}",
        said.out
    );
    assert!(!bench.at("results").exists());
    let all = harness(&["compare", &scenarios, "--policies", "all"], good);
    for name in [
        "adaptive",
        "round_robin",
        "queue_depth",
        "least_bytes",
        "numa",
        "failover",
    ] {
        assert!(all.out.contains(name), "{}", all.out);
    }
}

/// A run whose mean is the lower, the nearer the optimised paths' part is to four fifths.
fn prefers_four_fifths(s: &Scenario, seed: u64) -> RunReport {
    let mut r = passing(&s.name, seed);
    r.policy = harness::scenario::policy_name(&s.datapath);
    let split = &s.datapath.split;
    let mean = match split.as_slice() {
        [] if r.policy == "oracle" => 100_000.0,
        [] => 200_000.0,
        [a, b, ..] => {
            let part = f64::from(*a) / f64::from(a + b);
            120_000.0 + 100_000.0 * (part - 0.8).abs()
        }
        [_] => panic!("four paths"),
    };
    r.metrics
        .insert("app.all.mean_ns".into(), Value::Float(mean));
    r.expectations.clear();
    r
}

#[test]
fn compare_finds_the_best_split_and_says_whose_it_is() {
    let bench = Bench::new(&[("a/one", "")]);
    let scenarios = bench.text("scenarios");
    let args = [
        "compare",
        &scenarios,
        "--policies",
        "all",
        "--seeds",
        "1..6",
        "--json",
    ];
    let said = harness(&args, |s: &Scenario, seed| Ok(prefers_four_fifths(s, seed)));
    assert_eq!(said.code, 0, "{}", said.err);
    let all = lines(&said);
    let of = |policy: &str| all.iter().find(|c| c["policy"] == policy);
    let best = of("best").expect("a column");
    assert_eq!(best["from"]["app.all.mean_ns"], "static 4/1/4/1");
    assert_eq!(best["metrics"]["app.all.mean_ns"], 120_000.0);
    let away = best["distance"]["app.all.mean_ns"].as_f64();
    assert!(
        (away.unwrap() - 0.2).abs() < 1e-9,
        "from the oracle: {away:?}"
    );
    assert_eq!(
        all.len(),
        12,
        "ten policies and two references; splits are not shown"
    );
    let marked = |c: &serde_json::Value| c["best"].as_array().map_or(0, Vec::len);
    assert_eq!(marked(best) + marked(of("oracle").unwrap()), 0);
}

#[test]
fn bounds_are_judged_on_medians_and_fail_with_12() {
    let bench = Bench::new(&[("a/one", ""), ("a/two", "")]);
    let scenarios = bench.text("scenarios");
    let file = bench.at("bounds.toml");
    let bounds = |percent: u32, gap: &str| {
        let text = format!(
            "[[bound]]\nrow = \"mean\"\nscenario = \"a/one\"\nmetric = \"app.all.mean\"\n\
             at_most = \"{percent} % of best\"\n{gap}\n"
        );
        std::fs::write(&file, text).unwrap();
        let file = file.to_string_lossy();
        let args = ["compare", &scenarios, "--bounds", &file, "--seeds", "1..3"];
        harness(&args, |s: &Scenario, seed| Ok(prefers_four_fifths(s, seed)))
    };
    let held = bounds(167, "");
    assert_eq!(held.code, 0, "{}", held.err);
    assert!(held.out.contains("static 4/1/4/1"), "{}", held.out);
    assert!(held.out.contains("1 bound: 1 held"), "{}", held.out);
    let broken = bounds(166, "");
    assert_eq!(broken.code, 12);
    assert!(broken.out.contains("166.7 %"), "{}", broken.out);
    assert_eq!(bounds(166, "known_gap = \"why\"").code, 0);
    let closed = bounds(167, "known_gap = \"why\"");
    assert_eq!(closed.code, 12);
    assert!(closed.out.contains("remove known_gap"), "{}", closed.out);
}

//! Two hours of a real virtual disk, replayed at sixty times their pace, while a fabric goes and comes back. The trace is no
//! part of the project: it is looked for in the folder that `MPIO_TRACES` names, and the tests say so where it is not there.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TRACE: &str = "cloudphysics.vscsi.gz";

fn trace(test: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("MPIO_TRACES") {
        Some(named) => PathBuf::from(named),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/traces"),
    };
    let file = folder.join(TRACE);
    if file.is_file() {
        return Some(file.canonicalize().expect("the file's full name"));
    }
    println!(
        "skip {test}: there is no {} (MPIO_TRACES names the folder)",
        file.display()
    );
    None
}

/// Runs the replay through `fault` on fabric red, from 30 s to 35 s, and returns the report. `longest`: of any I/O.
fn replay(trace: &Path, fault: &str, longest: &str) -> Value {
    let home = tempfile::tempdir().expect("a folder");
    // The format is not named: it is found out from the file.
    let scenario = format!(
        r#"[scenario]
title = "A real disk through the loss of a fabric"
duration = "125s"

[[workload]]
name = "disk"
kind = "replay"
file = '{}'
speed = 60.0

[[fault]]
at = "30s"
for = "5s"
on = "fabric:red"
do = "{fault}"

[[expect]]
metric = "app.errors == 0"

[[expect]]
metric = "app.read.ios == 46974"

[[expect]]
metric = "app.write.ios == 66898"

[[expect]]
metric = "app.all.max < {longest}"

[[expect]]
metric = "failover.retried >= 1"

[[expect]]
metric = "failback.count >= 1"

[[expect]]
metric = "path.h0-A0.ios > 100"
window = "healed"

# A burst that saturates the optimised paths may spill; nothing else uses the others.
[[expect]]
metric = "path.h0-B0.ios < 200"
"#,
        trace.display()
    );
    fs::write(home.path().join("disk.toml"), scenario).expect("the scenario");
    let output = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["run", "disk.toml", "--json", "--quiet", "--out", "runs"])
        .current_dir(home.path())
        .env_remove("GITHUB_STEP_SUMMARY")
        .output()
        .expect("harness runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}\n{why}");
    serde_json::from_str(said.trim()).expect("one report")
}

fn judge(report: &Value) {
    assert_eq!(report["verdict"], "pass");
    let rules = report["rules"].as_object().expect("rules");
    assert!(!rules.is_empty());
    for (rule, broken) in rules {
        assert_eq!(broken, 0, "{rule}");
    }
    assert_eq!(report["workloads"][0]["errors"], 0);
    assert_eq!(report["workloads"][0]["skipped_records"], 0);
    // 7,200 s at sixty times their pace are 120 s; the rest is the end of the last I/O or of the scenario.
    let virtual_ns = report["virtual_ns"].as_u64().expect("virtual time");
    assert!(
        (120_000_000_000..=125_100_000_000).contains(&virtual_ns),
        "{virtual_ns}"
    );
}

#[test]
fn a_real_trace_replays_through_the_silence_of_a_fabric() {
    let Some(trace) = trace("a_real_trace_replays_through_the_silence_of_a_fabric") else {
        return;
    };
    judge(&replay(&trace, "drop", "150ms"));
}

#[test]
fn a_real_trace_replays_through_the_reset_of_a_fabric() {
    let Some(trace) = trace("a_real_trace_replays_through_the_reset_of_a_fabric") else {
        return;
    };
    judge(&replay(&trace, "reset", "50ms"));
}

#[test]
fn a_real_trace_replays_alike_each_time() {
    let Some(trace) = trace("a_real_trace_replays_alike_each_time") else {
        return;
    };
    let once = replay(&trace, "drop", "150ms");
    let again = replay(&trace, "drop", "150ms");
    assert_eq!(once["fingerprint"], again["fingerprint"]);
    assert_eq!(once["metrics"], again["metrics"]);
}

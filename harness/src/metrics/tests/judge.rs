//! Expectations, and the names of the report.

use super::*;
use crate::metrics::judge::{holds, judge};
use crate::scenario::model::Cmp;
use crate::scenario::{Scenario, parse};

fn scenario(expects: &str) -> Scenario {
    let text = format!(
        r#"
[scenario]
title = "t"
duration = "5s"

[[workload]]
name = "oltp"

[[fault]]
at = "1s"
for = "500ms"
on = "path:h0-A0"
do = "reset"
{expects}"#
    );
    match parse(&text, "t.toml".as_ref(), "t", &[]) {
        Ok(scenario) => scenario,
        Err(errors) => panic!("{errors:?}"),
    }
}

#[test]
fn each_comparison_compares() {
    use Cmp::*;
    for (cmp, less, same, more) in [
        (Eq, false, true, false),
        (Ne, true, false, true),
        (Lt, true, false, false),
        (Le, true, true, false),
        (Gt, false, false, true),
        (Ge, false, true, true),
    ] {
        for (actual, expected) in [(4u64, less), (5, same), (6, more)] {
            assert_eq!(holds(Value::Int(actual), cmp, 5.0), expected, "{cmp:?}");
            let float = Value::Float(actual as f64);
            assert_eq!(holds(float, cmp, 5.0), expected, "{cmp:?}");
        }
    }
}

#[test]
fn expectations_are_judged_in_their_window_and_unit() {
    let s = scenario(
        r#"
[[expect]]
metric = "app.ios == 3"
[[expect]]
metric = "app.ios == 3"
window = "fault"
[[expect]]
metric = "app.read.p99 < 2ms"
window = "fault"
[[expect]]
metric = "app.write.p99 < 2ms"
[[expect]]
sometimes = "failover.count >= 1"
"#,
    );
    let mut r = Recorder::of(&s);
    io(&mut r, 500 * MS, 5 * MS, Op::Read);
    r.fault_started(Instant(S));
    io(&mut r, S, MS, Op::Read);
    r.fault_ended(Instant(S + 500 * MS));
    io(&mut r, 4 * S, MS, Op::Read);
    let m = r.finish(Instant(5 * S));
    let results = judge(&s, &m);
    let ok: Vec<bool> = results.iter().map(|r| r.ok).collect();
    assert_eq!(ok, [true, false, true, false, false]);
    assert_eq!(results[1].metric, "app.ios == 3");
    assert_eq!(results[1].window, "fault");
    assert_eq!(results[1].actual, Some(Value::Int(1)));
    assert_eq!(results[2].actual, Some(Value::Int(MS)));
    assert_eq!(results[3].actual, None);
    let times: Vec<bool> = results.iter().map(|r| r.is_time).collect();
    assert_eq!(times, [false, false, true, true, false]);
    assert!(results[4].sometimes && !results[3].sometimes);
    assert!(results.windows(2).all(|w| w[0].line < w[1].line));
}

#[test]
fn the_report_has_every_metric_with_times_in_nanoseconds() {
    let s = scenario("");
    let mut r = Recorder::of(&s);
    for path in 0..4 {
        for shard in 0..s.host.shards {
            usable_on(&mut r, MS, path, shard, 0, true);
        }
        command(&mut r, 10 * MS, 1_000, u32::from(path));
    }
    for op in [Op::Read, Op::Write] {
        io(&mut r, 20 * MS, MS, op);
    }
    let volume = protocol::VolumeId(0);
    for event in [
        datapath::core::Event::NoPath { volume, queued: 0 },
        datapath::core::Event::NoPathFailed { volume, failed: 1 },
    ] {
        r.core_event(Instant(S), 0, 0, &event);
    }
    let m = r.finish(Instant(5 * S));
    let flat = m.flat();
    let names: Vec<String> = m.paths().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["h0-A0", "h0-B0", "h1-A1", "h1-B1"]);
    let all = crate::scenario::metric::all(&names);
    let count = all.len();
    for (name, measure) in all {
        let key = if measure.is_time() {
            format!("{name}_ns")
        } else {
            name
        };
        assert!(flat.contains_key(&key), "{key} is missing");
    }
    assert_eq!(flat.len(), count);
    assert_eq!(flat["app.read.p99_ns"], Value::Int(MS));
    assert_eq!(flat["app.iops"], Value::Float(0.4));
    assert_eq!(flat["balance.jain"], Value::Float(1.0));
    assert_eq!(flat["failover.count"], Value::Int(0));
}

#[test]
fn a_latency_over_nothing_is_left_out_of_the_report() {
    let m = recorder().finish(Instant(5 * S));
    let flat = m.flat();
    assert!(!flat.contains_key("app.read.p99_ns"));
    assert!(!flat.contains_key("balance.jain"));
    assert_eq!(flat["app.stall_max_ns"], Value::Int(0));
}

//! Steady, fault, healed: when they begin, end, merge, and are not there at all.

use super::*;

/// One read completes at each of these times.
fn reads(r: &mut Recorder, at: &[u64]) {
    for at in at {
        io(r, at - 1000, 1000, Op::Read);
    }
}

fn ios(m: &Measured) -> [Option<u64>; 4] {
    [Window::Whole, Window::Steady, Window::Fault, Window::Healed].map(|window| {
        match m.value("app.ios", window) {
            Some(Value::Int(n)) => Some(n),
            None => None,
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn without_a_fault_all_is_steady() {
    let mut r = recorder();
    reads(&mut r, &[S, 2 * S, 6 * S]);
    assert_eq!(
        ios(&r.finish(Instant(7 * S))),
        [Some(3), Some(3), None, None]
    );
}

#[test]
fn one_fault_cuts_the_run_in_four() {
    let mut r = recorder();
    reads(&mut r, &[500 * MS]);
    r.fault_started(Instant(S));
    reads(&mut r, &[S + MS, S + 2 * MS]);
    r.fault_ended(Instant(2 * S));
    reads(&mut r, &[2 * S + MS, 3 * S - 1]);
    // Exactly a second later it is healed.
    reads(&mut r, &[3 * S, 4 * S, 4 * S + 1, 4 * S + 2]);
    assert_eq!(
        ios(&r.finish(Instant(5 * S))),
        [Some(9), Some(1), Some(2), Some(4)]
    );
}

#[test]
fn faults_that_overlap_are_one_window() {
    let mut r = recorder();
    r.fault_started(Instant(S));
    r.fault_started(Instant(S + 100 * MS));
    r.fault_ended(Instant(S + 200 * MS));
    reads(&mut r, &[S + 300 * MS]);
    r.fault_ended(Instant(S + 400 * MS));
    reads(&mut r, &[S + 500 * MS, 3 * S]);
    assert_eq!(
        ios(&r.finish(Instant(5 * S))),
        [Some(3), Some(0), Some(1), Some(1)]
    );
}

#[test]
fn a_later_fault_takes_gap_and_healed_back_into_the_fault_window() {
    let mut r = recorder();
    reads(&mut r, &[500 * MS]);
    r.fault_started(Instant(S));
    reads(&mut r, &[S + MS]);
    r.fault_ended(Instant(S + 10 * MS));
    reads(&mut r, &[S + 20 * MS]); // gap
    reads(&mut r, &[2 * S + 20 * MS, 2 * S + 30 * MS]); // healed
    r.fault_started(Instant(3 * S));
    reads(&mut r, &[3 * S + MS]);
    r.fault_ended(Instant(3 * S + 2 * MS));
    reads(&mut r, &[3 * S + 3 * MS, 4 * S + 3 * MS]);
    let m = r.finish(Instant(5 * S));
    assert_eq!(ios(&m), [Some(8), Some(1), Some(5), Some(1)]);
    // 5 in 2.002 s; 1 in the 998 ms that remain.
    assert_eq!(float(&m, "app.iops", Window::Fault), 2.498);
    assert_eq!(float(&m, "app.iops", Window::Healed), 1.002);
    assert_eq!(int(&m, "app.read.max", Window::Fault), 1000);
}

#[test]
fn a_fault_from_the_beginning_leaves_no_steady_window() {
    let mut r = recorder();
    r.fault_started(Instant(0));
    reads(&mut r, &[MS]);
    r.fault_ended(Instant(S));
    reads(&mut r, &[4 * S]);
    assert_eq!(
        ios(&r.finish(Instant(5 * S))),
        [Some(2), None, Some(1), Some(1)]
    );
}

#[test]
fn a_fault_until_the_end_leaves_no_healed_window_and_the_drain_is_not_in_it() {
    let mut r = recorder();
    r.fault_started(Instant(4 * S));
    reads(&mut r, &[4 * S + MS]);
    r.fault_ended(Instant(5 * S));
    reads(&mut r, &[5 * S + MS, 6 * S + MS]);
    let m = r.finish(Instant(7 * S));
    assert_eq!(ios(&m), [Some(3), Some(0), Some(1), None]);
    assert_eq!(float(&m, "app.iops", Window::Fault), 1.0);
    assert_eq!(float(&m, "app.iops", Window::Whole), 0.2);
}

#[test]
fn what_completes_in_the_drain_is_counted_and_is_in_no_rate() {
    let mut r = recorder();
    r.fault_started(Instant(S));
    r.fault_ended(Instant(2 * S));
    reads(&mut r, &[4 * S, 5 * S - MS, 5 * S + MS, 6 * S]);
    let m = r.finish(Instant(6 * S));
    assert_eq!(ios(&m), [Some(4), Some(0), Some(0), Some(4)]);
    assert_eq!(float(&m, "app.iops", Window::Healed), 1.0);
    assert_eq!(float(&m, "app.bytes_per_s", Window::Healed), 4_096.0);
    assert_eq!(float(&m, "app.iops", Window::Whole), 0.4);
}

#[test]
fn a_fault_that_is_never_told_to_end_lasts_to_the_end() {
    let mut r = recorder();
    r.fault_started(Instant(4 * S));
    reads(&mut r, &[4 * S + MS]);
    let m = r.finish(Instant(5 * S));
    assert_eq!(ios(&m), [Some(1), Some(0), Some(1), None]);
    assert_eq!(float(&m, "app.iops", Window::Fault), 1.0);
}

#[test]
fn the_end_of_no_fault_is_nothing() {
    let mut r = recorder();
    r.fault_ended(Instant(S));
    reads(&mut r, &[3 * S]);
    assert_eq!(
        ios(&r.finish(Instant(5 * S))),
        [Some(1), Some(1), None, None]
    );
}

#[test]
fn an_io_counts_where_it_completes() {
    let mut r = recorder();
    r.app_submitted(Instant(S - MS));
    r.fault_started(Instant(S));
    r.app_completed(Instant(S + MS), done(Op::Read, S - MS));
    r.fault_ended(Instant(2 * S));
    assert_eq!(
        ios(&r.finish(Instant(5 * S))),
        [Some(1), Some(0), Some(1), Some(0)]
    );
}

#[test]
fn a_run_in_which_nothing_happened_answers_every_metric() {
    let m = recorder().finish(Instant(0));
    let names: Vec<String> = ["h0-A0", "h0-B0"].map(String::from).into();
    let nothing = |name: &str| {
        let last = name.rsplit('.').next().unwrap_or("");
        name.starts_with("balance.")
            || ["mean", "p50", "p90", "p99", "p999", "share"].contains(&last)
            || name.starts_with("no_path.fails_after")
            || (name.starts_with("app.") && last == "max")
    };
    for (name, _) in crate::scenario::metric::all(&names) {
        let value = m.value(&name, Window::Whole);
        assert_eq!(value.is_none(), nothing(&name), "{name} is {value:?}");
        assert_eq!(m.value(&name, Window::Fault), None, "{name}");
    }
    assert_eq!(m.value("app.nonsense", Window::Whole), None);
    assert_eq!(m.value("path.h9-Z9.ios", Window::Whole), None);
    assert!(m.timeline().is_empty());
}

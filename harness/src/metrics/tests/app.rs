//! `app.*`: counts, rates, stalls, latencies.

use super::*;

#[test]
fn reads_writes_and_discards_count_together_and_flushes_apart() {
    let mut r = recorder();
    for (i, op) in [Op::Read, Op::Write, Op::Discard, Op::WriteZeroes, Op::Flush]
        .into_iter()
        .enumerate()
    {
        io(&mut r, i as u64 * MS, 1000, op);
    }
    for op in [Op::Read, Op::Write, Op::Discard, Op::Flush] {
        r.app_submitted(Instant(20 * MS));
        r.app_completed(Instant(21 * MS), failed(op, 20 * MS));
    }
    let m = r.finish(Instant(5 * S));
    let counts = [
        ("app.ios", 7),
        ("app.bytes", 7 * 4096),
        ("app.errors", 3),
        ("app.read.ios", 2),
        ("app.read.errors", 1),
        ("app.write.ios", 2),
        ("app.write.errors", 1),
        ("app.flush.ios", 2),
        ("app.flush.errors", 1),
    ];
    for (metric, expected) in counts {
        assert_eq!(whole(&m, metric), expected, "{metric}");
    }
}

#[test]
fn rates_count_what_succeeded_over_the_windows_length() {
    let mut r = recorder();
    for i in 0..10 {
        io(&mut r, i * 100 * MS, 1000, Op::Read);
    }
    r.app_submitted(Instant(S + 500 * MS));
    r.app_completed(Instant(S + 600 * MS), failed(Op::Read, S));
    r.fault_started(Instant(2 * S));
    io(&mut r, 2 * S, MS, Op::Write);
    r.fault_ended(Instant(2 * S + 300 * MS));
    let m = r.finish(Instant(6 * S));
    assert_eq!(float(&m, "app.iops", Window::Whole), 11.0 / 5.0);
    assert_eq!(float(&m, "app.iops", Window::Steady), 5.0);
    assert_eq!(float(&m, "app.iops", Window::Fault), 3.333);
    assert_eq!(float(&m, "app.bytes_per_s", Window::Fault), 13_653.333);
    assert_eq!(float(&m, "app.iops", Window::Healed), 0.0);
    assert_eq!(int(&m, "app.ios", Window::Steady), 11);
}

#[test]
fn percentiles_have_three_digits_and_mean_and_max_are_exact() {
    let mut r = recorder();
    for i in 1..=1000u64 {
        io(&mut r, i * MS, i * 1_000, Op::Read);
    }
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "app.read.mean"), 500_500);
    assert_eq!(whole(&m, "app.read.max"), 1_000_000);
    for (metric, exact) in [
        ("app.read.p50", 500_000.0),
        ("app.read.p90", 900_000.0),
        ("app.read.p99", 990_000.0),
        ("app.all.p999", 999_000.0),
    ] {
        let value = whole(&m, metric) as f64;
        assert!(
            value >= exact && value <= exact * 1.001,
            "{metric} is {value}"
        );
    }
    assert_eq!(m.value("app.write.p99", Window::Whole), None);
    assert_eq!(m.value("app.write.mean", Window::Whole), None);
    assert_eq!(m.value("app.write.max", Window::Whole), None);
}

#[test]
fn a_percentile_never_exceeds_the_longest() {
    let mut r = recorder();
    io(&mut r, 0, 1_234_567, Op::Write);
    let m = r.finish(Instant(5 * S));
    for name in ["mean", "p50", "p90", "p99", "p999", "max"] {
        assert_eq!(whole(&m, &format!("app.write.{name}")), 1_234_567, "{name}");
    }
}

#[test]
fn latencies_cover_failed_ios_and_all_classes_but_flushes() {
    let mut r = recorder();
    r.app_submitted(Instant(0));
    r.app_completed(Instant(8_000), failed(Op::Read, 0));
    io(&mut r, MS, 4_000, Op::Discard);
    io(&mut r, 2 * MS, 900_000, Op::Flush);
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "app.read.max"), 8_000);
    assert_eq!(whole(&m, "app.all.max"), 8_000);
    assert_eq!(whole(&m, "app.all.mean"), 6_000);
}

#[test]
fn open_loop_latency_runs_from_arrival() {
    let mut r = recorder();
    r.app_submitted(Instant(10 * MS));
    r.app_completed(Instant(12 * MS), done(Op::Read, 3 * MS));
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "app.read.max"), 9 * MS);
    assert_eq!(whole(&m, "app.stall_max"), 2 * MS);
}

#[test]
fn a_stall_is_time_without_completion_while_something_is_outstanding() {
    let mut r = recorder();
    io(&mut r, 0, MS, Op::Read);
    // Idle from 1 ms to 500 ms is no stall.
    r.app_submitted(Instant(500 * MS));
    r.app_submitted(Instant(501 * MS));
    r.app_completed(Instant(507 * MS), done(Op::Read, 500 * MS));
    // From the latest completion, not from the submission.
    r.app_completed(Instant(527 * MS), done(Op::Flush, 501 * MS));
    let m = r.finish(Instant(5 * S));
    assert_eq!(whole(&m, "app.stall_max"), 20 * MS);
}

#[test]
fn a_stall_counts_in_each_window_with_the_age_it_reached_there() {
    let mut r = recorder();
    r.app_submitted(Instant(S - 10 * MS));
    r.fault_started(Instant(S));
    r.fault_ended(Instant(S + 100 * MS));
    r.app_completed(Instant(2 * S + 200 * MS), done(Op::Read, S - 10 * MS));
    let m = r.finish(Instant(5 * S));
    assert_eq!(int(&m, "app.stall_max", Window::Steady), 10 * MS);
    assert_eq!(int(&m, "app.stall_max", Window::Fault), 110 * MS);
    assert_eq!(int(&m, "app.stall_max", Window::Healed), 1210 * MS);
    assert_eq!(whole(&m, "app.stall_max"), 1210 * MS);
}

#[test]
fn what_never_completes_is_a_stall_to_the_end() {
    let mut r = recorder();
    r.app_submitted(Instant(S));
    let m = r.finish(Instant(15 * S));
    assert_eq!(whole(&m, "app.stall_max"), 14 * S);
    assert_eq!(whole(&m, "app.ios"), 0);
}

#[test]
fn workloads_have_their_own_counts() {
    let mut r = recorder();
    io(&mut r, 0, MS, Op::Read);
    r.app_submitted(Instant(2 * MS));
    r.app_completed(
        Instant(3 * MS),
        AppDone {
            workload: 1,
            ..failed(Op::Write, 2 * MS)
        },
    );
    io(&mut r, 4 * MS, MS, Op::Flush);
    r.skipped(1, 3);
    r.skipped(7, 3);
    let workloads = r.finish(Instant(5 * S)).workloads();
    assert_eq!(workloads.len(), 2);
    let (oltp, log) = (&workloads[0], &workloads[1]);
    assert_eq!(
        (
            oltp.name.as_str(),
            oltp.ios,
            oltp.errors,
            oltp.skipped_records
        ),
        ("oltp", 1, 0, 0)
    );
    assert_eq!(
        (log.name.as_str(), log.ios, log.errors, log.skipped_records),
        ("log", 1, 1, 3)
    );
}

//! The run in rows.

use super::*;

#[test]
fn rows_of_ten_milliseconds_to_the_end() {
    let mut r = recorder();
    io(&mut r, MS, 2 * MS, Op::Read);
    io(&mut r, 4 * MS, 4 * MS, Op::Write);
    command(&mut r, MS, MS, 1);
    // Exactly at a row's beginning.
    r.app_submitted(Instant(29 * MS));
    r.app_completed(Instant(30 * MS), failed(Op::Read, 29 * MS));
    command(&mut r, 31 * MS, MS, 0);
    let rows = r.finish(Instant(45 * MS)).timeline();
    let at: Vec<u64> = rows.iter().map(|row| row.at_ns / MS).collect();
    assert_eq!(at, [0, 10, 20, 30, 40]);
    assert_eq!((rows[0].ios, rows[0].errors, rows[0].bytes), (2, 0, 8192));
    assert_eq!((rows[0].mean_ns, rows[0].max_ns), (3 * MS, 4 * MS));
    assert_eq!(rows[0].per_path_ios, [0, 1]);
    assert_eq!((rows[1].ios, rows[1].mean_ns), (0, 0));
    assert_eq!((rows[3].ios, rows[3].errors), (1, 1));
    assert_eq!(rows[3].per_path_ios, [1, 0]);
    assert_eq!(rows[4].per_path_ios, [0, 0]);
}

#[test]
fn what_completes_at_the_very_end_has_a_row() {
    let mut r = recorder();
    r.app_submitted(Instant(0));
    r.app_completed(Instant(20 * MS), done(Op::Read, 0));
    command(&mut r, MS, 19 * MS, 0);
    let rows = r.finish(Instant(20 * MS)).timeline();
    assert_eq!(rows.len(), 3);
    assert_eq!((rows[2].ios, rows[2].per_path_ios[0]), (1, 1));
}

#[test]
fn a_long_run_has_coarser_rows_and_loses_nothing() {
    let mut r = recorder();
    let every = 7 * MS;
    let count = 100_000u64;
    for i in 0..count {
        r.app_submitted(Instant(i * every));
        command(&mut r, i * every, 1_000, (i % 3 % 2) as u32);
        r.app_completed(Instant(i * every + i), done(Op::Read, i * every));
    }
    let rows = r.finish(Instant(count * every)).timeline();
    // 700 s: 70,000 rows of 10 ms would be too many.
    assert_eq!(rows.len(), 7_000);
    assert!(rows.windows(2).all(|w| w[1].at_ns - w[0].at_ns == 100 * MS));
    assert_eq!(rows.iter().map(|r| r.ios).sum::<u64>(), count);
    assert_eq!(rows.iter().map(|r| r.bytes).sum::<u64>(), count * 4096);
    let on = |path: usize| rows.iter().map(|r| r.per_path_ios[path]).sum::<u64>();
    assert_eq!((on(0), on(1)), (66_667, 33_333));
    assert_eq!(rows.iter().map(|r| r.max_ns).max(), Some(count - 1));
    assert!(rows.iter().all(|r| (14..=15).contains(&r.ios)));
}

#[test]
fn many_paths_bound_the_rows_too() {
    let names: Vec<String> = (0..1_000).map(|i| format!("p{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut r = Recorder::new(layout(&names, 1, 1));
    command(&mut r, 0, 1_000, 999);
    command(&mut r, 50 * S - MS, 1_000, 999);
    let rows = r.finish(Instant(50 * S)).timeline();
    assert_eq!(rows.len(), 500);
    assert_eq!(rows[0].per_path_ios[999], 1);
    assert_eq!(rows[499].per_path_ios[999], 1);
}

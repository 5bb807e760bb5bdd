//! What a replay makes of a trace: where, when, which and how many.

use super::ReplayCounts;
use crate::scenario::model::{Kind, Scenario};
use crate::trace::Kind as Wrong;
use crate::workload::tests::scenario;
use crate::workload::{Io, Source, WorkloadError};
use protocol::{Instant, Op};
use std::io::Write;

/// A scenario that replays `trace` with these keys on the 1 GiB volume of the tests.
fn replaying(trace: &str, keys: &str) -> (tempfile::TempDir, Scenario) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t");
    std::fs::File::create(&file)
        .unwrap()
        .write_all(trace.as_bytes())
        .unwrap();
    let mut s = scenario(&format!("kind = \"replay\"\nfile = \"t\"\n{keys}"));
    if let Kind::Replay(replay) = &mut s.workloads[0].kind {
        replay.file = file;
    }
    (folder, s)
}

/// Everything until the end or the error, and the source.
fn drained(s: &Scenario, seed: u64) -> (Vec<(Instant, Io)>, Result<Source, WorkloadError>) {
    let mut out = Vec::new();
    let mut source = match Source::new(s, 0, seed) {
        Ok(source) => source,
        Err(e) => return (out, Err(e)),
    };
    loop {
        match source.next() {
            Ok(Some(io)) => out.push(io),
            Ok(None) => {
                assert!(source.next().unwrap().is_none());
                return (out, Ok(source));
            }
            Err(e) => {
                assert_eq!(source.next().unwrap_err().to_string(), e.to_string());
                return (out, Err(e));
            }
        }
    }
}

fn replayed(trace: &str, keys: &str) -> (Vec<(Instant, Io)>, ReplayCounts) {
    let (_folder, s) = replaying(trace, keys);
    let (ios, source) = drained(&s, 1);
    (ios, source.expect("no error").replayed().expect("a replay"))
}

fn refused(trace: &str, keys: &str) -> (usize, crate::trace::TraceError) {
    let (_folder, s) = replaying(trace, keys);
    match drained(&s, 1) {
        (ios, Err(WorkloadError::Trace { workload, source })) => {
            assert_eq!(workload, "w");
            (ios.len(), source)
        }
        (ios, other) => panic!("{} I/Os, {:?}", ios.len(), other.err()),
    }
}

fn at(ios: &[(Instant, Io)]) -> Vec<u64> {
    ios.iter().map(|(at, _)| at.0).collect()
}

const ALIBABA: &str = "1,R,0,4096,1000\n2,W,8192,4096,1010\n1,W,4096,512,1500\n2,R,0,512,2000\n";

#[test]
fn the_recorded_pace_is_kept_from_the_start() {
    let (ios, counts) = replayed(ALIBABA, "start = \"1ms\"");
    assert_eq!(at(&ios), [1_000_000, 1_010_000, 1_500_000, 2_000_000]);
    assert_eq!(ios[1].1, Io::single(Op::Write, 16, 8, false));
    assert_eq!(
        (counts.records, counts.skipped, counts.spread),
        (4, 0, false)
    );
    let (_folder, s) = replaying(ALIBABA, "");
    let source = Source::new(&s, 0, 1).unwrap();
    assert!(source.is_open());
    assert_eq!(source.depth(), 0);
}

#[test]
fn speed_divides_distances_exactly() {
    assert_eq!(
        at(&replayed(ALIBABA, "speed = 3.0").0),
        [0, 3_333, 166_666, 333_333]
    );
    assert_eq!(
        at(&replayed(ALIBABA, "speed = 0.001").0),
        [0, 10_000_000, 500_000_000, 1_000_000_000]
    );
}

#[test]
fn as_fast_as_possible_is_a_closed_loop() {
    let (_folder, s) = replaying(ALIBABA, "pace = \"asap\"\ndepth = 7\nstart = \"2ms\"");
    let source = Source::new(&s, 0, 1).unwrap();
    assert!(!source.is_open());
    assert_eq!(source.depth(), 7);
    assert_eq!(at(&drained(&s, 1).0), [2_000_000; 4]);
}

#[test]
fn arrivals_never_go_backwards() {
    let (ios, counts) = replayed(
        "0,R,0,512,20\n0,R,0,512,10\n0,R,0,512,15\n0,R,0,512,21\n",
        "",
    );
    assert_eq!(at(&ios), [0, 0, 0, 1_000]);
    assert_eq!(counts.backwards, 2);
}

#[test]
fn a_device_is_selected_and_its_first_record_is_the_start() {
    let (ios, counts) = replayed(ALIBABA, "device = \"2\"");
    assert_eq!(at(&ios), [0, 990_000]);
    assert_eq!(counts.records, 2);
}

#[test]
fn an_unknown_device_lists_those_that_there_are() {
    let (_, error) = refused(ALIBABA, "device = \"3\"");
    assert_eq!(error.kind(), Wrong::NoSuchDevice);
    assert!(
        error
            .to_string()
            .ends_with("there is no I/O of device '3', expected one of '1', '2'"),
        "{error}"
    );
    let many: String = (0..25).map(|d| format!("{d},R,0,512,1\n")).collect();
    let (_, error) = refused(&many, "device = \"x\"");
    assert!(error.to_string().ends_with("'19' and 5 more"), "{error}");
}

#[test]
fn limit_counts_records_and_count_counts_ios() {
    let trace = "fio version 3 iolog\n1 a sync 0 0\n2 a read 0 0\n3 a read 0 512\n4 a sync 0 0\n5 a write 0 512\n6 a read 0 512\n";
    let ops =
        |keys: &str| -> Vec<Op> { replayed(trace, keys).0.iter().map(|io| io.1.op).collect() };
    assert_eq!(
        ops(""),
        [Op::Flush, Op::Read, Op::Flush, Op::Write, Op::Read]
    );
    assert_eq!(ops("limit = 3"), [Op::Flush, Op::Read]);
    assert_eq!(ops("count = 1"), [Op::Flush, Op::Read]);
    assert_eq!(
        ops("count = 2"),
        [Op::Flush, Op::Read, Op::Flush, Op::Write]
    );
    let counts = replayed(trace, "limit = 3").1;
    assert_eq!((counts.records, counts.skipped), (3, 1));
    assert_eq!(ops("limit = 2\ndevice = \"a\""), [Op::Flush]);
}

#[test]
fn a_stop_ends_it() {
    assert_eq!(at(&replayed(ALIBABA, "stop = \"500us\"").0), [0, 10_000]);
}

#[test]
fn ios_are_widened_to_blocks() {
    let (ios, counts) = replayed("0,W,513,510,1\n0,W,511,2,2\n0,W,512,512,3\n", "");
    let pieces: Vec<_> = ios.iter().map(|io| io.1.pieces()[0]).collect();
    assert_eq!(pieces, [(1, 1), (0, 2), (1, 1)]);
    assert_eq!(counts.widened, 2);
}

const GIB: u64 = 1 << 30;

fn around_the_end() -> String {
    let mut text = String::new();
    for (offset, len) in [
        (GIB - 512, 512),
        (GIB - 512, 1024),
        (GIB, 512),
        (5 * GIB + 1024, 2048),
        (3 * GIB - 1024, 4096),
    ] {
        text.push_str(&format!("0,W,{offset},{len},1\n"));
    }
    text
}

#[test]
fn beyond_the_end_wraps_in_two_pieces() {
    let (ios, counts) = replayed(&around_the_end(), "beyond_end = \"wrap\"");
    let last = GIB / 512 - 1;
    let pieces: Vec<&[(u64, u32)]> = ios.iter().map(|io| io.1.pieces()).collect();
    assert_eq!(
        pieces,
        [
            &[(last, 1)][..],
            &[(last, 1), (0, 1)],
            &[(0, 1)],
            &[(2, 4)],
            &[(last - 1, 2), (0, 6)],
        ]
    );
    assert_eq!((counts.wrapped, counts.records), (4, 5));
    let default = replayed(&around_the_end(), "").0;
    assert_eq!(default, ios);
}

#[test]
fn beyond_the_end_is_clipped() {
    let (ios, counts) = replayed(&around_the_end(), "beyond_end = \"clip\"");
    let last = GIB / 512 - 1;
    let pieces: Vec<_> = ios.iter().map(|io| io.1.pieces()[0]).collect();
    assert_eq!(pieces, [(last, 1), (last, 1)]);
    assert_eq!((counts.cut, counts.skipped, counts.records), (1, 3, 5));
    let (_folder, s) = replaying(&around_the_end(), "beyond_end = \"clip\"");
    assert_eq!(drained(&s, 1).1.unwrap().skipped(), 3);
}

#[test]
fn beyond_the_end_fails_with_its_place() {
    let (n, error) = refused(&around_the_end(), "beyond_end = \"fail\"");
    assert_eq!((n, error.kind()), (1, Wrong::BeyondEnd));
    assert!(
        error.to_string().ends_with(
            "t:2:1: an I/O of 1024 bytes at byte 1073741312 ends beyond the volume, which has 1073741824"
        ),
        "{error}"
    );
}

#[test]
fn monstrous_ios_are_refused() {
    let (n, error) = refused(&format!("0,W,0,512,1\n0,W,0,{},2\n", GIB + 1), "");
    assert_eq!((n, error.kind()), (1, Wrong::TooLarge));
    // Widened, it is larger than the volume that it would have to wrap around.
    let (_, error) = refused(&format!("0,W,1,{GIB},2\n"), "");
    assert_eq!(error.kind(), Wrong::TooLarge);
    assert_eq!(
        replayed(&format!("0,W,512,{GIB},2\n"), "").0[0].1.n_pieces,
        2
    );
}

#[test]
fn empty_traces_and_bad_lines_are_errors() {
    let (_, error) = refused("fio version 3 iolog\n1 a open\n", "");
    assert_eq!(error.kind(), Wrong::Empty);
    let (n, error) = refused(&format!("{ALIBABA}rubbish\n"), "");
    assert_eq!((n, error.kind()), (4, Wrong::Syntax));
    let (_, error) = refused("rubbish\n", "");
    assert_eq!(error.kind(), Wrong::UnknownContent);
}

#[test]
fn whole_seconds_are_spread_in_order_by_the_seed() {
    let mut trace = String::new();
    for second in [100, 101, 103] {
        for i in 0..1_000 {
            trace.push_str(&format!("{second},{i},1,1,7\n"));
        }
    }
    let (_folder, s) = replaying(&trace, "");
    let (ios, source) = drained(&s, 1);
    assert!(source.unwrap().replayed().unwrap().spread);
    let lbas: Vec<u64> = ios.iter().map(|io| io.1.pieces[0].0).collect();
    assert_eq!(lbas, (0..1_000).collect::<Vec<u64>>().repeat(3));
    let times = at(&ios);
    assert!(times.windows(2).all(|w| w[0] <= w[1]));
    assert_eq!(times[0], 0);
    // Each in its own thousandth of its second, counted from the first one's place in its own.
    let first = times[1_000] / 1_000_000 * 1_000_000;
    for (i, at) in times[1_000..2_000].iter().enumerate() {
        assert!(
            at.abs_diff(first + i as u64 * 1_000_000) <= 2_000_000,
            "{i}: {at}"
        );
    }
    assert!(times[2_000] - times[1_999] > 900_000_000);
    assert_eq!(at(&drained(&s, 1).0), times);
    assert_ne!(at(&drained(&s, 2).0), times);
    // A limit does not change when the records before it arrive.
    let (limited, _) = replayed(&trace, "limit = 1500");
    assert_eq!(limited, ios[..1_500]);
    let (asap, counts) = replayed(&trace, "pace = \"asap\"");
    assert!(at(&asap).iter().all(|at| *at == 0) && !counts.spread);
}

#[test]
fn a_crowded_second_is_spread_in_portions() {
    let n = super::spread::MOST_AHEAD * 2 + 10;
    let mut trace = "7,1,1,1,7\n".repeat(n);
    trace.push_str("8,5,1,1,7\n");
    let (ios, counts) = replayed(&trace, "");
    assert_eq!(counts.records, n as u64 + 1);
    let times = at(&ios);
    assert!(times.windows(2).all(|w| w[0] <= w[1]));
    assert!(times[n - 1] < 1_000_000_000 && times[n - 1] > 750_000_000);
    assert!(times[n] > 900_000_000);
}

#[test]
fn an_error_comes_after_the_records_before_it() {
    let (n, error) = refused("7,1,1,1,7\n7,2,1,1,7\n7,3,1,9,7\n", "");
    assert_eq!((n, error.kind()), (2, Wrong::Syntax));
    let (n, error) = refused("7,1,1,1,7\n7,9999999999,1,1,7\n", "beyond_end = \"fail\"");
    assert_eq!((n, error.kind()), (1, Wrong::BeyondEnd));
}

#[test]
fn a_real_trace_is_replayed() {
    let Some(file) = crate::trace::tests::cloudphysics("a_real_trace_is_replayed") else {
        return;
    };
    let (_folder, mut s) = replaying("", "speed = 60.0");
    if let Kind::Replay(replay) = &mut s.workloads[0].kind {
        replay.file = file;
    }
    let (ios, source) = drained(&s, 1);
    let counts = source.unwrap().replayed().unwrap();
    assert_eq!((ios.len(), counts.records), (113_872, 113_872));
    assert!(counts.wrapped > 0);
    // 7,200 s in 120.
    assert_eq!(ios.last().unwrap().0.0 / 1_000_000_000, 120);
    let blocks = GIB / 512;
    assert!(ios.iter().all(|(_, io)| {
        io.pieces()
            .iter()
            .all(|p| p.1 > 0 && p.0 + u64::from(p.1) <= blocks)
    }));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever a trace asks for, what comes out is in the volume, in time and as long as it was.
    #[test]
    fn any_record_is_laid_inside_the_volume(
        records in proptest::collection::vec((0..4 * GIB, 0..3 * GIB / 2, 0..5_000u64), 1..20),
        end in 0..3usize,
        wide in proptest::prelude::any::<bool>(),
    ) {
        let trace: String = records
            .iter()
            .map(|(offset, len, us)| format!("0,W,{offset},{len},{us}\n"))
            .collect();
        let end = ["wrap", "clip", "fail"][end];
        let (_folder, mut s) = replaying(&trace, &format!("beyond_end = \"{end}\""));
        let block = if wide { 4_096 } else { 512 };
        s.array.block = block as u32;
        let (ios, source) = drained(&s, 1);
        let mut latest = Instant(0);
        for (at, io) in &ios {
            assert!(*at >= latest);
            latest = *at;
            for (lba, blocks) in io.pieces() {
                assert!(*blocks > 0 && lba + u64::from(*blocks) <= GIB / block);
            }
        }
        match source {
            Ok(source) => {
                let counts = source.replayed().unwrap();
                assert_eq!(counts.records, records.len() as u64);
                assert_eq!(ios.len() as u64 + counts.skipped, counts.records);
                let blocks = |(offset, len, _): &(u64, u64, u64)| match len {
                    0 => 0,
                    len => (offset + len).div_ceil(block) - offset / block,
                };
                if end == "wrap" {
                    let all: u64 = ios.iter().map(|(_, io)| io.blocks()).sum();
                    assert_eq!(all, records.iter().map(blocks).sum::<u64>());
                }
            }
            Err(WorkloadError::Trace { source, .. }) => {
                assert!(matches!(source.kind(), Wrong::TooLarge | Wrong::BeyondEnd), "{source}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

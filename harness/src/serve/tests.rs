//! Bytes in, the same bytes out, whatever the array does meanwhile.

use super::{Answer, Served};
use crate::world::live::Ask;
use protocol::rng::Stream;
use protocol::{Duration, Instant, Op};
use std::path::Path;

const BLOCKS: u64 = 64;

pub fn served(text: &str) -> Served {
    let text = format!("[scenario]\ntitle = \"t\"\n{text}\n[[workload]]\n");
    let s = crate::scenario::parse(&text, Path::new("x.toml"), "x", &[]).unwrap();
    Served::new(&crate::scenario::draw(&s, 1), 1).unwrap()
}

/// One request at a time; the answer, and when it came.
fn ask(s: &mut Served, now: &mut Instant, op: Op, lba: u64, blocks: u32, data: &[u8]) -> Answer {
    let ask = Ask {
        tag: 3,
        op,
        lba,
        blocks,
        fua: false,
        failfast: false,
    };
    s.submit(*now, ask, data).unwrap();
    let mut answers = Vec::new();
    while answers.is_empty() {
        *now = s.next_at().unwrap_or(*now).max(*now);
        s.advance(*now, &mut answers).unwrap();
    }
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

fn exercise(s: &mut Served, now: &mut Instant, ios: u64, seed: u64) {
    let mut draw = Stream::new(seed, "serve.test");
    let block = s.block_bytes() as usize;
    let mut holds = vec![0u8; BLOCKS as usize * block];
    let first = ask(s, now, Op::WriteZeroes, 0, BLOCKS as u32, &[]);
    assert_eq!(first.errno, 0);
    for i in 0..ios {
        let lba = draw.between(0, BLOCKS - 1);
        let blocks = draw.between(1, BLOCKS - lba) as u32;
        let range = lba as usize * block..(lba as usize + blocks as usize) * block;
        match draw.between(0, 9) {
            0 => {
                assert_eq!(ask(s, now, Op::Flush, 0, 0, &[]).errno, 0);
            }
            1 => {
                assert_eq!(ask(s, now, Op::Discard, lba, blocks, &[]).errno, 0);
                holds[range].fill(0);
            }
            2..=5 => {
                let data: Vec<u8> = range.clone().map(|at| (at as u64 ^ i) as u8).collect();
                assert_eq!(ask(s, now, Op::Write, lba, blocks, &data).errno, 0);
                holds[range].copy_from_slice(&data);
            }
            _ => {
                let answer = ask(s, now, Op::Read, lba, blocks, &[]);
                assert_eq!(answer.errno, 0);
                assert_eq!(answer.data, holds[range], "I/O {i}");
            }
        }
    }
    assert_eq!(s.unknown, 0);
    assert!(s.live().violation().is_none());
}

#[test]
fn what_is_read_is_what_was_written() {
    let mut s = served("");
    let mut now = Instant::ZERO + Duration::from_secs(1);
    exercise(&mut s, &mut now, 2_000, 1);
}

#[test]
fn a_fault_on_demand_slows_and_never_changes_data() {
    let mut s = served("[array]\ncache = \"volatile\"");
    let mut now = Instant::ZERO + Duration::from_secs(1);
    exercise(&mut s, &mut now, 200, 2);
    for (i, fault) in [
        "do = \"drop\"\non = \"fabric:red\"",
        "do = \"reset\"\non = \"controller:A\"",
        "do = \"delay\"\non = \"all\"\nadd = \"2ms\"",
    ]
    .into_iter()
    .enumerate()
    {
        let id = s.add_fault(now, fault).unwrap();
        assert_eq!(id, i);
        assert!(s.faults()[id].active);
        exercise(&mut s, &mut now, 200, 3 + i as u64);
        assert!(s.clear_fault(now, id).unwrap());
        assert!(!s.faults()[id].active);
        assert!(!s.clear_fault(now, id).unwrap(), "it is over already");
        now += Duration::from_secs(2);
        exercise(&mut s, &mut now, 200, 9 + i as u64);
    }
}

#[test]
fn the_scenarios_own_faults_come_at_their_times() {
    let mut s = served("[[fault]]\nat = \"2s\"\nfor = \"100ms\"\non = \"array\"\ndo = \"stall\"");
    let mut now = Instant::ZERO + Duration::from_millis(2_010);
    let began = now;
    assert_eq!(ask(&mut s, &mut now, Op::Read, 0, 1, &[]).errno, 0);
    assert!(now.0 - began.0 >= 80_000_000, "the stall held it");
}

#[test]
fn a_fault_that_is_none_is_refused_with_what_would_be_right() {
    let mut s = served("");
    let said = s
        .add_fault(Instant::ZERO, "do = \"dorp\"\non = \"controller:A\"")
        .unwrap_err();
    assert!(said.contains("drop"), "{said}");
    let said = s
        .add_fault(Instant::ZERO, "do = \"drop\"\non = \"controller:Q\"")
        .unwrap_err();
    assert!(said.contains("controller"), "{said}");
    assert!(s.faults().is_empty());
}

#[test]
fn memory_follows_what_can_be_read() {
    let mut s = served("");
    let mut now = Instant::ZERO + Duration::from_secs(1);
    let blocks = (1 << 20) / s.block_bytes();
    let data = vec![7; 1 << 20];
    for i in 0..300 {
        let lba = u64::from(blocks) * (i % 4);
        assert_eq!(
            ask(&mut s, &mut now, Op::Write, lba, blocks, &data).errno,
            0
        );
    }
    assert!(
        s.memory() <= 80 << 20,
        "{} bytes for 4 MiB of content",
        s.memory()
    );
    let answer = ask(&mut s, &mut now, Op::Read, 0, blocks, &[]);
    assert!(answer.data.iter().all(|b| *b == 7));
}

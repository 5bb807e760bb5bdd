//! How many simulated 4 KiB I/Os per wall second the array alone carries out: a closed loop of depth 32 on the default
//! topology (two controllers, four paths, exponential service). `cargo run --release -p simarray --example speed`.

use protocol::{Duration, Identity, Instant, Op, PathId, VolumeId, rng::Stream};
use simarray::Array;
use simarray::api::*;

const DEPTH: u64 = 32;
/// A busy machine disturbs some of them only.
const SLICES: u64 = 20;

fn main() {
    let argument = std::env::args().nth(1).and_then(|a| a.parse().ok());
    let ios: u64 = argument.unwrap_or(3_000_000).max(SLICES);
    for (span_gib, read) in [(1, 70), (8, 70), (8, 100), (8, 0)] {
        let mut slices = run(ios, span_gib, read);
        slices.sort_unstable();
        let per_io = |slice: usize| slices[slice] / (ios / SLICES).max(1);
        let (best, median) = (per_io(0), per_io(slices.len() / 2));
        println!(
            "{read} % reads over {span_gib} GiB: median {median} ns an I/O ({} per wall second), fastest twentieth {best} ns",
            1_000_000_000 / median.max(1)
        );
    }
}

fn config() -> Config {
    let path = |path: u16, host_port, controller, port| PathConfig {
        host: 0,
        path: PathId(path),
        host_port,
        controller,
        port,
        latency: Duration::from_micros(25),
        bits_per_s: None,
    };
    Config {
        seed: 1,
        block_bytes: 512,
        controllers: 2,
        ports: 2,
        fabrics: 2,
        asymmetric: true,
        forward: Duration::from_micros(50),
        service_read: Duration::from_micros(120),
        service_write: Duration::from_micros(80),
        tail: Tail::Exp,
        parallel: 32,
        cache: Cache::Mirrored,
        ccr: Some(Duration::from_millis(1)),
        cqt: Duration::from_secs(2),
        volumes: vec![VolumeConfig {
            identity: Identity(1),
            blocks: 64 << 21,
            owner: 0,
        }],
        port_bits_per_s: 25_000_000_000,
        paths: vec![
            path(0, 0, 0, 0),
            path(1, 0, 1, 0),
            path(2, 1, 0, 1),
            path(3, 1, 1, 1),
        ],
        #[cfg(feature = "mutants")]
        planted: Default::default(),
    }
}

/// Wall nanoseconds of each slice.
fn run(ios: u64, span_gib: u64, read_percent: u64) -> Vec<u64> {
    let mut array = Array::new(config());
    let assoc = |path| Assoc {
        host: 0,
        shard: 0,
        path: PathId(path),
        epoch: 1,
    };
    for path in 0..4 {
        array.connect(Instant(0), assoc(path));
    }
    let mut outs = Vec::new();
    let mut now = Instant(0);
    while let Some(next) = array.next_event() {
        now = next;
        array.step(&mut outs);
    }
    outs.clear();
    let mut draws = Stream::new(1, "speed");
    let mut sent = 0;
    let mut send = |array: &mut Array, now: Instant, slot: u64| {
        sent += 1;
        let op = if draws.percent(read_percent) {
            Op::Read
        } else {
            Op::Write
        };
        let command = Command {
            volume: VolumeId(0),
            op,
            lba: draws.below(span_gib << 18) * 8,
            blocks: 8,
            fua: false,
            stamp: sent,
            probe: false,
        };
        let path = if sent % 2 == 0 { 0 } else { 2 };
        array.send(now, assoc(path), slot, command);
    };
    for slot in 0..DEPTH {
        send(&mut array, now, slot);
    }
    let mut done = 0;
    let mut slices = Vec::new();
    let mut start = std::time::Instant::now(); // determinism: it measures
    while done < ios {
        let Some(next) = array.next_event() else {
            break;
        };
        now = next;
        array.step(&mut outs);
        for out in outs.drain(..) {
            if let Out::Answer { tag, data, .. } = out {
                if let Some(data) = data {
                    array.release(data);
                }
                done += 1;
                if done % (ios / SLICES).max(1) == 0 {
                    slices.push(start.elapsed().as_nanos() as u64);
                    start = std::time::Instant::now();
                }
                send(&mut array, now, tag);
            }
        }
    }
    slices
}

//! In steady state: no allocation per I/O, and queues as theory has them.

mod common;
use common::*;
use protocol::rng::Stream;
use protocol::{Duration, Instant, PathId};
use simarray::api::*;

#[test]
fn nothing_is_allocated_per_io_once_warmed_up() {
    let mut c = config();
    c.tail = Tail::Exp;
    c.asymmetric = false;
    let mut p = Port::connected(c);
    let mut draws = Stream::new(1, "steady");
    let mut outs = Vec::new();
    let mut run = |ios: u64, fill: bool| {
        let array = &mut p.array;
        let mut next = |array: &mut simarray::Array, now, tag| {
            let lba = draws.below(4096) * 4;
            let command = if draws.percent(50) {
                read(lba)
            } else {
                write(lba, 7)
            };
            let command = if fill { write(tag * 8, 1) } else { command };
            let path = PathId(draws.below(4) as u16);
            array.send(
                now,
                Assoc {
                    path,
                    ..assoc(0, 1)
                },
                tag,
                command,
            );
        };
        let now = Instant(p.now);
        for tag in 0..64 {
            next(array, now, tag);
        }
        let mut done = 64;
        while let Some(now) = array.next_event() {
            array.step(&mut outs);
            for out in outs.drain(..) {
                if let Out::Answer { data, .. } = out {
                    data.into_iter().for_each(|d| array.release(d));
                    if done < ios {
                        next(array, now, done);
                        done += 1;
                    }
                }
            }
            p.now = now.0;
        }
    };
    run(2500, true);
    run(100_000, false);
    let measured = allocation_counter::measure(|| run(100_000, false));
    // The arrays of mixed pages may still grow by doubling once or twice; 100,000 I/Os may not.
    assert!(measured.count_total <= 2, "{measured:?}");
}

/// Erlang's formula: the mean time in an M/M/c queue with this load per server.
fn mmc_mean(c: u32, service: f64, load: f64) -> f64 {
    let a = load * f64::from(c);
    let mut term = 1.0;
    let mut sum = 0.0;
    for k in 0..c {
        sum += term;
        term *= a / f64::from(k + 1);
    }
    let waiting = term / (1.0 - load) / (sum + term / (1.0 - load));
    service + waiting * service / (f64::from(c) * (1.0 - load))
}

#[test]
fn queues_are_as_long_as_theory_says() {
    for (servers, load) in [(1, 0.5), (1, 0.8), (4, 0.8), (32, 0.9)] {
        let mut c = config();
        c.tail = Tail::Exp;
        c.parallel = servers;
        c.port_bits_per_s = u64::MAX; // no queues but the servers'
        c.service_read = Duration::from_micros(1000);
        let mut p = Port::connected(c);
        let mut arrivals = Stream::new(9, "arrivals");
        let gap = 1e6 / (f64::from(servers) * load);
        let n = 300_000u64;
        let mut t = p.now as f64;
        let (mut sent, mut total) = (Vec::new(), 0.0);
        for tag in 0..n {
            let u = (arrivals.unit_u53() + 1) as f64 / (1u64 << 53) as f64;
            t += -libm::log(u) * gap;
            p.at(t as u64);
            sent.push(t as u64);
            p.send(0, tag, read(tag));
            for (at, tag) in p.executed() {
                total += (at - sent[tag as usize]) as f64 - 25_000.0;
            }
            p.log.clear();
            p.data.clear();
        }
        p.at(p.now + 10 * S);
        for (at, tag) in p.executed() {
            total += (at - sent[tag as usize]) as f64 - 25_000.0;
        }
        let mean = total / n as f64;
        let theory = mmc_mean(servers, 1e6, load);
        let off = (mean / theory - 1.0).abs();
        assert!(
            off < 0.04,
            "{servers} servers at {load}: {mean} for {theory}"
        );
    }
}

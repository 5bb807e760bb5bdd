//! The core's cost of one I/O: submit, choose, issue, answer, complete, with a ring that does nothing. 128 commands are
//! out at any time; each answered one is replaced. `ci/instructions` counts the instructions of the same loop.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/steady.rs"]
mod steady;

use common::{request, up};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datapath::core::Policy;
use steady::Steady;

/// One command in so many is of 1 MiB.
const LARGE_EVERY: u64 = 64;

fn per_io(c: &mut Criterion, group: &str, paths: u16) {
    let mut g = c.benchmark_group(group);
    g.throughput(Throughput::Elements(1));
    for (name, policy) in Policy::ALL {
        g.bench_function(BenchmarkId::from_parameter(name), |b| {
            let mut steady = Steady::new(policy, paths, 0);
            b.iter(|| steady.step());
            steady.end();
        });
    }
    // Large commands on the wires: what choosing beside them costs.
    g.bench_function("adaptive_beside_large", |b| {
        let mut steady = Steady::new(Policy::Adaptive, paths, LARGE_EVERY);
        b.iter(|| steady.step());
        steady.end();
    });
    g.finish();
}

fn eight_paths(c: &mut Criterion) {
    per_io(c, "io/8", 8);
}

fn many_paths(c: &mut Criterion) {
    per_io(c, "io/64", 64);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(1))
        .sample_size(20);
    targets = eight_paths, many_paths
}
criterion_main!(benches);

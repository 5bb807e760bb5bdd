//! The core's cost of one I/O: submit, choose, issue, answer, complete, with a ring that does nothing. 128 commands are
//! out at any time; each answered one is replaced.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{POLICIES, request, up};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use datapath::core::{Action, Actions, Core, Input, Policy, Ticket};
use protocol::{Duration, Instant, PathId, Status};

const DEPTH: usize = 128;

/// Paths that carry nothing are probed, and answer.
fn answer_probes(core: &mut Core, now: Instant, out: &mut Actions) {
    let probes: Vec<Action> = out.drain().collect();
    for probe in probes {
        if let Action::Probe { path, ticket, .. } = probe {
            let status = Status::Ok;
            let input = Input::ProbeDone {
                path,
                ticket,
                status,
            };
            core.handle(now, input, out);
        }
    }
    out.clear();
}

fn per_io(c: &mut Criterion, group: &str, paths: u16, policies: &[(Policy, &str)]) {
    let mut g = c.benchmark_group(group);
    g.throughput(Throughput::Elements(1));
    for (policy, name) in policies {
        g.bench_function(BenchmarkId::from_parameter(name), |b| {
            let mut out = Actions::with_capacity(64);
            let mut core = up(*policy, paths, &mut out);
            let mut now = Instant::ZERO;
            let mut n = 0;
            let mut sent: Vec<(PathId, Ticket)> = Vec::with_capacity(DEPTH);
            for _ in 0..DEPTH {
                n += 1;
                core.handle(now, Input::Submit(request(n)), &mut out);
                for action in out.drain() {
                    if let Action::Issue { path, ticket, .. } = action {
                        sent.push((path, ticket));
                    }
                }
            }
            let mut at = 0;
            b.iter(|| {
                now += Duration::from_nanos(800);
                let (path, ticket) = sent[at];
                let status = Status::Ok;
                core.handle(
                    now,
                    Input::Done {
                        path,
                        ticket,
                        status,
                    },
                    &mut out,
                );
                out.clear();
                n += 1;
                core.handle(now, Input::Submit(request(n)), &mut out);
                let Some(Action::Issue { path, ticket, .. }) = out.as_slice().first() else {
                    panic!("not issued");
                };
                sent[at] = (*path, *ticket);
                out.clear();
                at = (at + 1) % DEPTH;
                if core.deadline().is_some_and(|d| d <= now) {
                    core.on_deadline(now, &mut out);
                    answer_probes(&mut core, now, &mut out);
                }
            });
            core.abandon();
        });
    }
    g.finish();
}

fn eight_paths(c: &mut Criterion) {
    per_io(c, "io/8", 8, &POLICIES);
}

fn many_paths(c: &mut Criterion) {
    per_io(c, "io/64", 64, &POLICIES);
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

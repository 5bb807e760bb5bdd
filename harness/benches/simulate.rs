//! How fast the whole simulation is: workload, core, links, array, rules and metrics together, on one thread. An element
//! is one simulated I/O of an application; the goal is 500,000 to 1,000,000 a second of wall time.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use harness::report::model::Value;
use harness::scenario;
use harness::world::{self, Options};
use std::path::Path;

fn scenario_of(text: &str) -> scenario::Scenario {
    let s = scenario::parse(text, Path::new("bench.toml"), "bench", &[]).expect("a valid scenario");
    scenario::draw(&s, 1)
}

fn ios_of(s: &scenario::Scenario) -> u64 {
    let report = world::run(s, 1, Options::default(), &mut |_| {}).expect("a run");
    match report.metrics.get("app.ios") {
        Some(Value::Int(ios)) => *ios,
        other => panic!("app.ios is {other:?}"),
    }
}

fn simulate(c: &mut Criterion) {
    let mut group = c.benchmark_group("simulate");
    group.sample_size(10);
    for (name, more) in [
        ("default_4k", ""),
        ("default_4k_8gib", "span = \"8GiB\"\n"),
        ("hot_64_blocks", "span = \"32KiB\"\nblock = \"512B\"\n"),
        (
            "sequential_64k",
            "kind = \"sequential\"\nblock = \"64KiB\"\n",
        ),
    ] {
        let s = scenario_of(&format!(
            "[scenario]\ntitle = \"bench\"\nduration = \"500ms\"\n[[workload]]\n{more}"
        ));
        group.throughput(Throughput::Elements(ios_of(&s)));
        group.bench_function(name, |b| b.iter(|| ios_of(&s)));
    }
    group.finish();
}

criterion_group!(benches, simulate);
criterion_main!(benches);

//! The language as a user meets it: small scenarios, every refusal, draws, and texts of any kind.

use super::model::*;
use super::*;
use std::path::Path;

const TEN_LINES: &str = r#"[scenario]
title = "Loss of one controller"

[[workload]]
depth = 16

[[fault]]
at = "1s"
for = "500ms"
on = "controller:A"
do = "drop"
"#;

fn read(text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    parse(text, Path::new("x.toml"), "x", &[])
}

#[test]
fn ten_lines_are_a_scenario_and_the_rest_are_defaults() {
    let s = read(TEN_LINES).unwrap();
    assert_eq!(s.title, "Loss of one controller");
    assert_eq!((s.duration.nanos(), s.seed), (3_000_000_000, 1));
    assert_eq!(
        (
            s.array.controllers,
            s.array.ports,
            s.array.fabrics,
            s.array.block
        ),
        (2, 2, 2, 512)
    );
    let w = &s.workloads[0];
    assert_eq!(
        (w.read_pct, w.block, w.span, w.load),
        (70, Span::fixed(4096), 64 << 30, Load::Depth(16))
    );
    let names: Vec<String> = topology::paths(&s).into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["h0-A0", "h0-B0", "h1-A1", "h1-B1"]);
    assert_eq!(topology::resolve(&s.faults[0].on, &s).len(), 2);
}

const EVERYTHING: &str = r#"
[scenario]
title = "Everything \"at once\""
why = "two\nlines"
tags = ["a", "b"]
duration = "2s..4s"
seed = "18446744073709551615"
fidelity = "model"
requires = ["inject.drop", "media_log", "multi_host"]
expect_fail = "a gap"

[array]
controllers = 3
ports = 2
fabrics = 2
block = 4096
access = "asymmetric"
forward = "10us..50us"
service = { read = "100us..200us", write = "80us", tail = "lognormal", parallel = "8..64" }
cache = "volatile"
fence = "time"
ccr = "1ms..2ms"
cqt = "1s..2s"

[[volume]]
name = "data"
size = "16GiB..64GiB"
owner = "C"
[[volume]]
size = "1TiB"

[host]
count = 2
ports = 3
shards = 4

[link]
latency = "20us..30us"
rate = "10Gbit/s..25Gbit/s"

[[path]]
name = "host1.h1-B1"
latency = "1ms..15ms"
[[path]]
name = "h0-A0"
rate = "1Gbit/s..2Gbit/s"
present = false

[datapath]
policy = "numa"
io_timeout = "4s..6s"
no_path = { queue_for = "10s..30s" }
fence = "hold"
quiesce = "10s..12s"

[[workload]]
name = "oltp"
volume = "data"
host = 1
kind = "zipf"
read = "20..60"
fua = "0..10"
discard = "0..5"
write_zeroes = 1
block = "4KiB..64KiB"
span = "1GiB..2GiB"
offset = "0B..8GiB"
depth = "8..64"
flush_every = "0..100"
start = "0s..100ms"
stop = "1s..2s"
count = "100..1000"
[[workload]]
rate = "1.5k/s..20k/s"
kind = "sequential"
[[workload]]
kind = "replay"
file = "traces/a.fio"
format = "fio"
speed = 1.5
device = "sda"
beyond_end = "clip"
limit = "10..20"
[[workload]]
kind = "replay"
file = "b.gz"
pace = "asap"
depth = 4

[[fault]]
at = "100ms..1s"
for = "1ms..2s"
on = "any 2 of paths"
do = "late"
after = "1s..2s"
share = "50..100"
beyond_fence = true
[[fault]]
on_event = "failover"
nth = "1..3"
on = "any 1 of optimized"
do = "delay"
add = "1ms..5ms"
jitter = "0ms..1ms"
[[fault]]
at = "0s"
on = ["path:h0-A0", "port:B0", "host_port:host1.h0", "host_port:h1", "fabric:blue", "host:1", "array", "all"]
do = "throttle"
rate = "1k/s..2k/s"
[[fault]]
at = "0s"
on = "controller:C"
do = "throttle"
rate = "1Gbit/s..2Gbit/s"
[[fault]]
at = "0s"
on = "any 1 of non_optimized"
do = "error"
status = "nvme:0x360+dnr"
[[fault]]
at = "0s"
on = "any 1 of ports"
do = "busy"
share = 3
[[fault]]
at = "0s"
on = "any 1 of host_ports"
do = "flap"
period = "100ms..200ms"
down = "30..60"
as = "drop"
[[fault]]
at = "0s"
on = "any 1 of controllers"
do = "crash"
takeover = "100ms..300ms"
[[fault]]
at = "0s"
on = "any 1 of fabrics"
do = "access"
state = "transitioning"
volume = "data"
[[fault]]
at = "0s"
on = "volume:data"
do = "unmap"
[[fault]]
at = "0s"
on = "all"
do = "swap"
volume = "data"
with = "vol1"
[[fault]]
at = "0s"
on = "array"
do = "resize"
volume = "data"
size = "1GiB..2GiB"
[[fault]]
at = "0s"
on = "volume:vol1"
do = "medium"
lba = "0..1000"
blocks = "1..8"
[[fault]]
at = "0s"
on = "all"
do = "duplicate"
share = "1..100"
[[fault]]
at = "0s"
on = "array"
do = "stall"
[[fault]]
at = "0s"
on = "shard:host1.3"
do = "lag"
[[fault]]
at = "0s"
on = "datapath:1"
do = "kill"
[[fault]]
at = "0s"
on = "path:h0-A0"
do = "add_path"

[[expect]]
metric = "app.read.p99 < 1.5ms"
window = "steady"
[[expect]]
metric = "path.host1.h0-A0.share >= 0.25"
[[expect]]
sometimes = "failover.count >= 1"
window = "fault"
[[expect]]
metric = "rules.ghost_write == 0"
window = "healed"
"#;

/// The same scenario but for the lines of its expectations.
fn same(mut a: Scenario, mut b: Scenario) {
    for e in a.expects.iter_mut().chain(&mut b.expects) {
        e.line = 0;
    }
    assert_eq!(a, b);
}

#[test]
fn what_is_written_reads_back() {
    for text in [TEN_LINES, EVERYTHING] {
        let s = read(text).unwrap_or_else(|e| panic!("{e:#?}"));
        same(read(&to_toml(&s)).unwrap(), s.clone());
        for seed in 0..50 {
            let drawn = draw(&s, seed);
            let text = to_toml(&drawn);
            let again = read(&text).unwrap_or_else(|e| panic!("{e:#?}\n{text}"));
            same(again, drawn);
        }
    }
}

#[test]
fn a_draw_fixes_everything_but_the_ranges_of_each_io() {
    let s = read(EVERYTHING).unwrap();
    // As many ranges as the text has, less those that are drawn for each I/O.
    let per_io = ["block = ", "after = ", "add = "];
    let given = EVERYTHING.matches("..").count() - per_io.len();
    assert_eq!(s.ranges.len(), given);
    let changed = (0..20).map(|seed| draw(&s, seed)).collect::<Vec<_>>();
    for (seed, d) in changed.iter().enumerate() {
        assert!(d.ranges.is_empty());
        assert_eq!(d.seed, seed as u64);
        assert!(d.faults.iter().all(|f| !matches!(f.on, Target::Any { .. })));
        assert_eq!(
            *d,
            draw(&s, seed as u64),
            "a draw is a function of the seed"
        );
        assert!(d.workloads[0].offset % 4096 == 0 && d.workloads[0].span % 4096 == 0);
        assert_eq!(
            d.workloads[0].block,
            Span {
                lo: 4096,
                hi: 65_536
            }
        );
        assert_eq!(topology::resolve(&d.faults[0].on, d).len(), 2);
    }
    // Every range has a place in the model: over some seeds each of them takes other values.
    for range in &s.ranges {
        let texts: std::collections::BTreeSet<String> = (0..20)
            .map(|seed| {
                let mut one = s.clone();
                one.ranges = vec![range.clone()];
                let mut one = draw(&one, seed);
                one.seed = 0;
                one.faults.iter_mut().for_each(|f| f.on = Target::All);
                format!("{one:?}")
            })
            .collect();
        assert!(texts.len() > 1, "{} is never drawn", range.key);
    }
}

#[test]
fn one_draw_does_not_shift_another() {
    let s = read(EVERYTHING).unwrap();
    let mut less = s.clone();
    less.ranges.retain(|r| r.key != "fault.0.at");
    let (a, b) = (draw(&s, 7), draw(&less, 7));
    assert_eq!(a.faults[0].lasts, b.faults[0].lasts);
    assert_eq!(a.workloads, b.workloads);
}

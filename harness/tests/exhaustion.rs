//! Small worlds, exhausted: two paths, three I/Os that overlap, and one fault of every kind before every event of the run
//! until the I/Os are done. The search draws; this enumerates. Every rule is on, no error may reach the application
//! unless the fault is one that says so, and nothing may wait for ever.
//!
//! Every case runs in the worlds of this file (who proves the end of a lost association, what a crash takes, who shares the volume's shards)
//! once as it is and once with the other path broken by the first one's loss. Each failure prints the scenario, as a file that
//! `harness run` takes, and the event at which the fault was.

use harness::fuzz::envelope;
use harness::scenario::{Scenario, parse, to_toml};
use harness::world::{Options, events_until, run};
use protocol::Instant;
use std::fmt::Write as _;
use std::path::Path;

/// Two paths to one volume. `quiesce` is longer than what the array may still execute.
const TWO_PORTS: &str = "[array]\ncontrollers = 1\nports = 2\nservice = { tail = \"fixed\" }\n";
const TWO_CONTROLLERS: &str =
    "[array]\nports = 1\nfabrics = 1\nservice = { tail = \"fixed\" }\n[host]\nports = 1\n";
const TWO_PORTS_BY_TIME: &str = "[array]\ncontrollers = 1\nports = 2\nservice = { tail = \"fixed\" }\nfence = \"time\"\ncqt = \"40ms\"\n\
    [datapath]\nquiesce = \"100ms\"\n";
const VOLATILE_BY_TIME: &str = "[array]\nports = 1\nfabrics = 1\nservice = { tail = \"fixed\" }\ncache = \"volatile\"\nfence = \"time\"\ncqt = \"40ms\"\n\
    [host]\nports = 1\nshards = 3\n[datapath]\nquiesce = \"100ms\"\n";
const VOLATILE: &str = "[array]\nports = 1\nfabrics = 1\nservice = { tail = \"fixed\" }\ncache = \"volatile\"\n[host]\nports = 1\nshards = 3\n";
const SHADOW_BY_TIME: &str = "[array]\ncontrollers = 1\nports = 2\nservice = { tail = \"fixed\" }\nfence = \"time\"\ncqt = \"40ms\"\n\
    [host]\nshards = 3\n[datapath]\nfence = \"shadow\"\nquiesce = \"100ms\"\n";
const SHADOW_VOLATILE: &str = "[array]\nports = 1\nfabrics = 1\nservice = { tail = \"fixed\" }\ncache = \"volatile\"\nfence = \"time\"\ncqt = \"40ms\"\n\
    [host]\nports = 1\n[datapath]\nfence = \"shadow\"\nquiesce = \"100ms\"\n";
const SHADOW_WITH_PROOF: &str = "[array]\nports = 1\nfabrics = 1\nservice = { tail = \"fixed\" }\n[host]\nports = 1\n[datapath]\nfence = \"shadow\"\n";
const HOLD: &str = "[array]\ncontrollers = 1\nports = 2\nservice = { tail = \"fixed\" }\n[host]\nshards = 3\n[datapath]\nfence = \"hold\"\n";

/// Three I/Os that meet: what each workload does with the one block of 8 KiB or a part of it. Those of one workload go to
/// shards of their own, those of several workloads share one.
const SHAPES: [(&str, &[&str]); 8] = [
    (
        "three writes, a shard each",
        &["read = 0\ndepth = 3\ncount = 3"],
    ),
    (
        "three writes, one after another",
        &["read = 0\ndepth = 1\ncount = 3"],
    ),
    (
        "three writes that cover each other in part",
        &[
            "read = 0\ncount = 1\ndepth = 1",
            "read = 0\ncount = 1\ndepth = 1\nblock = \"4KiB\"\nspan = \"4KiB\"\noffset = \"4KiB\"",
            "read = 0\ncount = 1\ndepth = 1\nblock = \"4KiB\"\nspan = \"4KiB\"\nstart = \"60us\"",
        ],
    ),
    (
        "write, read, write",
        &[
            "read = 0\ncount = 1\ndepth = 1",
            "read = 100\ncount = 1\ndepth = 1\nstart = \"40us\"",
            "read = 0\ncount = 1\ndepth = 1\nstart = \"150us\"",
        ],
    ),
    (
        "write, discard, write",
        &[
            "read = 0\ncount = 1\ndepth = 1",
            "read = 0\ndiscard = 100\ncount = 1\ndepth = 1\nstart = \"40us\"",
            "read = 0\ncount = 1\ndepth = 1\nstart = \"80us\"",
        ],
    ),
    (
        "write, write-zeroes, read",
        &[
            "read = 0\ncount = 1\ndepth = 1",
            "read = 0\nwrite_zeroes = 100\ncount = 1\ndepth = 1\nstart = \"40us\"",
            "read = 100\ncount = 1\ndepth = 1\nstart = \"150us\"",
        ],
    ),
    (
        "two reads and a write",
        &[
            "read = 100\ncount = 2\ndepth = 2",
            "read = 0\ncount = 1\ndepth = 1\nstart = \"60us\"",
        ],
    ),
    (
        "a journal: writes, each flushed",
        &[
            "read = 0\nflush_every = 1\ncount = 3\ndepth = 2",
            "read = 0\nfua = 100\ncount = 1\ndepth = 1\nstart = \"90us\"",
        ],
    ),
];

/// Every fault of the language that can hit such a world, on the path that the I/Os take, or on everything.
const FAULTS: [&str; 42] = [
    "on = \"path:h0-A0\"\ndo = \"reset\"\nfor = \"30ms\"",
    "on = \"path:h0-A0\"\ndo = \"reset\"\nfor = \"300ms\"",
    "on = \"all\"\ndo = \"reset\"\nfor = \"1us\"",
    "on = \"all\"\ndo = \"reset\"\nfor = \"150ms\"",
    "on = \"path:h0-A0\"\ndo = \"drop\"\nfor = \"10ms\"",
    "on = \"path:h0-A0\"\ndo = \"drop\"\nfor = \"300ms\"",
    "on = \"all\"\ndo = \"drop\"\nfor = \"150ms\"",
    "on = \"path:h0-A0\"\ndo = \"drop_answers\"\nfor = \"10ms\"",
    "on = \"path:h0-A0\"\ndo = \"drop_answers\"\nfor = \"300ms\"",
    "on = \"all\"\ndo = \"drop_answers\"\nfor = \"150ms\"",
    "on = \"path:h0-A0\"\ndo = \"late\"\nafter = \"90ms\"\nfor = \"50ms\"",
    "on = \"path:h0-A0\"\ndo = \"late\"\nafter = \"90ms\"\nshare = 50\nfor = \"50ms\"",
    "on = \"all\"\ndo = \"late\"\nafter = \"30ms\"\nfor = \"50ms\"",
    "on = \"path:h0-A0\"\ndo = \"delay\"\nadd = \"60ms\"\nfor = \"200ms\"",
    "on = \"path:h0-A0\"\ndo = \"throttle\"\nrate = \"100/s\"\nfor = \"200ms\"",
    "on = \"path:h0-A0\"\ndo = \"busy\"\nfor = \"50ms\"",
    "on = \"all\"\ndo = \"busy\"\nfor = \"20ms\"",
    "on = \"path:h0-A0\"\ndo = \"flap\"\nperiod = \"40ms\"\nas = \"reset\"\nfor = \"200ms\"",
    "on = \"path:h0-A0\"\ndo = \"flap\"\nperiod = \"40ms\"\nas = \"drop\"\nfor = \"200ms\"",
    "on = \"controller:A\"\ndo = \"crash\"\nfor = \"300ms\"\ntakeover = \"20ms\"",
    "on = \"controller:A\"\ndo = \"crash\"\nfor = \"1ms\"\ntakeover = \"20ms\"",
    "on = \"array\"\ndo = \"crash\"\nfor = \"100ms\"",
    "on = \"path:h0-A0\"\ndo = \"access\"\nstate = \"inaccessible\"\nfor = \"100ms\"",
    "on = \"path:h0-A0\"\ndo = \"access\"\nstate = \"transitioning\"\nfor = \"100ms\"",
    "on = \"path:h0-A0\"\ndo = \"access\"\nstate = \"non_optimized\"\nfor = \"100ms\"",
    "on = \"path:h0-A0\"\ndo = \"access\"\nstate = \"lost\"\nfor = \"100ms\"",
    "on = \"all\"\ndo = \"access\"\nstate = \"transitioning\"\nfor = \"100ms\"",
    "on = \"path:h0-A0\"\ndo = \"unmap\"\nvolume = \"vol0\"\nfor = \"200ms\"",
    "on = \"path:h0-A0\"\ndo = \"swap\"\nvolume = \"vol0\"\nwith = \"other\"\nfor = \"200ms\"",
    "on = \"all\"\ndo = \"swap\"\nvolume = \"vol0\"\nwith = \"other\"\nfor = \"200ms\"",
    "on = \"volume:vol0\"\ndo = \"resize\"\nsize = \"2MiB\"\nfor = \"200ms\"",
    "on = \"volume:vol0\"\ndo = \"medium\"\nlba = 0\nblocks = 8\nfor = \"200ms\"",
    "on = \"array\"\ndo = \"stall\"\nfor = \"200ms\"",
    "on = \"controller:A\"\ndo = \"stall\"\nfor = \"200ms\"",
    "on = \"path:h0-A0\"\ndo = \"duplicate\"\nfor = \"100ms\"",
    "on = \"shard:0\"\ndo = \"lag\"\nfor = \"120ms\"",
    "on = \"datapath\"\ndo = \"kill\"\nfor = \"50ms\"",
    "on = \"path:h0-A0\"\ndo = \"remove_path\"\nfor = \"50ms\"",
    "on = \"path:h0-A0\"\ndo = \"error\"\nstatus = \"nvme:0x360\"\nfor = \"30ms\"",
    "on = \"path:h0-A0\"\ndo = \"error\"\nstatus = \"nvme:0x370+dnr\"\nfor = \"30ms\"",
    "on = \"path:h0-A0\"\ndo = \"error\"\nstatus = \"errno:EIO\"\nfor = \"30ms\"",
    "on = \"path:h0-A0\"\ndo = \"error\"\nstatus = \"sense:2/04/0a\"\nfor = \"30ms\"",
];

/// What breaks the other path when the first is lost.
const OTHER: [&str; 2] = [
    "",
    "[[fault]]\non_event = \"lost\"\non = \"all\"\ndo = \"drop\"\nfor = \"60ms\"\n",
];

/// The three I/Os are done by then where nothing breaks.
const DONE: Instant = Instant(1_500_000);

fn world(array: &str, shape: &[&str], fault: &str, other: &str) -> Scenario {
    let mut text = String::from(
        "[scenario]\ntitle = \"A small world\"\nwhy = \"Exhaustion: one fault before every event.\"\nduration = \"1100ms\"\n",
    );
    // Three I/Os would never earn a second attempt of the usual budget: here every read may have one.
    text.push_str(&match array.contains("[datapath]\n") {
        true => array.replace("[datapath]\n", "[datapath]\nhedge = 100\n"),
        false => format!("{array}[datapath]\nhedge = 100\n"),
    });
    text.push_str("[[volume]]\nname = \"vol0\"\nsize = \"1MiB\"\n[[volume]]\nname = \"other\"\nsize = \"1MiB\"\n");
    for (i, w) in shape.iter().enumerate() {
        let mut keys = format!("[[workload]]\nname = \"w{i}\"\nvolume = \"vol0\"\n{w}\n");
        for (key, value) in [("block", "8KiB"), ("span", "8KiB")] {
            if !w.contains(&format!("{key} =")) {
                let _ = writeln!(keys, "{key} = \"{value}\"");
            }
        }
        text.push_str(&keys);
    }
    // What the three have left is read back when everything has healed.
    text.push_str("[[workload]]\nname = \"back\"\nvolume = \"vol0\"\nread = 100\nblock = \"8KiB\"\nspan = \"8KiB\"\ndepth = 1\ncount = 1\nstart = \"1s\"\n");
    let _ = write!(text, "[[fault]]\nat = \"0s\"\n{fault}\n{other}");
    parse(&text, Path::new("small.toml"), "small", &[]).unwrap_or_else(|e| panic!("{e:?}\n{text}"))
}

/// Why a run is not what was promised.
fn broken(s: &Scenario, event: u64) -> Option<String> {
    let options = Options {
        fault_at_event: Some(event),
        ..Options::default()
    };
    let report = run(s, 1, options, &mut |_| {}).expect("a valid scenario");
    if let Some(v) = report.first_violation {
        return Some(format!("{}: {}", v.rule, v.text));
    }
    let reasons = envelope::reasons(s);
    let count = |name: &str| match report.metrics.get(name) {
        Some(harness::report::model::Value::Int(n)) => *n,
        other => panic!("{name} is {other:?}"),
    };
    if count("app.errors") > 0 && !envelope::io_may_fail(&reasons) {
        return Some(format!("{} application errors", count("app.errors")));
    }
    if count("app.flush.errors") > 0 && !envelope::flush_may_fail(&reasons) {
        return Some(format!("{} flushes failed", count("app.flush.errors")));
    }
    None
}

/// Runs every shape, fault and event of one world; no case may be broken. Returns how many runs that were.
fn exhaust(name: &str, array: &str) -> u64 {
    let (runs, findings) = search(name, array);
    println!("{name}: {runs} runs, {} cases broken", findings.len());
    for f in findings.iter().take(3) {
        println!("{f}");
    }
    assert!(
        findings.is_empty(),
        "{} cases broken, see above",
        findings.len()
    );
    runs
}

/// How many runs one world takes, and the first event that breaks each case.
fn search(name: &str, array: &str) -> (u64, Vec<String>) {
    let (mut runs, mut findings) = (0, Vec::new());
    for (shape_name, shape) in SHAPES {
        let sound = world(
            array,
            shape,
            "on = \"all\"\ndo = \"delay\"\nadd = \"0s\"",
            "",
        );
        let events = events_until(&sound, 1, DONE).expect("a valid scenario");
        assert!(events > 20, "{name}, {shape_name}: only {events} events");
        for fault in FAULTS {
            for other in OTHER {
                let s = world(array, shape, fault, other);
                for event in 0..=events {
                    runs += 1;
                    if let Some(why) = broken(&s, event) {
                        findings.push(format!(
                            "{name}; {shape_name}; before event {event}: {why}\n{}",
                            to_toml(&s)
                        ));
                        // One event of a case tells enough.
                        break;
                    }
                }
            }
        }
    }
    (runs, findings)
}

#[test]
fn two_ports_with_proof() {
    assert!(exhaust("two ports, proof", TWO_PORTS) > 10_000);
}

#[test]
fn two_controllers_with_proof() {
    assert!(exhaust("two controllers, proof", TWO_CONTROLLERS) > 10_000);
}

#[test]
fn two_ports_by_time() {
    assert!(exhaust("two ports, time", TWO_PORTS_BY_TIME) > 10_000);
}

#[test]
fn volatile_cache_by_time() {
    assert!(exhaust("two controllers, volatile cache, time", VOLATILE_BY_TIME) > 10_000);
}

#[test]
fn volatile_cache_with_proof() {
    assert!(exhaust("two controllers, volatile cache, proof", VOLATILE) > 10_000);
}

#[test]
fn writes_held() {
    assert!(exhaust("two ports, hold", HOLD) > 10_000);
}

#[test]
fn shadows_by_time() {
    assert!(exhaust("two ports, shadows, time", SHADOW_BY_TIME) > 10_000);
}

#[test]
fn shadows_over_a_volatile_cache() {
    let name = "two controllers, shadows, volatile cache, time";
    assert!(exhaust(name, SHADOW_VOLATILE) > 10_000);
}

#[test]
fn shadows_with_proof() {
    assert!(exhaust("two controllers, shadows, proof", SHADOW_WITH_PROOF) > 10_000);
}

/// An enumeration that finds nothing proves something only if it would have found something: with the peers' way, a retry at
/// once, it meets the ghosts.
#[test]
fn without_a_fence_ghosts_are_met() {
    let array = TWO_PORTS_BY_TIME.replace("[datapath]", "[datapath]\nfence = \"none\"");
    let (runs, findings) = search("two ports, no fence", &array);
    let ghosts = findings.iter().filter(|f| f.contains("ghost_write"));
    let ghosts = ghosts.count();
    println!(
        "two ports, no fence: {runs} runs, {} cases broken, {ghosts} by a ghost",
        findings.len()
    );
    assert!(ghosts >= 10, "only {ghosts} cases met a ghost");
}

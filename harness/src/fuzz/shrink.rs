//! The smallest scenario that still fails in the same way: greedy delta debugging over the model.
//!
//! Every step makes the scenario simpler and is kept if the same [signature](super::signature) is found again; rounds go on
//! until nothing helps any more, or the tries are used up. Since each random consumer has a stream of its own, what is taken
//! away hardly shifts what is left. A step may make nonsense (a fault on a controller that is no more): what
//! does not read back from its own text is never run.

use super::envelope::must_drain;
use super::signature::Signature;
use crate::scenario::model::*;
use crate::scenario::{self, Scenario};
use protocol::Duration;
use std::path::Path;

/// What was found, and at what price.
#[derive(Clone, Debug)]
pub struct Shrunk {
    pub scenario: Scenario,
    pub tries: u64,
    pub rounds: u64,
}

/// Shrinks `s` while `fails` finds the wanted signature; `fails` is asked at most `tries_max` times.
pub fn shrink(
    s: &Scenario,
    wanted: &Signature,
    tries_max: u64,
    fails: &mut dyn FnMut(&Scenario) -> Option<Signature>,
) -> Shrunk {
    let mut search = Search {
        best: s.clone(),
        wanted,
        tries: 0,
        tries_max,
        fails,
    };
    let mut rounds = 0;
    loop {
        rounds += 1;
        let before = search.best.clone();
        search.round();
        if search.best == before || search.tries >= tries_max {
            break;
        }
    }
    Shrunk {
        scenario: search.best,
        tries: search.tries,
        rounds,
    }
}

struct Search<'s> {
    best: Scenario,
    wanted: &'s Signature,
    tries: u64,
    tries_max: u64,
    fails: &'s mut dyn FnMut(&Scenario) -> Option<Signature>,
}

/// Reads back as it is.
pub fn is_valid(s: &Scenario) -> bool {
    let text = scenario::to_toml(s);
    let read = scenario::parse(&text, &s.file, &s.name, &[]);
    read.is_ok_and(|mut read| {
        let mut s = s.clone();
        for e in read.expects.iter_mut().chain(&mut s.expects) {
            e.line = 0;
        }
        read == s
    })
}

impl Search<'_> {
    /// Tries one step; a step that changes nothing costs nothing.
    fn step(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut s = self.best.clone();
        change(&mut s);
        if s == self.best || self.tries >= self.tries_max || !is_valid(&s) {
            return false;
        }
        // Another failure of the same name: what is too much, or comes too late, cannot complete.
        let stuck = *self.wanted == Signature::Rule("stuck_io".into());
        if stuck && must_drain(&self.best) && !must_drain(&s) {
            return false;
        }
        self.tries += 1;
        let same = (self.fails)(&s).as_ref() == Some(self.wanted);
        if same {
            self.best = s;
        }
        same
    }

    fn round(&mut self) {
        self.lists();
        self.topology();
        for i in 0..self.best.faults.len() {
            self.fault(i);
        }
        for i in 0..self.best.workloads.len() {
            self.workload(i);
        }
        self.array();
        self.duration();
    }

    fn lists(&mut self) {
        let wanted = match self.wanted {
            Signature::Expectation(metric, window) => Some((metric.clone(), window.clone())),
            _ => None,
        };
        self.step(|s| {
            s.expects.retain(|e| {
                let window = crate::metrics::window_name(e.window);
                wanted
                    .as_ref()
                    .is_some_and(|(m, w)| e.text == *m && window == w)
            });
        });
        self.drop_some(
            |s| s.faults.len(),
            |s, from, n| drop(s.faults.drain(from..from + n)),
        );
        self.drop_some(
            |s| s.workloads.len(),
            |s, from, n| {
                if n < s.workloads.len() {
                    s.workloads.drain(from..from + n);
                }
            },
        );
        self.drop_some(
            |s| s.paths.len(),
            |s, from, n| drop(s.paths.drain(from..from + n)),
        );
        for v in (0..self.best.volumes.len()).rev() {
            self.step(|s| remove_volume(s, v));
        }
        self.step(|s| s.tags.clear());
        self.step(|s| s.why.clear());
    }

    /// Delta debugging of a list: halves, quarters, …, one by one.
    fn drop_some(
        &mut self,
        len: impl Fn(&Scenario) -> usize,
        cut: impl Fn(&mut Scenario, usize, usize),
    ) {
        let mut size = len(&self.best).max(1);
        loop {
            let mut from = 0;
            while from < len(&self.best) {
                let n = size.min(len(&self.best) - from);
                if !self.step(|s| cut(s, from, n)) {
                    from += n;
                }
            }
            if size == 1 {
                break;
            }
            size /= 2;
        }
    }

    fn topology(&mut self) {
        // One host first: with it go its paths and its loads.
        for host in (0..self.best.host.count).rev() {
            self.step(|s| remove_host(s, host));
        }
        for to in [1, 2] {
            self.step(|s| s.host.shards = s.host.shards.min(to));
            self.step(|s| {
                s.array.controllers = s.array.controllers.min(to);
                for v in &mut s.volumes {
                    v.owner = v.owner.min(to - 1);
                }
            });
            self.step(|s| s.array.ports = s.array.ports.min(to));
            self.step(|s| s.host.ports = s.host.ports.min(to));
            self.step(|s| {
                s.array.fabrics = s.array.fabrics.min(to);
            });
            self.step(|s| {
                (s.array.ports, s.host.ports, s.array.fabrics) = (
                    s.array.ports.min(to),
                    s.host.ports.min(to),
                    s.array.fabrics.min(to),
                );
            });
        }
        let usual = Scenario::named("", Path::new(""));
        self.step(|s| s.host.shards = usual.host.shards);
        self.step(|s| s.host.ports = usual.host.ports);
        self.step(|s| s.array.ports = usual.array.ports);
        self.step(|s| s.array.fabrics = usual.array.fabrics);
        for p in 0..self.best.paths.len() {
            self.step(|s| s.paths[p].latency = None);
            self.step(|s| s.paths[p].bits_per_s = None);
        }
    }

    /// Everything that has a default, all at once and one by one.
    fn array(&mut self) {
        let d = Scenario::named("", Path::new(""));
        let (a, l, p) = (&d.array, &d.link, &d.datapath);
        self.step(|s| {
            (s.array.forward, s.array.service_read, s.array.service_write) =
                (a.forward, a.service_read, a.service_write);
            (s.array.tail, s.array.parallel, s.array.ccr) = (a.tail, a.parallel, a.ccr);
            s.link = l.clone();
            s.datapath.policy = p.policy;
        });
        self.step(|s| s.array.block = a.block);
        self.step(|s| s.array.asymmetric = a.asymmetric);
        self.step(|s| s.array.forward = a.forward);
        self.step(|s| s.array.service_read = a.service_read);
        self.step(|s| s.array.service_write = a.service_write);
        self.step(|s| s.array.tail = a.tail);
        self.step(|s| s.array.tail = Tail::Fixed);
        self.step(|s| s.array.parallel = a.parallel);
        self.step(|s| s.array.cache = a.cache);
        self.step(|s| {
            (s.array.fence, s.array.cqt, s.datapath.quiesce) = (a.fence, a.cqt, p.quiesce);
        });
        self.step(|s| s.array.ccr = a.ccr);
        self.step(|s| (s.array.cqt, s.datapath.quiesce) = (a.cqt, p.quiesce));
        self.step(|s| s.link.latency = l.latency);
        self.step(|s| s.link.bits_per_s = l.bits_per_s);
        self.step(|s| s.datapath.policy = p.policy);
        self.step(|s| s.datapath.io_timeout = p.io_timeout);
        self.step(|s| s.datapath.queue_for = p.queue_for);
        self.step(|s| s.datapath.fence = p.fence);
        self.step(|s| s.datapath.quiesce = p.quiesce);
        for v in 0..self.best.volumes.len() {
            self.step(|s| s.volumes[v].owner = 0);
            self.step(|s| s.volumes[v].name = format!("vol{v}"));
            self.step(|s| s.volumes[v].bytes = Volume::DEFAULT_BYTES);
        }
    }

    fn fault(&mut self, i: usize) {
        self.step(|s| {
            s.faults[i].kind = match s.faults[i].kind {
                FaultKind::Flap { drop: false, .. } | FaultKind::DropAnswers | FaultKind::Drop => {
                    FaultKind::Reset
                }
                FaultKind::Flap { drop: true, .. } => FaultKind::Drop,
                ref other => other.clone(),
            };
        });
        self.step(|s| {
            if s.faults[i].kind == FaultKind::DropAnswers {
                s.faults[i].kind = FaultKind::Drop;
            }
        });
        for share in [100, 50] {
            self.step(|s| match &mut s.faults[i].kind {
                FaultKind::Late { share: at, .. }
                | FaultKind::Error { share: at, .. }
                | FaultKind::Busy { share: at }
                | FaultKind::Duplicate { share: at }
                    if *at != 100 =>
                {
                    *at = share;
                }
                _ => {}
            });
        }
        self.step(|s| match &mut s.faults[i].kind {
            FaultKind::Late { after, .. } => *after = Span::fixed(1_000_000_000),
            FaultKind::Crash { takeover } => *takeover = Duration::from_millis(300),
            FaultKind::Flap { down_pct, .. } => *down_pct = 50,
            FaultKind::Delay { jitter, .. } => *jitter = Duration::ZERO,
            FaultKind::Access { volume, .. } => *volume = None,
            _ => {}
        });
        self.step(|s| match &mut s.faults[i].kind {
            FaultKind::Late { after: span, .. } | FaultKind::Delay { add: span, .. } => {
                *span = Span::fixed(span.lo)
            }
            _ => {}
        });
        if let Target::Several(several) = &self.best.faults[i].on {
            for n in (0..several.len()).rev() {
                self.step(|s| {
                    if let Target::Several(several) = &mut s.faults[i].on
                        && several.len() > 1
                        && n < several.len()
                    {
                        several.remove(n);
                    }
                });
            }
            self.step(|s| {
                if let Target::Several(several) = &s.faults[i].on
                    && let [one] = several.as_slice()
                {
                    s.faults[i].on = one.clone();
                }
            });
        }
        // A simpler place frees the topology: the first path, then everything of a kind.
        let simple = [
            Target::Path("h0-A0".into()),
            Target::Controller(0),
            Target::Volume(0),
            Target::Shard { host: 0, shard: 0 },
            Target::Datapath(0),
            Target::All,
        ];
        for on in &simple {
            if self.best.faults[i].on == *on {
                break;
            }
            if self.step(|s| s.faults[i].on = on.clone()) {
                break;
            }
        }
        self.times(i);
    }

    fn times(&mut self, i: usize) {
        self.step(|s| {
            if matches!(s.faults[i].when, When::OnEvent { .. }) {
                s.faults[i].when = When::At(Duration::from_millis(100));
            }
        });
        self.step(|s| s.faults[i].lasts = None);
        for grain in [1_000_000_000, 100_000_000, 10_000_000, 1_000_000] {
            let down = |t: &mut Duration| *t = Duration((t.0 / grain * grain).max(grain.min(t.0)));
            self.step(|s| {
                if let When::At(at) = &mut s.faults[i].when {
                    down(at);
                }
            });
            self.step(|s| {
                if let Some(lasts) = &mut s.faults[i].lasts {
                    down(lasts);
                }
            });
        }
        for _ in 0..6 {
            let shorter = self.step(|s| {
                if let Some(lasts) = &mut s.faults[i].lasts
                    && lasts.0 > 2_000_000
                {
                    *lasts = Duration(lasts.0 / 2 / 1_000_000 * 1_000_000);
                }
            });
            if !shorter {
                break;
            }
        }
    }

    fn workload(&mut self, i: usize) {
        // A load's draws are named after it: under another name they are others, and may do as well.
        self.step(|s| s.workloads[i].name = format!("workload{i}"));
        self.step(|s| s.workloads[i].kind = Kind::Random);
        self.step(|s| s.workloads[i].fua_pct = 0);
        self.step(|s| s.workloads[i].discard_pct = 0);
        self.step(|s| s.workloads[i].write_zeroes_pct = 0);
        self.step(|s| s.workloads[i].flush_every = 0);
        self.step(|s| s.workloads[i].start = Duration::ZERO);
        self.step(|s| s.workloads[i].stop = None);
        self.step(|s| s.workloads[i].volume = 0);
        self.step(|s| s.workloads[i].offset = 0);
        self.step(|s| s.workloads[i].block = Span::fixed(4_096));
        self.step(|s| s.workloads[i].block = Span::fixed(s.workloads[i].block.lo));
        for read in [0, 100, 70] {
            self.step(|s| {
                let w = &mut s.workloads[i];
                if ![0, 100].contains(&w.read_pct) {
                    w.read_pct = read;
                }
            });
        }
        self.step(|s| s.workloads[i].read_pct = 70);
        for depth in [1, 2, 4, 8, 16] {
            self.step(|s| match &mut s.workloads[i].load {
                Load::Depth(d) => *d = (*d).min(depth),
                load => *load = Load::Depth(depth),
            });
        }
        for _ in 0..8 {
            let slower = self.step(|s| {
                if let Load::RateMilli(rate) = &mut s.workloads[i].load
                    && *rate > 20_000
                {
                    *rate = *rate / 2 / 1_000 * 1_000;
                }
            });
            if !slower {
                break;
            }
        }
        for _ in 0..16 {
            let narrower = self.step(|s| {
                let w = &mut s.workloads[i];
                w.span = (w.span / 2 / 4_096 * 4_096).max(w.block.hi).min(w.span);
            });
            if !narrower {
                break;
            }
        }
        // Less to do is no simpler reason for too little done.
        if matches!(self.wanted, Signature::Expectation(metric, _) if metric.starts_with("app.ios"))
        {
            return;
        }
        for count in [1, 2, 5, 10, 30, 100, 300, 1_000] {
            let fewer = self.step(|s| {
                let w = &mut s.workloads[i];
                w.count = Some(w.count.map_or(count, |c| c.min(count)));
            });
            if fewer {
                break;
            }
        }
    }

    fn duration(&mut self) {
        for grain in [1_000_000_000u64, 100_000_000, 10_000_000] {
            for _ in 0..8 {
                let shorter = self.step(|s| {
                    let half = s.duration.0 / 2 / grain * grain;
                    s.duration = Duration(half.max(grain.min(s.duration.0)));
                });
                if !shorter {
                    break;
                }
            }
            for _ in 0..9 {
                let shorter = self.step(|s| {
                    let less = s.duration.0.saturating_sub(1) / grain * grain;
                    s.duration = Duration(less.max(grain.min(s.duration.0)));
                });
                if !shorter {
                    break;
                }
            }
        }
    }
}

/// Takes a volume away that no load uses, with the faults on it.
fn remove_volume(s: &mut Scenario, v: usize) {
    if s.volumes.len() < 2 || s.workloads.iter().any(|w| w.volume == v) {
        return;
    }
    let index = |i: &mut usize| *i -= usize::from(*i > v);
    s.faults.retain(|f| match &f.kind {
        FaultKind::Unmap { volume }
        | FaultKind::Resize { volume, .. }
        | FaultKind::Medium { volume, .. }
        | FaultKind::Access {
            volume: Some(volume),
            ..
        } => *volume != v,
        FaultKind::Swap { volume, with } => *volume != v && *with != v,
        _ => f.on != Target::Volume(v),
    });
    for f in &mut s.faults {
        if let Target::Volume(i) = &mut f.on {
            index(i);
        }
        match &mut f.kind {
            FaultKind::Unmap { volume }
            | FaultKind::Resize { volume, .. }
            | FaultKind::Medium { volume, .. }
            | FaultKind::Access {
                volume: Some(volume),
                ..
            } => index(volume),
            FaultKind::Swap { volume, with } => {
                index(volume);
                index(with);
            }
            _ => {}
        }
    }
    for w in &mut s.workloads {
        index(&mut w.volume);
    }
    s.volumes.remove(v);
}

/// Takes a host away with its loads, its paths and the faults on them; the last one left loses its prefix.
fn remove_host(s: &mut Scenario, host: u16) {
    if s.host.count < 2 || !s.workloads.iter().any(|w| w.host != host) {
        return;
    }
    let last = s.host.count == 2;
    let rename = |name: &str| -> Option<String> {
        let (prefix, short) = name.split_once('.')?;
        let n: u16 = prefix.strip_prefix("host")?.parse().ok()?;
        if n == host {
            return None;
        }
        Some(if last {
            short.to_string()
        } else {
            format!("host{}.{short}", n - u16::from(n > host))
        })
    };
    let renamed = |name: &str| {
        if name.contains('.') {
            rename(name)
        } else {
            Some(name.to_string())
        }
    };
    let number = |h: u16| (h != host).then(|| h - u16::from(h > host));
    s.workloads.retain(|w| w.host != host);
    for w in &mut s.workloads {
        w.host -= u16::from(w.host > host);
    }
    s.paths.retain_mut(|p| match renamed(&p.name) {
        Some(name) => {
            p.name = name;
            true
        }
        None => false,
    });
    fn moved(
        t: &Target,
        number: &dyn Fn(u16) -> Option<u16>,
        renamed: &dyn Fn(&str) -> Option<String>,
        last: bool,
    ) -> Option<Target> {
        Some(match t {
            Target::Path(name) => Target::Path(renamed(name)?),
            Target::Host(h) => Target::Host(number(*h)?),
            Target::Datapath(h) => Target::Datapath(number(*h)?),
            Target::Shard { host, shard } => Target::Shard {
                host: number(*host)?,
                shard: *shard,
            },
            Target::HostPort {
                host: Some(h),
                port,
            } => {
                let h = number(*h)?;
                Target::HostPort {
                    host: (!last).then_some(h),
                    port: *port,
                }
            }
            Target::Several(several) => {
                let left: Vec<Target> = several
                    .iter()
                    .filter_map(|t| moved(t, number, renamed, last))
                    .collect();
                if left.is_empty() {
                    return None;
                }
                Target::Several(left)
            }
            other => other.clone(),
        })
    }
    s.faults
        .retain_mut(|f| match moved(&f.on, &number, &renamed, last) {
            Some(on) => {
                f.on = on;
                true
            }
            None => false,
        });
    s.host.count -= 1;
}

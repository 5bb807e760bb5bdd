//! What the shards show of themselves: plain numbers and states, no names, so that making a snapshot allocates nothing once its tables
//! have grown. A shard writes its own ten times a second and never waits for a reader; the control side reads them and adds them up.
#![forbid(unsafe_code)]

use crate::record::{Record, Tap};
use datapath::core::path::{Admin, Health, Link};
use datapath::core::{Event, NoPath, OpenShadows};
use protocol::{Access, Duration, Op};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

/// One shard, some moments ago.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How many were taken: one that does not grow tells of a shard that hangs.
    pub beat: u64,
    pub volumes: Vec<VolumeSeen>,
}

pub type Shown = Arc<Mutex<Snapshot>>;

#[derive(Clone, Debug, Default)]
pub struct VolumeSeen {
    pub bytes: u64,
    pub served: Served,
    /// Buffers that a command which was given up may still touch.
    pub parked_buffers: u32,
    /// Writes whose data are in memory only.
    pub shadows: OpenShadows,
    /// Reads that were sent a second time, and those that the second attempt answered first.
    pub hedges_issued: u64,
    pub hedges_won: u64,
    /// Without a usable path: what is left of the time to wait, whether it is over, and how many commands wait.
    pub waits: Option<Waits>,
    /// In the order of the core's paths.
    pub paths: Vec<PathSeen>,
}

/// What applications asked of a volume and were told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Served {
    pub reads: Kind,
    pub writes: Kind,
    /// Flushes, discards and the like.
    pub others: Kind,
}

/// One kind of I/O: all that was answered, and how much of it with an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kind {
    pub bytes: u64,
    pub errors: u64,
    pub latency: Latency,
}

impl Kind {
    /// Over all shards.
    pub fn total(shards: impl Iterator<Item = Kind>) -> Kind {
        shards.fold(Kind::default(), |mut sum, k| {
            sum.bytes += k.bytes;
            sum.errors += k.errors;
            sum.latency.join(&k.latency);
            sum
        })
    }
}

impl Served {
    /// An I/O was answered with `result`: its bytes, or a negative errno.
    #[inline]
    pub fn note(&mut self, op: Option<Op>, result: i32, took: Duration) {
        let kind = match op {
            Some(Op::Read) => &mut self.reads,
            Some(Op::Write) => &mut self.writes,
            _ => &mut self.others,
        };
        kind.latency.add(took);
        match u64::try_from(result) {
            Ok(bytes) => kind.bytes += bytes,
            Err(_) => kind.errors += 1,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    pub since: Duration,
    pub left: Duration,
    pub failing: bool,
    pub queued: u32,
}

impl Waits {
    pub fn of(state: NoPath, now: protocol::Instant) -> Waits {
        Waits {
            since: now.since(state.since),
            left: if state.failing {
                Duration::ZERO
            } else {
                state.until.since(now)
            },
            failing: state.failing,
            queued: state.queued,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct PathSeen {
    pub link: Link,
    pub health: Health,
    pub access: Access,
    pub admin: Admin,
    pub usable: bool,
    pub identity_wrong: bool,
    /// Commands of applications that came back, and their bytes.
    pub ios: u64,
    pub bytes: u64,
    pub errors: u64,
    /// Commands that were lost on it and sent again over another path.
    pub retries: u64,
    /// Verdicts "lost".
    pub losses: u64,
    pub inflight: u32,
    pub latency: Latency,
}

impl Default for PathSeen {
    fn default() -> Self {
        PathSeen {
            link: Link::Down,
            health: Health::Good,
            access: Access::Inaccessible,
            admin: Admin::Enabled,
            usable: false,
            identity_wrong: false,
            ios: 0,
            bytes: 0,
            errors: 0,
            retries: 0,
            losses: 0,
            inflight: 0,
            latency: Latency::default(),
        }
    }
}

impl PathSeen {
    /// The path over all shards: numbers are sums, and what one shard can use, or finds wrong, counts. Of the states nothing is said.
    pub fn total<'a>(shards: impl IntoIterator<Item = &'a PathSeen>) -> PathSeen {
        let mut sum = PathSeen::default();
        for p in shards {
            sum.usable |= p.usable;
            sum.identity_wrong |= p.identity_wrong;
            sum.ios += p.ios;
            sum.bytes += p.bytes;
            sum.errors += p.errors;
            sum.retries += p.retries;
            sum.losses += p.losses;
            sum.inflight += p.inflight;
            sum.latency.join(&p.latency);
        }
        sum
    }

    /// What an event says of a path, for those who look.
    pub fn note(&mut self, event: &Event) {
        match *event {
            Event::Link { to, .. } => {
                self.link = to;
                // A new connection is asked anew who it leads to; the core tells only what is wrong.
                self.identity_wrong &= to != Link::Connecting;
            }
            Event::Health { to, .. } => self.health = to,
            Event::Admin { to, .. } => self.admin = to,
            Event::Access { to, .. } => self.access = to,
            Event::Usable { usable, .. } => self.usable = usable,
            Event::Identity { wrong, .. } => self.identity_wrong = wrong,
            Event::Lost { .. } => self.losses += 1,
            Event::Redispatch { .. } => self.retries += 1,
            _ => {}
        }
    }
}

/// How long commands took: counts by powers of two from 16 µs to 16.8 s, and one of all that took longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    pub counts: [u64; Latency::BUCKETS],
    pub sum_ns: u64,
}

impl Latency {
    pub const BUCKETS: usize = 22;

    /// The upper end of a bucket, in nanoseconds; the last one has none.
    pub fn bound_ns(bucket: usize) -> Option<u64> {
        (bucket + 1 < Latency::BUCKETS).then_some(16_000 << bucket)
    }

    #[inline]
    pub fn add(&mut self, took: Duration) {
        let whole = took.0.saturating_sub(1) / 16_000;
        let bucket = (u64::BITS - whole.leading_zeros()) as usize;
        self.counts[bucket.min(Latency::BUCKETS - 1)] += 1;
        self.sum_ns = self.sum_ns.saturating_add(took.0);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn join(&mut self, other: &Latency) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }

    pub fn mean_ns(&self) -> Option<u64> {
        self.sum_ns.checked_div(self.count())
    }

    /// At least so many of a thousand took no longer than this; beyond the last bound, that bound.
    pub fn quantile_ns(&self, permille: u64) -> Option<u64> {
        let wanted = (self.count() * permille).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, n) in self.counts.iter().enumerate() {
            seen += n;
            if seen >= wanted {
                return Latency::bound_ns(bucket.min(Latency::BUCKETS - 2));
            }
        }
        None
    }
}

/// A name as the field spells it: `NonOptimized` is `non_optimized`.
pub fn spelled(value: impl std::fmt::Debug) -> String {
    let mut words = String::new();
    for c in format!("{value:?}").chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}

/// One event of a core, for log, counters and hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    pub shard: u16,
    pub volume: u16,
    pub event: Event,
}

/// A shard's end: bounded, and never waited for. What finds no room is counted.
#[derive(Clone, Debug)]
pub struct Notes {
    shard: u16,
    queue: SyncSender<Note>,
    dropped: Arc<AtomicU64>,
    tap: Tap,
}

/// The control side's end.
#[derive(Debug)]
pub struct Notebook {
    queue: Receiver<Note>,
    dropped: Arc<AtomicU64>,
}

impl Notes {
    pub fn new(room: usize, tap: Tap) -> (Notes, Notebook) {
        let (send, queue) = sync_channel(room);
        let dropped = Arc::new(AtomicU64::new(0));
        let notes = Notes {
            shard: 0,
            queue: send,
            dropped: dropped.clone(),
            tap,
        };
        (notes, Notebook { queue, dropped })
    }

    pub fn shard(&self) -> u16 {
        self.shard
    }

    pub fn of_shard(&self, shard: u16) -> Notes {
        Notes {
            shard,
            ..self.clone()
        }
    }

    /// An application asked for this, for whoever traces the volume.
    #[inline]
    pub fn served(&self, volume: u16, record: impl FnOnce() -> Record) {
        self.tap.note(volume, record);
    }

    /// Only what somebody would want to read of: what comes with each command in doubt is not.
    pub fn tell(&self, volume: u16, event: Event) {
        let of_commands = matches!(
            event,
            Event::Held { .. }
                | Event::Shadows { count: 2.., .. }
                | Event::Shadows {
                    kept: false,
                    count: 1,
                    ..
                }
                | Event::Redispatch { .. }
                | Event::Hedge { .. }
                | Event::HedgeWon { .. }
                | Event::StaleCompletion { .. }
        );
        if of_commands {
            return;
        }
        let shard = self.shard;
        let note = Note {
            shard,
            volume,
            event,
        };
        if let Err(TrySendError::Full(_)) = self.queue.try_send(note) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Notebook {
    pub fn next(&self) -> Option<Note> {
        self.queue.try_recv().ok()
    }

    /// Notes that found no room since the last question.
    pub fn dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{PathId, VolumeId};

    #[test]
    fn a_latency_is_counted_below_its_bound() {
        let mut l = Latency::default();
        assert_eq!((l.mean_ns(), l.quantile_ns(990)), (None, None));
        for (ns, bucket) in [
            (0, 0),
            (16_000, 0),
            (16_001, 1),
            (32_000, 1),
            (32_001, 2),
            (16_777_216_000, 20),
            (16_777_216_001, 21),
            (u64::MAX, 21),
        ] {
            let mut one = Latency::default();
            one.add(Duration(ns));
            assert_eq!(one.counts[bucket], 1, "{ns}");
            let inside = Latency::bound_ns(bucket).is_none_or(|bound| ns <= bound);
            assert!(inside, "{ns}");
            l.join(&one);
        }
        assert_eq!(l.count(), 8);
        assert_eq!(l.quantile_ns(250), Some(16_000));
        assert_eq!(l.quantile_ns(1000), Some(16_000 << 20));
    }

    #[test]
    fn notes_are_dropped_rather_than_waited_for() {
        let (notes, book) = Notes::new(2, crate::record::pair().0);
        let event = Event::NoPath {
            volume: VolumeId(0),
            queued: 1,
        };
        for _ in 0..3 {
            notes.of_shard(1).tell(5, event);
        }
        let first = book.next().unwrap();
        assert_eq!((first.shard, first.volume), (1, 5));
        assert!(book.next().is_some() && book.next().is_none());
        assert_eq!((book.dropped(), book.dropped()), (1, 0));
    }

    #[test]
    fn names_are_in_the_fields_spelling() {
        assert_eq!(spelled(Access::NonOptimized), "non_optimized");
        assert_eq!(spelled(Link::Up), "up");
    }

    #[test]
    fn events_show_on_the_path() {
        let mut p = PathSeen::default();
        let path = PathId(0);
        p.note(&Event::Admin {
            path,
            from: Admin::Enabled,
            to: Admin::Standby,
        });
        assert_eq!((p.admin, p.losses), (Admin::Standby, 0));
    }
}

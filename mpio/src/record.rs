//! What a volume served, for `mpio trace`: each shard puts a record of each I/O into one bounded queue, and the control side takes them out. While
//! nobody traces, an I/O costs the look at one flag that nobody writes.
#![forbid(unsafe_code)]

use protocol::{Instant, Op};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Records that may wait: 50 ms of 300,000 I/Os a second.
const ROOM: usize = 1 << 14;
const NOBODY: u32 = u32::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub at: Instant,
    pub op: Op,
    pub offset: u64,
    pub bytes: u32,
}

#[derive(Debug)]
struct Shared {
    /// The volume that is traced.
    volume: AtomicU32,
    missed: AtomicU64,
}

/// A shard's end.
#[derive(Clone, Debug)]
pub struct Tap {
    shared: Arc<Shared>,
    queue: SyncSender<Record>,
}

/// The control side's end.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    queue: Receiver<Record>,
}

pub fn pair() -> (Tap, Recorder) {
    let (send, queue) = sync_channel(ROOM);
    let shared = Arc::new(Shared {
        volume: AtomicU32::new(NOBODY),
        missed: AtomicU64::new(0),
    });
    let tap = Tap {
        shared: shared.clone(),
        queue: send,
    };
    (tap, Recorder { shared, queue })
}

impl Tap {
    /// An application asked for this. Never waits: what finds no room is counted.
    #[inline]
    pub fn note(&self, volume: u16, record: impl FnOnce() -> Record) {
        if self.shared.volume.load(Ordering::Relaxed) == u32::from(volume) {
            self.put(record());
        }
    }

    #[cold]
    fn put(&self, record: Record) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(record) {
            self.shared.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Recorder {
    pub fn start(&self, volume: u16) {
        while self.queue.try_recv().is_ok() {}
        self.shared.missed.store(0, Ordering::Relaxed);
        let volume = u32::from(volume);
        self.shared.volume.store(volume, Ordering::Relaxed);
    }

    pub fn stop(&self) {
        self.shared.volume.store(NOBODY, Ordering::Relaxed);
    }

    /// What has come, in the order of time: shards put it in as they go.
    pub fn take(&self, most: usize, into: &mut Vec<Record>) {
        into.clear();
        into.extend(self.queue.try_iter().take(most));
        into.sort_by_key(|r| r.at);
    }

    /// Records that found no room since the start.
    pub fn missed(&self) -> u64 {
        self.shared.missed.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at: u64) -> Record {
        Record {
            at: Instant(at),
            op: Op::Read,
            offset: at * 4096,
            bytes: 4096,
        }
    }

    #[test]
    fn only_the_traced_volume_is_recorded_and_only_while_it_is() {
        let (tap, recorder) = pair();
        let mut got = Vec::new();
        tap.note(0, || panic!("nobody traces"));
        recorder.start(1);
        tap.note(0, || panic!("another volume"));
        tap.note(1, || record(2));
        tap.note(1, || record(1));
        recorder.take(10, &mut got);
        assert_eq!(got, [record(1), record(2)]);
        tap.note(1, || record(3));
        recorder.stop();
        tap.note(1, || panic!("over"));
        recorder.start(1);
        recorder.take(10, &mut got);
        assert_eq!(got, [], "what an earlier trace left is not this one's");
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (tap, recorder) = pair();
        recorder.start(0);
        for at in 0..ROOM as u64 + 5 {
            tap.note(0, || record(at));
        }
        assert_eq!(recorder.missed(), 5);
        let mut got = Vec::new();
        recorder.take(usize::MAX, &mut got);
        assert_eq!(got.len(), ROOM);
    }
}

//! A shard: one thread, one ring, one core per volume. It reads the clock once per batch of completions.

mod driver;
mod log;
mod paths;
mod pool;

pub use driver::VolumeIo;
pub use paths::BlockPath;
pub use pool::Pool;

use crate::seen::{PathSeen, Shown, Snapshot, Waits};
use datapath::core::{Actions, Core, Input};
use datapath::ring::carry_out;
use driver::{Driver, Kind};
use io_uring::{IoUring, types};
use libublk::io::UblkDev;
use protocol::{Duration, Instant, VolumeId};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// How often the snapshot is made anew.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(100);
/// The longest sleep.
const WAIT_MAX: Duration = Duration::from_millis(100);

pub struct Served {
    pub core: Core,
    pub io: VolumeIo,
    pub dev: Arc<UblkDev>,
}

pub struct Shard {
    ring: IoUring,
    volumes: Vec<Served>,
    began: std::time::Instant,
    /// The snapshot in the making, kept for its capacity.
    taken: Snapshot,
    beat: u64,
    shown: Shown,
    /// What the operator wants of a volume's core; looked for in each round, so within `WAIT_MAX`.
    orders: Receiver<(u16, Input)>,
    snapshot_at: Instant,
    out: Actions,
}

impl Shard {
    /// On the thread that will run it: the ring belongs to it.
    pub fn new(
        volumes: Vec<Served>,
        began: std::time::Instant,
        shown: Shown,
        orders: Receiver<(u16, Input)>,
    ) -> io::Result<Shard> {
        let depth: u32 = volumes.iter().map(|s| u32::from(s.io.queue.depth)).sum();
        let entries = (depth * 4).clamp(64, 4096).next_power_of_two();
        let ring = IoUring::builder()
            .setup_cqsize(entries * 4)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(entries)?;
        Ok(Shard {
            ring,
            volumes,
            began,
            taken: Snapshot::default(),
            beat: 0,
            shown,
            orders,
            snapshot_at: Instant::ZERO,
            out: Actions::with_capacity(1024),
        })
    }

    fn now(&self) -> Instant {
        Instant(self.began.elapsed().as_nanos() as u64)
    }

    /// Serves until every device was stopped. What is dropped at the end are the queues' mappings, which the kernel waits for.
    pub fn run(mut self) -> io::Result<()> {
        for at in 0..self.volumes.len() {
            self.driver(at).fetch_all();
        }
        self.ring.submit()?;
        for s in &self.volumes {
            crate::front::Queue::fetched(&s.dev);
        }
        let mut done: Vec<(u64, i32)> = Vec::with_capacity(4096);
        while !self.is_over() {
            let now = self.now();
            while let Ok((volume, input)) = self.orders.try_recv() {
                self.tell(now, usize::from(volume), input);
            }
            for at in 0..self.volumes.len() {
                self.due(now, at);
            }
            if now >= self.snapshot_at {
                self.take_snapshot(now);
                self.snapshot_at = now + SNAPSHOT_EVERY;
            }
            self.wait(now)?;
            let now = self.now();
            done.clear();
            done.extend(self.ring.completion().map(|c| (c.user_data(), c.result())));
            for (data, result) in done.drain(..) {
                let Some((kind, volume, index)) = Kind::unpack(data) else {
                    continue;
                };
                self.completed(now, kind, volume, index, result);
            }
        }
        for s in self.volumes {
            // Requests are over; what may still be out are probes, and commands that were given up.
            drop(s.io);
            s.core.abandon();
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        let over = |s: &Served| s.io.aborted >= s.io.queue.depth && s.core.idle();
        self.volumes.iter().all(over)
    }

    fn completed(&mut self, now: Instant, kind: Kind, volume: u16, index: u32, result: i32) {
        let at = usize::from(volume);
        let mut driver = self.driver(at);
        let input = driver.completed(now, kind, index, result);
        if let Some(input) = input {
            self.tell(now, at, input);
        }
        self.driver(at).settle();
        self.driver(at).commit_waiting();
        self.tell_pending(now, at);
    }

    /// Deadlines, and what the driver has to say by itself.
    fn due(&mut self, now: Instant, at: usize) {
        let core = &mut self.volumes[at].core;
        if core.deadline().is_some_and(|due| due <= now) {
            core.on_deadline(now, &mut self.out);
            self.carry_out(now, at);
        }
        self.tell_pending(now, at);
    }

    fn tell_pending(&mut self, now: Instant, at: usize) {
        while let Some(input) = self.volumes[at].io.pending.pop_front() {
            self.tell(now, at, input);
        }
    }

    fn tell(&mut self, now: Instant, at: usize, input: Input) {
        self.volumes[at].core.handle(now, input, &mut self.out);
        self.carry_out(now, at);
    }

    fn carry_out(&mut self, now: Instant, at: usize) {
        let mut driver = Driver {
            ring: &mut self.ring,
            v: &mut self.volumes[at].io,
        };
        carry_out(&mut driver, now, &mut self.out);
    }

    fn driver(&mut self, at: usize) -> Driver<'_> {
        Driver {
            ring: &mut self.ring,
            v: &mut self.volumes[at].io,
        }
    }

    fn wait(&mut self, now: Instant) -> io::Result<()> {
        let due = self.volumes.iter().filter_map(|s| s.core.deadline()).min();
        let wait = due.map_or(WAIT_MAX, |at| at.since(now)).min(WAIT_MAX);
        let time = types::Timespec::new()
            .sec(wait.0 / 1_000_000_000)
            .nsec((wait.0 % 1_000_000_000) as u32);
        let args = types::SubmitArgs::new().timespec(&time);
        match self.ring.submitter().submit_with_args(1, &args) {
            Ok(_) => Ok(()),
            Err(e)
                if matches!(
                    e.raw_os_error(),
                    Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)
                ) =>
            {
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    fn take_snapshot(&mut self, now: Instant) {
        let taken = &mut self.taken;
        self.beat += 1;
        taken.beat = self.beat;
        taken
            .volumes
            .resize_with(self.volumes.len(), Default::default);
        for (s, seen) in self.volumes.iter().zip(&mut taken.volumes) {
            seen.bytes = s.io.bytes;
            seen.served = s.io.served;
            seen.parked_buffers = s.io.pool.parked_now;
            (seen.hedges_issued, seen.hedges_won) = (s.io.hedges_issued, s.io.hedges_won);
            let state = s.core.no_path(VolumeId(0));
            seen.waits = state.map(|state| Waits::of(state, now));
            seen.paths.clear();
            seen.paths.extend(s.io.paths.iter().map(|p| PathSeen {
                inflight: p.out,
                ..p.seen
            }));
        }
        // A reader copies at this moment: the next one will do.
        if let Ok(mut shown) = self.shown.try_lock() {
            std::mem::swap(&mut *shown, taken);
        }
    }
}

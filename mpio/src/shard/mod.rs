//! A shard: one thread, one ring, one set of buffers, and a core for each volume. Every shard has a queue of every volume's ublk device;
//! the cores of one volume tell each other what they must by messages. A shard reads the clock once per batch of completions.
//!
//! One core per volume, and not one for all volumes behind the same controllers: on a kernel block path each volume has a device, a
//! queue, a timeout and an end of its own, and a unit that is deleted or offline must not take another volume's path along.

mod actions;
mod connect;
mod driver;
mod inbox;
mod keeper;
mod log;
mod paths;
mod pool;
mod requests;
mod reset;
mod shadows;
mod volume;

pub use driver::{Buffers, Links, SMALL_BYTES};
pub use inbox::{Inbox, Message, Outbox};
pub use keeper::{Keeper, Standing, Want};
pub use paths::BlockPath;
pub use pool::Pool;
pub use shadows::Store;
pub use volume::VolumeIo;

use crate::front::Copy;
use crate::seen::{PathSeen, Shown, Snapshot, Waits};
use crate::uring::{self, push};
use datapath::core::{Actions, Core, Input};
use datapath::ring::carry_out;
use driver::{Driver, Kind, POOL_INDEX};
use io_uring::{IoUring, opcode, types};
use libublk::io::UblkDev;
use protocol::{Duration, Instant, PathId, VolumeId};
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// How often the snapshot is made anew.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(100);
/// A daemon that stops waits so long for what is in memory only to be written.
const SHADOWS_WITHIN: Duration = Duration::from_secs(30);
/// The longest sleep.
const WAIT_MAX: Duration = Duration::from_millis(100);
const WAIT_LETTING_GO: Duration = Duration::from_millis(5);
/// What is out when the daemon lets go has this long to come back. Then requests are left to the successor, which may not write while a
/// write of this daemon's is out: for those is the longer time.
const LET_GO_WITHIN: Duration = Duration::from_millis(300);
const WRITES_BACK_WITHIN: Duration = Duration::from_secs(5);

pub struct Served {
    pub core: Core,
    pub io: VolumeIo,
    pub dev: Arc<UblkDev>,
}

/// What a shard is made of.
pub struct Parts {
    pub volumes: Vec<Served>,
    pub buffers: Buffers,
    pub inbox: Inbox,
    pub links: Links,
    pub shown: Shown,
    pub began: std::time::Instant,
}

/// What a shard leaves of one volume to the next daemon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// Paths on which a write may still be out.
    pub feared: Vec<u16>,
    /// A flush failed, and no application was told.
    pub untold: bool,
}

pub struct Shard {
    ring: IoUring,
    volumes: Vec<Served>,
    buffers: Buffers,
    inbox: Inbox,
    /// Messages that came, until what paths answered before them is handled.
    mail: VecDeque<Message>,
    links: Links,
    /// The snapshot in the making, kept for its capacity.
    taken: Snapshot,
    beat: u64,
    shown: Shown,
    began: std::time::Instant,
    snapshot_at: Instant,
    /// When it was told to let go.
    let_go_at: Option<Instant>,
    /// Since when nothing is left to serve.
    stopped_at: Option<Instant>,
    out: Actions,
}

/// What the kernel cannot send without waiting goes to threads of the ring's, of which it allows four for each CPU: every flush, write-zeroes, and
/// whatever a device has no room for. Those of one stuck path must not hold up what the other paths would serve, so there may be one for each request
/// (`depth`); they are made when they are needed.
fn allow_workers(ring: &IoUring, depth: u32) {
    let mut most = [depth.max(64), 0];
    if let Err(e) = ring.submitter().register_iowq_max_workers(&mut most) {
        tracing::warn!(
            "the ring has as many threads as the kernel likes ({e}): some flushes that are stuck on one path may hold up others"
        );
    }
}

impl Shard {
    /// On the thread that will run it: the ring belongs to it. Every queue has asked for requests when this is done.
    pub fn new(parts: Parts) -> io::Result<Shard> {
        let depth = |s: &Served| u32::from(s.io.queue.depth);
        let depth: u32 = parts.volumes.iter().map(depth).sum();
        let entries = (depth * 4).clamp(64, 4096).next_power_of_two();
        let ring = IoUring::builder()
            .setup_cqsize(entries * 4)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(entries)?;
        allow_workers(&ring, depth);
        let mut shard = Shard {
            ring,
            volumes: parts.volumes,
            buffers: parts.buffers,
            inbox: parts.inbox,
            mail: VecDeque::with_capacity(256),
            links: parts.links,
            taken: Snapshot::default(),
            beat: 0,
            shown: parts.shown,
            began: parts.began,
            snapshot_at: Instant::ZERO,
            let_go_at: None,
            stopped_at: None,
            out: Actions::with_capacity(1024),
        };
        let part = shard.buffers.data.part(shard.volumes.len());
        for s in &mut shard.volumes {
            s.io.part = part;
        }
        shard.register_buffers();
        for at in 0..shard.volumes.len() {
            shard.driver(at).fetch_all();
        }
        shard.listen();
        shard.ring.submit()?;
        for s in &shard.volumes {
            crate::front::Queue::fetched(&s.dev);
        }
        Ok(shard)
    }

    /// The pages that carry data are made ready for the paths' commands once, and not for each. The table has places for the pages that the
    /// kernel lends. Files are not registered: in the kernels before 6.13 one command that is stuck keeps every registered file of its ring open,
    /// those of the ublk devices too, which then could not be deleted.
    fn register_buffers(&mut self) {
        let lends = |s: &&Served| s.io.queue.copy == Copy::Zero;
        let last = self
            .volumes
            .iter()
            .filter(lends)
            .map(|s| s.io.queue.index(s.io.queue.depth - 1));
        let entries = 1 + u32::from(last.max().unwrap_or(POOL_INDEX));
        let memory = [self.buffers.data.memory()];
        let submitter = self.ring.submitter();
        let done = submitter.register_buffers_sparse(entries).and_then(|()| {
            // SAFETY: the pool's memory stays mapped while a command may name it.
            unsafe { submitter.register_buffers_update(u32::from(POOL_INDEX), &memory, None) }
        });
        match done {
            Ok(_) => self.buffers.registered = true,
            Err(e) => tracing::warn!(
                "the buffers are not registered with the ring: {e}; each command makes its own ready"
            ),
        }
    }

    fn now(&self) -> Instant {
        Instant(self.began.elapsed().as_nanos() as u64)
    }

    /// Waits for the bell, on the ring.
    fn listen(&mut self) {
        let bell = types::Fd(self.inbox.bell().as_raw_fd());
        let entry = opcode::PollAdd::new(bell, libc::POLLIN as u32).build();
        push(&mut self.ring, &entry.user_data(Kind::Bell.pack(0, 0)));
    }

    /// Serves until every device was stopped, or is let go. What is dropped at the end are the queues' mappings, which the kernel waits
    /// for. What it leaves, by volume.
    pub fn run(mut self) -> io::Result<Vec<LeftBehind>> {
        let mut done: Vec<(u64, i32)> = Vec::with_capacity(4096);
        loop {
            let now = self.now();
            if self.is_over(now) {
                break;
            }
            for at in 0..self.volumes.len() {
                self.due(now, at);
            }
            if now >= self.snapshot_at {
                self.take_snapshot(now);
                for at in 0..self.volumes.len() {
                    self.driver(at).ask_for_reset(now);
                }
                self.snapshot_at = now + SNAPSHOT_EVERY;
            }
            self.tell_quiet(now);
            self.wait(now)?;
            self.note_told();
            let now = self.now();
            let mut rung = self.batch(now, &mut done);
            while rung {
                while let Some(message) = self.inbox.next() {
                    self.mail.push_back(message);
                }
                // What paths have answered before a message came is handled before it, and some of it the kernel has not shown yet.
                self.enter(Duration(0))?;
                rung = self.batch(now, &mut done);
                self.read_messages(now);
            }
        }
        let mut left = Vec::with_capacity(self.volumes.len());
        for s in self.volumes {
            let open = s.core.open_shadows();
            if open.count > 0 {
                tracing::error!(
                    "shard {}: ends with {} bytes of writes in memory only: commands that never came back may still overwrite them",
                    self.links.shard,
                    open.bytes
                );
            }
            let paths = (0u16..).zip(&s.io.paths);
            left.push(LeftBehind {
                feared: paths
                    .filter(|(_, p)| p.is_feared())
                    .map(|(i, _)| i)
                    .collect(),
                untold: s.core.untold().next().is_some(),
            });
            // Requests are over, or the next daemon's; what may still be out are probes, and commands that were given up.
            drop(s.io);
            s.core.abandon();
        }
        Ok(left)
    }

    /// A reset of a unit waits for the word that nothing is under way.
    fn tell_quiet(&mut self, now: Instant) {
        for s in self.volumes.iter_mut().filter(|s| s.io.reset.holds) {
            s.io.reset.tell_quiet(now, &s.io.paths);
        }
    }

    /// The kernel has taken every answer that there was. Those to failed flushes among them need not be told by a successor any more.
    fn note_told(&mut self) {
        for at in 0..self.volumes.len() {
            let io = &self.volumes[at].io;
            if io.word.answered && io.word.written {
                self.forget_told(at);
            }
        }
    }

    #[cold]
    fn forget_told(&mut self, at: usize) {
        let all_taken = self.ring.submission().is_empty();
        let s = &mut self.volumes[at];
        if all_taken && s.io.unbuffered.is_empty() && s.core.untold().next().is_none() {
            s.io.word.told();
        }
    }

    /// Handles what the ring shows; whether the bell rang.
    fn batch(&mut self, now: Instant, done: &mut Vec<(u64, i32)>) -> bool {
        let mut rung = false;
        done.extend(self.ring.completion().map(|c| (c.user_data(), c.result())));
        for (data, result) in done.drain(..) {
            match Kind::unpack(data) {
                None => {}
                Some((Kind::Bell, ..)) => {
                    self.inbox.hush();
                    self.listen();
                    rung = true;
                }
                Some((kind, volume, index)) => self.completed(now, kind, volume, index, result),
            }
        }
        rung
    }

    /// Every device was stopped, or let go, and nothing is left to wait for.
    fn is_over(&mut self, now: Instant) -> bool {
        // What is in memory only must be written, and a sibling cannot do that without this shard's word.
        let shadows = self.volumes.iter().any(|s| s.core.sees_shadows());
        if let Some(since) = self.let_go_at {
            let ended = |s: &Served| s.core.idle() && s.io.paths.iter().all(|p| p.out == 0);
            let feared = |s: &Served| s.io.paths.iter().any(BlockPath::is_feared);
            let took = now.since(since);
            let over = self.volumes.iter().all(ended)
                || took >= LET_GO_WITHIN && !self.volumes.iter().any(feared);
            return over && !shadows || took >= WRITES_BACK_WITHIN;
        }
        let stopped = |s: &Served| s.io.aborted >= s.io.queue.depth && s.core.idle();
        if !self.volumes.iter().all(stopped) {
            return false;
        }
        let since = *self.stopped_at.get_or_insert(now);
        !shadows || now >= since + SHADOWS_WITHIN
    }

    fn completed(&mut self, now: Instant, kind: Kind, volume: u16, index: u32, result: i32) {
        let (core, mut driver, out) = self.parts(usize::from(volume));
        if let Some(input) = driver.completed(now, kind, index, result) {
            core.handle(now, input, out);
            carry_out(&mut driver, now, out);
        }
        driver.settle();
        driver.go_on();
        while let Some(input) = driver.v.pending.pop_front() {
            core.handle(now, input, out);
            carry_out(&mut driver, now, out);
        }
    }

    fn read_messages(&mut self, now: Instant) {
        while let Some(message) = self.mail.pop_front() {
            let at = match message {
                Message::Peer { volume, message } => {
                    self.tell(now, usize::from(volume), Input::Peer(message));
                    volume
                }
                Message::AddPath { volume, path } => {
                    self.volumes[usize::from(volume)].io.paths[usize::from(path)].leaving = false;
                    let path = PathId(path);
                    self.tell(now, usize::from(volume), Input::AddPath { path });
                    volume
                }
                Message::RemovePath { volume, path } => {
                    let at = usize::from(volume);
                    self.volumes[at].io.paths[usize::from(path)].leaving = true;
                    let id = PathId(path);
                    self.tell(now, at, Input::RemovePath { path: id });
                    self.driver(at).let_go(path);
                    volume
                }
                Message::Operator { volume, input } => {
                    self.tell(now, usize::from(volume), input);
                    volume
                }
                Message::LetGo => {
                    self.let_go_at = Some(now);
                    for s in &mut self.volumes {
                        s.io.letting_go = true;
                    }
                    continue;
                }
                Message::Quiet {
                    volume,
                    path,
                    quiet,
                } => {
                    let v = &mut self.volumes[usize::from(volume)].io;
                    v.reset.begin(now, path, &mut v.paths, quiet);
                    volume
                }
                Message::Resume { volume } => {
                    self.driver(usize::from(volume)).resume(now);
                    volume
                }
                Message::WasReset {
                    volume,
                    path,
                    proven,
                } => {
                    let v = &mut self.volumes[usize::from(volume)].io;
                    v.was_reset(path, proven);
                    volume
                }
                Message::Told(told) => {
                    let volume = told.volume;
                    self.driver(usize::from(volume)).told(now, told);
                    volume
                }
            };
            self.tell_pending(now, usize::from(at));
        }
    }

    /// Deadlines, and what the driver has to say by itself.
    fn due(&mut self, now: Instant, at: usize) {
        let (core, mut driver, out) = self.parts(at);
        if core.deadline().is_some_and(|due| due <= now) {
            core.on_deadline(now, out);
            carry_out(&mut driver, now, out);
        }
        // What another volume had may be free.
        driver.go_on();
        self.tell_pending(now, at);
    }

    fn tell_pending(&mut self, now: Instant, at: usize) {
        while let Some(input) = self.volumes[at].io.pending.pop_front() {
            self.tell(now, at, input);
        }
    }

    /// For what is rare: `completed` has the same for each I/O.
    fn tell(&mut self, now: Instant, at: usize, input: Input) {
        let (core, mut driver, out) = self.parts(at);
        core.handle(now, input, out);
        carry_out(&mut driver, now, out);
    }

    /// One volume's core, what carries out its actions, and the list of them.
    fn parts(&mut self, at: usize) -> (&mut Core, Driver<'_>, &mut Actions) {
        let s = &mut self.volumes[at];
        let driver = Driver {
            ring: &mut self.ring,
            buffers: &mut self.buffers,
            links: &self.links,
            v: &mut s.io,
        };
        (&mut s.core, driver, &mut self.out)
    }

    fn driver(&mut self, at: usize) -> Driver<'_> {
        self.parts(at).1
    }

    fn wait(&mut self, now: Instant) -> io::Result<()> {
        let due = self.volumes.iter().filter_map(|s| s.core.deadline()).min();
        // What ends it when it lets go is looked at often: applications wait.
        let most = match self.let_go_at {
            Some(_) => WAIT_LETTING_GO,
            None => WAIT_MAX,
        };
        self.enter(due.map_or(most, |at| at.since(now)).min(most))
    }

    /// Gives the kernel what is queued, and takes what is done: something, or nothing after `wait`.
    fn enter(&mut self, wait: Duration) -> io::Result<()> {
        uring::enter(&self.ring, std::time::Duration::from_nanos(wait.0))
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
            seen.parked_buffers = s.io.parked;
            seen.shadows = s.core.open_shadows();
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

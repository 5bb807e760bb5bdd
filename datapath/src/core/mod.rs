//! The multipath core: sans-IO, told everything. It reads no clock and no random source, makes no system call, spawns
//! nothing and allocates nothing per I/O once its tables have grown to their working size.
//!
//! One core is one shard of one host. The driver calls [`Core::handle`] for each thing that happened and
//! [`Core::on_deadline`] when [`Core::deadline`] has come, and carries out the [`Actions`] in their order.
//!
//! Where things are: `dispatch` (submit, split, choose, send), `answer` (completions and verdicts), `probe` (reads that ask a path), `usable` (what may be
//! used, derived), `link` (connections), `detect` (silence), `lost` (a verdict and its retries), `alone` (the loss of one attempt), `fence` (the end of lost
//! associations), `hedge` (reads sent twice), `announce` (access states that contradict answers), `doubt` (writes in doubt), `doubts` (their table),
//! `shadow` (writes kept in memory), `pieces` (which of them is seen where), `settle` (their end), `rewrite` (a flush that failed),
//! `lag` (this loop's own lateness), `size` (resize),
//! `transition` (its deadline), `no_path` (queueing with a deadline), `quarantine` (failback), `tick` (deadlines).

mod alone;
mod announce;
mod answer;
pub mod api;
mod config;
mod detect;
mod dispatch;
mod doubt;
mod doubts;
mod fence;
mod hedge;
mod lag;
mod link;
mod lost;
pub mod mutant;
mod no_path;
mod out;
pub mod path;
mod pieces;
pub mod policy;
mod probe;
mod quarantine;
mod ranges;
mod request;
mod rewrite;
mod settle;
mod shadow;
mod size;
mod slots;
mod spans;
mod state;
#[cfg(test)]
mod tests;
mod tick;
mod transition;
mod usable;
pub mod verdict;

pub use api::{
    Action, BufId, Epoch, Event, Input, LossCause, Outcome, PeerMessage, Request, ShadowAction,
    ShadowId, ShadowStep, Ticket,
};
pub use config::{
    Config, ConfigError, DOUBTS_MAX, FencePolicy, HEDGE_PERMILLE, PATHS_MAX, PathConfig,
    SHADOW_BYTES, SHADOWS_MAX, VolumeConfig,
};
pub use no_path::NoPath;
pub use out::Actions;
pub use policy::{Board, Policy, Told};
pub use shadow::OpenShadows;

use doubts::Doubts;
use fence::Closing;
use hedge::Hedges;
use lag::Lags;
use mutant::Mutant;
use policy::{Selector, View};
use protocol::{Duration, Instant, PathId, VolumeId};
use request::Requests;
use shadow::Shadows;
use slots::{List, Slots};
use spans::Spans;
use state::{PathState, PathVolume, VolumeState};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Times that are the core's own, not the operator's.
pub mod times {
    use protocol::Duration;

    /// Silence on a path is noticed after four of its own tails, but never sooner than this.
    pub const SILENCE_FLOOR: Duration = Duration::from_millis(20);
    /// A probe is overdue after four tails, but never sooner than this.
    pub const PROBE_FLOOR: Duration = Duration::from_millis(25);
    /// Commands that went out within this time are one burst: the answer to the first of them may come as late as that to
    /// the last, because the same burst of a sibling shard may be ahead of all of them.
    pub const BURST: Duration = Duration::from_millis(1);
    /// The same for one path alone. In the steady state a burst costs no more than this by the path's own rate, so that
    /// the factor leaves it below the floor.
    pub const OWN_BURST: Duration = Duration::from_millis(4);
    /// A path is given this many times what its burst costs by its own rate of answers.
    pub const BURST_FACTOR: u64 = 4;
    /// A probe on a path that answers beside its queue of I/O is given this much longer.
    pub const TOLD_EXTRA: Duration = Duration::from_millis(200);
    /// A path whose sibling has just ended a silence everywhere is given twice what that answer took, up to this.
    pub const WITNESS_MAX: Duration = Duration::from_millis(200);
    /// A read is sent a second time after its path's tail, but never sooner than this.
    pub const HEDGE_FLOOR: Duration = Duration::from_millis(1);
    /// How often it is looked for reads to send a second time, at most.
    pub const HEDGE_EVERY: Duration = Duration::from_micros(250);
    /// How soon silence is judged again while no sibling has answered.
    pub const RECHECK: Duration = Duration::from_millis(5);
    /// A lost path is connected again this long after the last attempt began.
    pub const RECONNECT: Duration = Duration::from_millis(50);
    /// A connection that is not made by then is given up.
    pub const CONNECT_PATIENCE: Duration = Duration::from_millis(100);
    /// An idle path, and one in probation, is probed this often.
    pub const PROBE_EVERY: Duration = Duration::from_millis(100);
    /// Access states that forbid I/O are asked for again this often.
    pub const REFRESH_EVERY: Duration = Duration::from_millis(100);
    /// How long a path that contradicted its own announcement is not believed, and the most that doubling makes of it.
    pub const DISTRUST: Duration = Duration::from_millis(1);
    pub const DISTRUST_MAX: Duration = Duration::from_millis(100);
    /// New writes over a shadow that is to be written once more wait for the ones that are out; but not longer than this, and
    /// sixteen times as long where that was tried in vain.
    pub const QUIET_MAX: Duration = Duration::from_millis(5);
    /// They wait for its last write, too; not longer than this, which is more than it takes to see that a path is silent.
    pub const WRITE_MAX: Duration = Duration::from_millis(60);
    /// A shadow that could not be written once more is tried again after this.
    pub const SHADOW_RETRY: Duration = Duration::from_millis(200);
    /// A fence that is not confirmed by then is sent again, over another path if there is one.
    pub const FENCE_PATIENCE: Duration = Duration::from_millis(50);
    /// An I/O that every path refused waits this long before the next round.
    pub const ROUND_DELAY: Duration = Duration::from_millis(10);
    /// An I/O that was lost with its path this many times, and for as long as a path may be missing, is the array's trouble, or
    /// what troubles the array: it must not take every path down in turn for ever.
    pub const LOSSES_MAX: u8 = 8;
    /// Calls that come later than this after the deadline mean that the loop itself lagged.
    pub const LAG: Duration = Duration::from_millis(5);
}

/// One shard's multipath state.
#[derive(Debug)]
pub struct Core {
    config: Config,
    slots: Slots,
    requests: Requests,
    paths: Vec<PathState>,
    /// What a policy may see of each path, side by side.
    views: Vec<View>,
    selector: Selector,
    /// Path × volume, by path.
    pv: Vec<PathVolume>,
    volumes: Vec<VolumeState>,
    closings: Vec<Closing>,
    /// Ranges that an attempt which was lost may still write: this shard's and its siblings'.
    doubts: Doubts,
    /// How many of them are this shard's, and how many may be.
    own_doubts: u32,
    doubts_max: u32,
    /// Data that are kept in memory, because what is in doubt may overwrite them.
    shadows: Shadows,
    /// Writes that may not be sent yet because of `doubts`, `gate` or `shadows`, and reads that wait for a sibling's shadow.
    barred: List,
    /// Writes that succeeded and may not be completed yet because of `doubts`.
    answered: List,
    /// Both, by range; and the writes that were sent and are not complete, as far as they are known: it is filled when a sibling tells of
    /// what it has lost.
    waiting: Spans,
    under_way: Spans,
    under_way_known: bool,
    /// Associations of an earlier daemon that are not proven gone, and sibling shards that have not said the same of
    /// theirs: no write is sent before.
    gate: u32,
    /// This shard's part of that, and whether the siblings know that it is over.
    prior_left: u32,
    gate_told: bool,
    delayed: BinaryHeap<Reverse<(Instant, u32, u32)>>,
    /// Volumes without a usable path.
    starved: u32,
    /// The next call of `on_deadline`; a lower bound, so that the hot path only ever lowers it.
    wake: Instant,
    /// When this loop was late the last time, and the times before.
    resumed_at: Instant,
    lags: Lags,
    /// The latest answer on any path, and when answers began after the latest silence everywhere.
    heard_at: Instant,
    answers_since: Instant,
    /// How long the answer took that ended it: so long may the others' answers take.
    answers_took: Duration,
    hedges: Hedges,
    /// Associations of siblings that were asked to end: what they have given up is waited for here.
    asked_ends: Vec<(u16, u16, Epoch)>,
    /// Scratch of `lost` and `no_path`, of a retry's choice, and of `doubt`, kept for their capacity.
    scratch: Vec<u32>,
    lost_writes: Vec<u32>,
    retry_paths: Vec<u16>,
    overlaps: Vec<(u64, u32)>,
}

/// What a core still holds; all zero at the end of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Leaks {
    pub requests: u32,
    pub attempts: u32,
}

impl Core {
    pub fn new(config: Config, now: Instant) -> Result<Core, ConfigError> {
        config.check()?;
        let paths: Vec<PathState> = config
            .paths
            .iter()
            .map(|p| PathState::new(p.present, config.first_epoch, now))
            .collect();
        let volumes: Vec<VolumeState> = config
            .volumes
            .iter()
            .map(|v| VolumeState::new(v.blocks, now, paths.len()))
            .collect();
        let room = config.max_requests.min(4096) as usize;
        let mut core = Core {
            slots: Slots::with_capacity(room + paths.len() + hedge::BURST),
            requests: Requests::new(room, config.planted()),
            selector: Selector::new(
                config.policy,
                &config.paths.iter().map(|p| p.port).collect::<Vec<u16>>(),
                config.board.clone(),
                config.shard,
            ),
            views: config.paths.iter().map(|p| View::new(p.distance)).collect(),
            pv: vec![PathVolume::default(); paths.len() * volumes.len()],
            closings: Vec::with_capacity(paths.len() * 2),
            doubts: Doubts::default(),
            own_doubts: 0,
            doubts_max: config::DOUBTS_MAX,
            shadows: Shadows::default(),
            barred: List::default(),
            answered: List::default(),
            waiting: Spans::default(),
            under_way: Spans::default(),
            under_way_known: false,
            overlaps: Vec::new(),
            gate: 0,
            prior_left: 0,
            gate_told: true,
            delayed: BinaryHeap::with_capacity(room),
            starved: volumes.len() as u32,
            wake: now,
            resumed_at: now,
            lags: Lags::new(),
            heard_at: now,
            answers_since: now,
            answers_took: Duration::ZERO,
            hedges: Hedges::new(config.hedge_permille, now),
            asked_ends: Vec::new(),
            scratch: Vec::with_capacity(room),
            lost_writes: Vec::new(),
            retry_paths: Vec::with_capacity(paths.len()),
            paths,
            volumes,
            config,
        };
        for volume in &core.config.untold {
            if let Some(v) = core.volumes.get_mut(usize::from(volume.0)) {
                v.untold = true;
            }
        }
        core.fear_siblings();
        let prior = std::mem::take(&mut core.config.prior);
        for (path, epoch) in prior {
            if !core.config.mutant(Mutant::ForgetsPredecessor) {
                core.fear_prior(now, path.0, epoch);
            }
        }
        Ok(core)
    }

    /// Something happened.
    #[inline]
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions) {
        self.note_lag(now);
        match input {
            Input::Submit(request) => self.submit(now, request, out),
            Input::Done {
                path,
                ticket,
                status,
            } => self.done(now, path, ticket, status, out),
            Input::ProbeDone {
                path,
                ticket,
                status,
            } => self.probe_done(now, path, ticket, status, out),
            Input::Connected { path, epoch } => self.connected(now, path.0, epoch, out),
            Input::Refused { path, epoch } => self.refused(now, path.0, epoch, out),
            Input::Broken { path, epoch } => self.broken(now, path.0, epoch, out),
            Input::Access {
                path,
                volume,
                access,
            } => self.access_announced(now, path.0, volume, access, out),
            Input::Identity {
                path,
                volume,
                identity,
                blocks,
            } => self.identity_told(now, path.0, volume, identity, blocks, out),
            Input::FenceConfirmed { path, epoch } => self.fence_confirmed(now, path.0, epoch, out),
            Input::FenceFailed { path, epoch } => self.fence_failed(now, path.0, epoch, out),
            Input::AddPath { path } => self.add_path(now, path.0, out),
            Input::RemovePath { path } => self.remove_path(now, path.0, out),
            Input::Admin { path, admin } => self.wish(now, path.0, admin, out),
            Input::TakeSize { volume } => self.take_size(now, volume, out),
            Input::FailQueued { volume } => self.fail_waiting(now, volume, verdict::EIO, out),
            Input::Peer(message) => self.peer(now, message, out),
        }
    }

    /// What [`Policy::Oracle`] and [`Policy::Static`] are to prefer from now on, by path. The others know for themselves.
    pub fn tell(&mut self, told: &[Told]) {
        self.selector.tell(told);
    }

    /// When to call [`Core::on_deadline`] at the latest.
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        (self.wake != Instant::MAX).then_some(self.wake)
    }

    /// No request of an application is in the core.
    pub fn idle(&self) -> bool {
        self.requests.live == self.shadows.writing
    }

    pub fn leaks(&self) -> Leaks {
        let probes = self.paths.iter().filter(|p| p.probe.is_some()).count() as u32;
        Leaks {
            requests: self.requests.live - self.shadows.writing,
            attempts: self.slots.used - probes - self.shadows.writing,
        }
    }

    /// The daemon ends without answering: its requests stay with the front end, for the daemon that recovers.
    pub fn abandon(mut self) {
        self.requests.abandon_all();
    }

    /// The epoch of each path's present or latest association, for the state that a successor reads.
    pub fn epochs(&self) -> impl Iterator<Item = Epoch> + '_ {
        self.paths.iter().map(|p| p.epoch)
    }

    /// Every association of this daemon that the array may still know, and those of its predecessors that are not proven
    /// gone: what a successor must fear. Without the ones that were lost with nothing in doubt.
    pub fn associations(&self) -> impl Iterator<Item = (PathId, Epoch)> + '_ {
        let live = self.paths.iter().enumerate();
        let live = live.filter(|(_, p)| matches!(p.link, path::Link::Connecting | path::Link::Up));
        let live = live.map(|(path, p)| (PathId(path as u16), p.epoch));
        let over = self
            .closings
            .iter()
            .filter(|c| !self.stands(c.path, c.epoch));
        live.chain(over.map(|c| (PathId(c.path), c.epoch)))
    }

    /// The volumes of which a flush has failed, with its application still to be told: the part of a successor's state
    /// that must be written down before the messages to the siblings are carried out which say so.
    pub fn untold(&self) -> impl Iterator<Item = VolumeId> + '_ {
        let all = (0..self.volumes.len()).map(|v| VolumeId(v as u16));
        all.filter(|v| self.volumes[usize::from(v.0)].untold || self.telling(*v))
    }

    #[inline]
    fn wake_by(&mut self, at: Instant) {
        if at < self.wake {
            self.wake = at;
        }
    }

    #[inline]
    fn pv(&self, path: u16, volume: usize) -> &PathVolume {
        &self.pv[usize::from(path) * self.volumes.len() + volume]
    }

    #[inline]
    fn pv_mut(&mut self, path: u16, volume: usize) -> &mut PathVolume {
        let at = usize::from(path) * self.volumes.len() + volume;
        &mut self.pv[at]
    }

    fn path_indices(&self) -> std::ops::Range<u16> {
        0..self.paths.len() as u16
    }

    /// The same for a path with something out, be it a probe. What went out in one burst is answered one after the other, over whatever
    /// path it went: paths meet at a controller, and behind as much of a sibling shard or of another host. What was fed
    /// into the silence afterwards earns it nothing. For slow paths: it looks at the whole burst.
    fn patience_with(&self, path: u16, floor: Duration) -> Duration {
        let plain = self.patience(path, floor);
        let view = &self.views[usize::from(path)];
        let oldest = self.oldest(path);
        if oldest == Instant::MAX {
            return plain;
        }
        let sent = |p: &PathState, until| u64::from(self.slots.sent_by(&p.inflight, until));
        let own = sent(&self.paths[usize::from(path)], oldest + times::OWN_BURST);
        let all = self.paths.iter().map(|p| sent(p, oldest + times::BURST));
        let burst = own.max(all.sum());
        let cost = view.gap().0.saturating_mul(burst * times::BURST_FACTOR);
        plain.max(Duration(cost.min(self.config.io_timeout.0 / 2)))
    }

    /// Silence that a path is allowed, and the time that a probe is given, from the path's own tail.
    fn patience(&self, path: u16, floor: Duration) -> Duration {
        let tail = self.views[usize::from(path)].tail;
        let own = Duration(tail.0.saturating_mul(4)).max(floor);
        let doubled = Duration(
            own.0
                .saturating_mul(1 << self.paths[usize::from(path)].doubt),
        );
        doubled.min(self.config.io_timeout)
    }
}

impl Drop for Core {
    /// A core that is dropped in order holds nothing; one that is dropped while the process unwinds must not panic again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.requests.abandon_all();
        }
    }
}

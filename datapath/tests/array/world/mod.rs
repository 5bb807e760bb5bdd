//! A small array in virtual time, for tests of the core alone: paths that break, fall silent or lie, a pool of servers,
//! a fence, several shards that pass messages. It checks as it goes: one completion for each request, no command on a
//! path that may not carry it, no effect of a write after its completion, nothing old where newer data were acknowledged,
//! no illegal transition.

mod array;
mod host;
mod media;

use datapath::core::verdict::{Verdict, judge};
use datapath::core::{
    Action, Actions, Board, BufId, Config, Core, Epoch, Event, FencePolicy, HEDGE_PERMILLE, Input,
    LossCause, Outcome, PathConfig, Policy, Request, Ticket, VolumeConfig,
};
use protocol::rng::Stream;
use protocol::{Access, Duration, Identity, Instant, Op, PathId, Status, VolumeId};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

pub const MS: fn(u64) -> Duration = Duration::from_millis;
const ONE_WAY: Duration = Duration::from_micros(25);
const VOLUME: VolumeId = VolumeId(0);
const RIGHT: Identity = Identity(77);
const BLOCKS: u64 = 1 << 20;
/// What was sent into a silent path arrives this long after the silence ends, if its connection still stands.
const KEPT: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fault {
    #[default]
    None,
    Reset,
    Drop,
    /// Commands that arrive are held this long.
    Late(Duration),
    /// All commands are answered with this.
    Error(Status),
    Delay(Duration),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Fault(u16, Fault),
    Stall(bool),
    Access(u16, Access),
    Identity(u16, Option<Identity>),
    Add(u16),
    Remove(u16),
    FailQueued,
    /// Inputs that no honest driver sends.
    Garbage(u64),
    /// The shard is not scheduled for this long.
    Lag(usize, Duration),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Command {
    shard: usize,
    path: u16,
    epoch: Epoch,
    ticket: Ticket,
    cookie: u64,
    op: Op,
    lba: u64,
    blocks: u32,
    probe: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Happening {
    Tell(usize, Input),
    /// To the host over this association.
    Answer(Command, Status),
    Arrive(Command),
    Execute(Command, Status),
    ConnectAt(usize, u16, Epoch),
    ConnectedAt(usize, u16, Epoch),
    FenceAt(usize, u16, u16, Epoch),
    FencedAt(usize, u16, u16, Epoch),
    RefreshAt(usize, u16, Epoch),
    Submit(usize),
    /// After a lag.
    Scheduled(usize),
    Step(Step),
}

struct Entry(Instant, u64, Happening);
impl PartialEq for Entry {
    fn eq(&self, o: &Self) -> bool {
        (self.0, self.1) == (o.0, o.1)
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, o: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(o))
    }
}
impl Ord for Entry {
    fn cmp(&self, o: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(o.0, o.1))
    }
}

#[derive(Clone, Copy, Default)]
struct Line {
    epoch: Epoch,
    open: bool,
    up: bool,
}

/// What a core was told of a path: by this it must act.
#[derive(Clone, Copy, Default, Debug)]
struct Told {
    up: bool,
    epoch: Epoch,
    right: bool,
    accessible: bool,
    removed: bool,
}

#[derive(Default, Debug)]
pub struct Seen {
    pub completed: u64,
    pub errors: u64,
    pub read_max: Duration,
    pub write_max: Duration,
    /// Failed completions: when, after how long.
    pub failed: Vec<(Instant, Duration)>,
    pub lost: Vec<(Instant, u16, LossCause)>,
    pub redispatched: u64,
    pub in_doubt: u64,
    pub held: u64,
    pub held_max: Duration,
    pub flips: BTreeMap<(usize, u16), u32>,
    pub hedged: u64,
    pub hedges_won: u64,
    pub per_path: BTreeMap<u16, u64>,
}

pub struct World {
    pub now: Instant,
    seq: u64,
    heap: BinaryHeap<Reverse<Entry>>,
    pub cores: Vec<Core>,
    lines: Vec<Vec<Line>>,
    faults: Vec<Fault>,
    healed_at: Vec<Instant>,
    stalled: bool,
    stalled_work: Vec<Command>,
    access: Vec<Access>,
    identity: Vec<Option<Identity>>,
    ended: BTreeSet<(usize, u16, Epoch)>,
    servers: BinaryHeap<Reverse<Instant>>,
    rng: Stream,
    outstanding: BTreeMap<u64, (Instant, Op)>,
    media: media::Media,
    cookies: u64,
    /// Closed loop: what percent of the commands are reads; nothing is submitted after the end.
    pub reads: u64,
    pub flushes: u64,
    pub until: Instant,
    /// Commands begin in the first so many blocks.
    pub span: u64,
    /// Messages between shards take up to this long, in order.
    pub peer_delay: Duration,
    mail_at: Vec<Instant>,
    lagging: Vec<Instant>,
    lagged: Vec<Vec<Input>>,
    pub seen: Seen,
    out: Actions,
    told: Vec<Vec<Told>>,
    /// Second attempts, with the request of each, and the ticket whose answer a core is being told.
    hedges: BTreeMap<(usize, Ticket), u64>,
    answering: Option<(usize, Ticket)>,
    adopted: Option<(Ticket, u64)>,
    /// One answer in this many comes twice; 0: none.
    pub duplicates: u64,
    spins: u32,
}

pub fn config(paths: usize, policy: Policy) -> Config {
    Config {
        shard: 0,
        shards: 1,
        policy,
        io_timeout: Duration::from_secs(5),
        queue_for: Duration::from_secs(30),
        fence: FencePolicy::Hold,
        quiesce: Duration::from_secs(12),
        anatt: Duration::from_secs(10),
        array_confirms: true,
        block_bytes: 512,
        volumes: vec![VolumeConfig {
            identity: RIGHT,
            blocks: BLOCKS,
            max_blocks: 64,
        }],
        paths: (0..paths as u16)
            .map(|port| PathConfig {
                present: true,
                distance: 10,
                port,
            })
            .collect(),
        board: Board::default(),
        hedge_permille: HEDGE_PERMILLE,
        shadow_bytes: 0,
        max_requests: 1024,
        prior: Vec::new(),
        first_epoch: Epoch(0),
        untold: Vec::new(),
        #[cfg(feature = "mutants")]
        planted: Default::default(),
    }
}

impl World {
    pub fn new(config: &Config, shards: u16, seed: u64) -> World {
        let paths = config.paths.len();
        let cores = (0..shards)
            .map(|shard| {
                let mut c = config.clone();
                c.shard = shard;
                c.shards = shards;
                Core::new(c, Instant::ZERO).expect("a valid configuration")
            })
            .collect();
        World {
            now: Instant::ZERO,
            seq: 0,
            heap: BinaryHeap::new(),
            cores,
            lines: vec![vec![Line::default(); paths]; usize::from(shards)],
            faults: vec![Fault::None; paths],
            healed_at: vec![Instant::ZERO; paths],
            stalled: false,
            stalled_work: Vec::new(),
            access: vec![Access::Optimized; paths],
            identity: vec![Some(RIGHT); paths],
            ended: BTreeSet::new(),
            servers: (0..32).map(|_| Reverse(Instant::ZERO)).collect(),
            rng: Stream::new(seed, "world"),
            outstanding: BTreeMap::new(),
            media: media::Media::default(),
            span: BLOCKS - 100,
            mail_at: vec![Instant::ZERO; usize::from(shards) * usize::from(shards)],
            peer_delay: Duration::from_micros(20),
            cookies: 0,
            reads: 70,
            flushes: 1,
            until: Instant::MAX,
            lagging: vec![Instant::ZERO; usize::from(shards)],
            lagged: vec![Vec::new(); usize::from(shards)],
            seen: Seen::default(),
            out: Actions::default(),
            told: vec![vec![Told::default(); paths]; usize::from(shards)],
            hedges: BTreeMap::new(),
            answering: None,
            adopted: None,
            duplicates: 0,
            spins: 0,
        }
    }

    fn at(&mut self, when: Instant, what: Happening) {
        self.seq += 1;
        self.heap.push(Reverse(Entry(when, self.seq, what)));
    }

    pub fn step_at(&mut self, when: Duration, step: Step) {
        self.at(Instant::ZERO + when, Happening::Step(step));
    }

    /// `depth` commands at a time on each shard, from the start on.
    pub fn load(&mut self, depth: usize) {
        for shard in 0..self.cores.len() {
            for _ in 0..depth {
                self.at(self.now + MS(2), Happening::Submit(shard));
            }
        }
    }

    pub fn outstanding(&self) -> Vec<(u64, Instant, Op)> {
        let all = self.outstanding.iter();
        all.map(|(cookie, (at, op))| (*cookie, *at, *op)).collect()
    }

    pub fn idle(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Every path is as it should be, and nothing more is submitted.
    pub fn heal(&mut self) {
        self.until = self.now;
        self.step(Step::Stall(false));
        for path in 0..self.faults.len() as u16 {
            self.step(Step::Fault(path, Fault::None));
            self.step(Step::Access(path, Access::Optimized));
            if self.identity[usize::from(path)] != Some(RIGHT) {
                self.step(Step::Identity(path, Some(RIGHT)));
            }
            self.step(Step::Add(path));
        }
    }

    /// Everything that happens until then.
    pub fn run(&mut self, d: Duration) {
        let until = self.now + d;
        loop {
            let next = self.heap.peek().map_or(Instant::MAX, |Reverse(e)| e.0);
            let (shard, due) = (0..self.cores.len())
                .map(|s| {
                    let at = self.cores[s].deadline().unwrap_or(Instant::MAX);
                    (s, at.max(self.lagging[s]))
                })
                .min_by_key(|(_, at)| *at)
                .expect("a shard");
            if next.min(due) > until {
                break;
            }
            if due < next {
                if due > self.now {
                    self.spins = 0;
                }
                self.now = self.now.max(due);
                self.wake(shard);
                continue;
            }
            let Some(Reverse(Entry(at, _, what))) = self.heap.pop() else {
                break;
            };
            self.now = self.now.max(at);
            self.happen(what);
        }
        self.now = until;
    }
}

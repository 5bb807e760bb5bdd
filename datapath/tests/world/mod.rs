//! A small array in virtual time, for tests of the core alone: paths that break, fall silent or lie, a pool of servers,
//! a fence, several shards that pass messages. It checks as it goes: one completion for each request, no command on a
//! path that may not carry it, no write that executes after its acknowledgement, no illegal transition.

use datapath::core::{
    Action, Actions, BufId, Config, Core, Epoch, Event, FencePolicy, Input, LossCause, Outcome,
    PathConfig, Policy, Request, Ticket, VolumeConfig,
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
    pub flips: BTreeMap<(usize, u16), u32>,
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
    acknowledged: BTreeSet<u64>,
    cookies: u64,
    /// Closed loop: what percent of the commands are reads; nothing is submitted after the end.
    pub reads: u64,
    pub flushes: u64,
    pub until: Instant,
    lagging: Vec<Instant>,
    lagged: Vec<Vec<Input>>,
    pub seen: Seen,
    out: Actions,
    told: Vec<Vec<Told>>,
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
        array_confirms: true,
        block_bytes: 512,
        volumes: vec![VolumeConfig {
            identity: RIGHT,
            blocks: BLOCKS,
            max_blocks: 64,
        }],
        paths: vec![
            PathConfig {
                present: true,
                distance: 10
            };
            paths
        ],
        max_requests: 1024,
        prior: Vec::new(),
        first_epoch: Epoch(0),
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
            acknowledged: BTreeSet::new(),
            cookies: 0,
            reads: 70,
            flushes: 1,
            until: Instant::MAX,
            lagging: vec![Instant::ZERO; usize::from(shards)],
            lagged: vec![Vec::new(); usize::from(shards)],
            seen: Seen::default(),
            out: Actions::default(),
            told: vec![vec![Told::default(); paths]; usize::from(shards)],
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

    fn wake(&mut self, shard: usize) {
        for input in std::mem::take(&mut self.lagged[shard]) {
            self.tell_now(shard, input);
        }
        self.cores[shard].on_deadline(self.now, &mut self.out);
        self.carry_out(shard);
        self.spins += 1;
        assert!(self.spins < 1_000, "no time passes at {:?}", self.now);
    }

    fn tell(&mut self, shard: usize, input: Input) {
        if self.now < self.lagging[shard] {
            self.lagged[shard].push(input);
        } else {
            for input in std::mem::take(&mut self.lagged[shard]) {
                self.tell_now(shard, input);
            }
            self.tell_now(shard, input);
        }
    }

    fn tell_now(&mut self, shard: usize, input: Input) {
        self.shadow(shard, input);
        self.cores[shard].handle(self.now, input, &mut self.out);
        self.carry_out(shard);
    }

    fn shadow(&mut self, shard: usize, input: Input) {
        let told = &mut self.told[shard];
        let of = |path: PathId, told: &mut Vec<Told>| told.get(usize::from(path.0)).copied();
        let (path, new) = match input {
            Input::Connected { path, epoch } => match of(path, told) {
                Some(t) if t.epoch == epoch => (path, Told { up: true, ..t }),
                _ => return,
            },
            Input::Broken { path, epoch } => match of(path, told) {
                Some(t) if t.epoch == epoch => (path, Told { up: false, ..t }),
                _ => return,
            },
            Input::Identity { path, identity, .. } => match of(path, told) {
                Some(t) => {
                    let right = identity == Some(RIGHT);
                    (path, Told { right, ..t })
                }
                None => return,
            },
            Input::Access { path, access, .. } => match of(path, told) {
                Some(t) => {
                    let accessible = access.accessible();
                    (path, Told { accessible, ..t })
                }
                None => return,
            },
            Input::RemovePath { path } => match of(path, told) {
                Some(t) => (path, Told { removed: true, ..t }),
                None => return,
            },
            Input::AddPath { path } => match of(path, told) {
                Some(t) => (
                    path,
                    Told {
                        removed: false,
                        ..t
                    },
                ),
                None => return,
            },
            _ => return,
        };
        told[usize::from(path.0)] = new;
    }

    fn line(&self, shard: usize, path: u16, epoch: Epoch) -> bool {
        let line = self.lines[shard][usize::from(path)];
        line.open && line.epoch == epoch
    }

    /// One way over a path: when it arrives, if it does.
    fn carry(&self, path: u16) -> Option<Instant> {
        match self.faults[usize::from(path)] {
            Fault::Reset | Fault::Drop => None,
            Fault::Delay(d) => Some(self.now + ONE_WAY + d),
            _ => Some(self.now + ONE_WAY),
        }
    }

    fn service(&mut self) -> Duration {
        let u = self.rng.unit_u53() as f64 / (1u64 << 53) as f64;
        Duration((-(1.0 - u).ln() * 100_000.0) as u64)
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Tell(shard, input) => self.tell(shard, input),
            Happening::Answer(c, status) => {
                if !self.line(c.shard, c.path, c.epoch) {
                    return;
                }
                if self.faults[usize::from(c.path)] == Fault::Drop {
                    // Kept by the transport.
                    return self.at(self.now + KEPT, Happening::Answer(c, status));
                }
                let (path, ticket) = (PathId(c.path), c.ticket);
                if c.probe {
                    let identity = self.identity_input(c.path);
                    self.tell(c.shard, identity);
                    self.tell(
                        c.shard,
                        Input::ProbeDone {
                            path,
                            ticket,
                            status,
                        },
                    );
                } else {
                    let done = Input::Done {
                        path,
                        ticket,
                        status,
                    };
                    self.tell(c.shard, done);
                    if self.duplicates > 0 && self.rng.below(self.duplicates) == 0 {
                        self.tell(c.shard, done);
                    }
                }
            }
            Happening::Arrive(c) => self.arrive(c),
            Happening::Execute(c, status) => {
                if self.ended.contains(&(c.shard, c.path, c.epoch)) {
                    return;
                }
                if status.is_ok() && c.op.mutates() && !c.probe {
                    assert!(
                        !self.acknowledged.contains(&c.cookie),
                        "a ghost of the acknowledged write {} executes at {:?}",
                        c.cookie,
                        self.now
                    );
                }
                if let Some(at) = self.carry(c.path) {
                    self.at(at, Happening::Answer(c, status));
                } else if self.faults[usize::from(c.path)] == Fault::Drop {
                    self.at(self.now + KEPT, Happening::Answer(c, status));
                }
            }
            Happening::ConnectAt(shard, path, epoch) => {
                if self.line(shard, path, epoch)
                    && let Some(at) = self.carry(path)
                {
                    self.at(at, Happening::ConnectedAt(shard, path, epoch));
                }
            }
            Happening::ConnectedAt(shard, path, epoch) => {
                if !self.line(shard, path, epoch) || self.faults[usize::from(path)] == Fault::Drop {
                    return;
                }
                self.lines[shard][usize::from(path)].up = true;
                let (identity, access) = (self.identity_input(path), self.access_input(path));
                self.tell(shard, identity);
                self.tell(shard, access);
                let path = PathId(path);
                self.tell(shard, Input::Connected { path, epoch });
            }
            Happening::FenceAt(shard, via, target, epoch) => {
                if self.carry(via).is_some() && !self.stalled {
                    self.at(
                        self.now + MS(1),
                        Happening::FencedAt(shard, via, target, epoch),
                    );
                }
            }
            Happening::FencedAt(shard, via, target, epoch) => {
                self.ended.insert((shard, target, epoch));
                if self.carry(via).is_some() && self.lines[shard][usize::from(via)].up {
                    let path = PathId(target);
                    self.tell(shard, Input::FenceConfirmed { path, epoch });
                }
            }
            Happening::RefreshAt(shard, path, epoch) => {
                if self.line(shard, path, epoch) && self.carry(path).is_some() {
                    let access = self.access_input(path);
                    self.tell(shard, access);
                }
            }
            Happening::Submit(shard) => self.submit(shard),
            Happening::Scheduled(shard) if self.now >= self.lagging[shard] => {
                for input in std::mem::take(&mut self.lagged[shard]) {
                    self.tell_now(shard, input);
                }
            }
            Happening::Scheduled(_) => {}
            Happening::Step(step) => self.step(step),
        }
    }

    fn identity_input(&self, path: u16) -> Input {
        Input::Identity {
            path: PathId(path),
            volume: VOLUME,
            identity: self.identity[usize::from(path)],
            blocks: BLOCKS,
        }
    }

    fn access_input(&self, path: u16) -> Input {
        Input::Access {
            path: PathId(path),
            volume: VOLUME,
            access: self.access[usize::from(path)],
        }
    }

    fn arrive(&mut self, c: Command) {
        let p = usize::from(c.path);
        if self.stalled {
            return self.stalled_work.push(c);
        }
        match self.faults[p] {
            Fault::Reset => {}
            Fault::Drop => {
                if self.line(c.shard, c.path, c.epoch) {
                    self.at(self.now + KEPT, Happening::Arrive(c));
                }
            }
            Fault::Late(d) => self.at(self.now + d, Happening::Execute(c, Status::Ok)),
            Fault::Error(status) => self.at(self.now, Happening::Execute(c, status)),
            Fault::None | Fault::Delay(_) => {
                let status = match (self.identity[p], self.access[p]) {
                    (None, _) => Status::INVALID_NAMESPACE,
                    (_, Access::Inaccessible) => Status::ANA_INACCESSIBLE,
                    (_, Access::Transitioning) => Status::ANA_TRANSITION,
                    (_, Access::Lost) => Status::ANA_LOST,
                    _ => Status::Ok,
                };
                if !status.is_ok() {
                    return self.at(self.now, Happening::Execute(c, status));
                }
                let Reverse(free) = self.servers.pop().expect("a server");
                let end = free.max(self.now) + self.service();
                self.servers.push(Reverse(end));
                self.at(end, Happening::Execute(c, Status::Ok));
            }
        }
    }

    fn submit(&mut self, shard: usize) {
        if self.now >= self.until {
            return;
        }
        self.cookies += 1;
        let cookie = self.cookies * 4 + shard as u64;
        let draw = self.rng.below(100);
        let op = if draw < self.reads {
            Op::Read
        } else if draw < self.reads + self.flushes {
            Op::Flush
        } else if draw == 99 {
            Op::WriteZeroes
        } else {
            Op::Write
        };
        let blocks = if self.rng.percent(3) { 100 } else { 8 };
        let lba = self.rng.below(BLOCKS - 100);
        self.outstanding.insert(cookie, (self.now, op));
        self.tell(
            shard,
            Input::Submit(Request {
                volume: VOLUME,
                op,
                lba,
                blocks,
                fua: false,
                failfast: false,
                buf: BufId(0),
                cookie,
            }),
        );
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Fault(path, fault) => {
                let p = usize::from(path);
                if self.faults[p] != Fault::None {
                    self.healed_at[p] = self.now;
                }
                self.faults[p] = fault;
                if fault == Fault::Reset {
                    self.break_path(path);
                }
            }
            Step::Stall(on) => {
                self.stalled = on;
                if !on {
                    for c in std::mem::take(&mut self.stalled_work) {
                        self.arrive(c);
                    }
                }
            }
            Step::Access(path, access) => {
                self.access[usize::from(path)] = access;
                for shard in 0..self.cores.len() {
                    let input = self.access_input(path);
                    if self.lines[shard][usize::from(path)].up && self.carry(path).is_some() {
                        self.at(self.now + ONE_WAY, Happening::Tell(shard, input));
                    }
                }
            }
            Step::Identity(path, identity) => {
                self.identity[usize::from(path)] = identity;
                self.break_path(path);
            }
            Step::Add(path) => self.everyone(Input::AddPath { path: PathId(path) }),
            Step::Remove(path) => self.everyone(Input::RemovePath { path: PathId(path) }),
            Step::FailQueued => self.everyone(Input::FailQueued { volume: VOLUME }),
            Step::Garbage(n) => {
                let path = PathId((n % 9) as u16);
                let epoch = Epoch((n / 9 % 5) as u32);
                let ticket = Ticket {
                    slot: (n / 45 % 40) as u32,
                    generation: 1_000_000,
                };
                let status = Status::Ok;
                for input in [
                    Input::Done {
                        path,
                        ticket,
                        status,
                    },
                    Input::ProbeDone {
                        path,
                        ticket,
                        status,
                    },
                    Input::Refused {
                        path: PathId(99),
                        epoch,
                    },
                    Input::Broken {
                        path: PathId(99),
                        epoch,
                    },
                    Input::FenceFailed { path, epoch },
                    Input::Access {
                        path: PathId(77),
                        volume: VOLUME,
                        access: Access::Lost,
                    },
                    Input::FailQueued {
                        volume: VolumeId(9),
                    },
                ] {
                    self.everyone(input);
                }
            }
            Step::Lag(shard, d) => {
                self.lagging[shard] = self.now + d;
                self.at(self.now + d, Happening::Scheduled(shard));
            }
        }
    }

    fn everyone(&mut self, input: Input) {
        for shard in 0..self.cores.len() {
            self.tell(shard, input);
        }
    }

    /// Both ends see at once that the connections of a path are gone.
    fn break_path(&mut self, path: u16) {
        for shard in 0..self.cores.len() {
            let line = &mut self.lines[shard][usize::from(path)];
            if line.open {
                line.open = false;
                line.up = false;
                let epoch = line.epoch;
                let path = PathId(path);
                self.tell(shard, Input::Broken { path, epoch });
            }
        }
    }

    fn carry_out(&mut self, shard: usize) {
        let mut out = std::mem::take(&mut self.out);
        for action in out.drain() {
            self.act(shard, action);
        }
        self.out = out;
    }

    fn send(&mut self, c: Command) {
        let line = self.lines[c.shard][usize::from(c.path)];
        if !line.up {
            // Sent into a connection that is gone; the driver's own news of that is on its way.
            return;
        }
        match self.carry(c.path) {
            Some(at) => self.at(at, Happening::Arrive(c)),
            None if self.faults[usize::from(c.path)] == Fault::Drop => {
                self.at(self.now + KEPT, Happening::Arrive(c));
            }
            None => {}
        }
    }

    fn act(&mut self, shard: usize, action: Action) {
        match action {
            Action::Issue {
                path,
                ticket,
                op,
                cookie,
                ..
            } => {
                assert!(
                    self.outstanding.contains_key(&cookie),
                    "issued after its end"
                );
                let told = self.told[shard][usize::from(path.0)];
                assert!(
                    told.up && told.right && told.accessible && !told.removed,
                    "a command for {path:?} at {:?}: {told:?}",
                    self.now
                );
                *self.seen.per_path.entry(path.0).or_default() += 1;
                let line = self.lines[shard][usize::from(path.0)];
                self.send(Command {
                    shard,
                    path: path.0,
                    epoch: line.epoch,
                    ticket,
                    cookie,
                    op,
                    probe: false,
                });
            }
            Action::Probe { path, ticket, .. } => {
                let epoch = self.lines[shard][usize::from(path.0)].epoch;
                self.send(Command {
                    shard,
                    path: path.0,
                    epoch,
                    ticket,
                    cookie: 0,
                    op: Op::Read,
                    probe: true,
                });
            }
            Action::Complete { cookie, outcome } => {
                let Some((at, op)) = self.outstanding.remove(&cookie) else {
                    panic!("request {cookie} was completed twice");
                };
                let took = self.now.since(at);
                self.seen.completed += 1;
                if outcome == Outcome::Ok {
                    match op {
                        Op::Read => self.seen.read_max = self.seen.read_max.max(took),
                        Op::Flush => {}
                        _ => {
                            self.acknowledged.insert(cookie);
                            self.seen.write_max = self.seen.write_max.max(took);
                        }
                    }
                    self.at(self.now, Happening::Submit(shard));
                } else {
                    self.seen.errors += 1;
                    self.seen.failed.push((self.now, took));
                    self.at(self.now + MS(10), Happening::Submit(shard));
                }
            }
            Action::Release { .. } => {}
            Action::Connect { path, epoch } => {
                let line = &mut self.lines[shard][usize::from(path.0)];
                assert!(epoch > line.epoch, "an epoch is used twice");
                let told = &mut self.told[shard][usize::from(path.0)];
                told.epoch = epoch;
                told.up = false;
                told.right = false;
                *line = Line {
                    epoch,
                    open: true,
                    up: false,
                };
                match self.faults[usize::from(path.0)] {
                    Fault::Reset => {
                        self.lines[shard][usize::from(path.0)].open = false;
                        self.at(
                            self.now + ONE_WAY,
                            Happening::Tell(shard, Input::Refused { path, epoch }),
                        );
                    }
                    Fault::Drop => {}
                    Fault::Delay(d) => {
                        let at = self.now + ONE_WAY + d;
                        self.at(at, Happening::ConnectAt(shard, path.0, epoch));
                    }
                    _ => {
                        let at = self.now + Duration(7 * ONE_WAY.0);
                        self.at(at, Happening::ConnectAt(shard, path.0, epoch));
                    }
                }
            }
            Action::Disconnect { path, epoch } => {
                let line = &mut self.lines[shard][usize::from(path.0)];
                assert_eq!(line.epoch, epoch);
                self.told[shard][usize::from(path.0)].up = false;
                *line = Line {
                    epoch,
                    ..Line::default()
                };
            }
            Action::Fence { via, target, epoch } => {
                if let Some(at) = self.carry(via.0) {
                    self.at(at, Happening::FenceAt(shard, via.0, target.0, epoch));
                }
            }
            Action::Refresh { path } => {
                let epoch = self.lines[shard][usize::from(path.0)].epoch;
                if let Some(at) = self.carry(path.0) {
                    self.at(at, Happening::RefreshAt(shard, path.0, epoch));
                }
            }
            Action::Peer(message) => {
                for other in (0..self.cores.len()).filter(|s| *s != shard) {
                    let at = self.now + Duration::from_micros(20);
                    self.at(at, Happening::Tell(other, Input::Peer(message)));
                }
            }
            Action::Event(event) => self.note(shard, event),
        }
    }

    fn note(&mut self, shard: usize, event: Event) {
        match event {
            Event::Illegal { path, what } => panic!("illegal {what} of {path:?}"),
            Event::Lost { path, cause, .. } => self.seen.lost.push((self.now, path.0, cause)),
            Event::Redispatch { .. } => self.seen.redispatched += 1,
            Event::Usable { path, .. } => {
                *self.seen.flips.entry((shard, path.0)).or_default() += 1;
            }
            _ => {}
        }
    }
}

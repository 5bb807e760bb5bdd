//! The core against a scripted ring: a handful of paths that a test connects, breaks and answers for by hand.

mod alone;
mod announce;
mod deadlines;
mod detect;
mod doubt;
mod failover;
mod hedge;
mod limits;
mod probe;
mod review;
mod rewrite;
mod shadow;
mod states;

use super::*;
use protocol::{Access, Identity, Op, PathId, Status, VolumeId};

/// One core, the time, and everything that it said and that was not looked at yet.
pub struct Bench {
    pub core: Core,
    pub now: Instant,
    pub said: Vec<Action>,
    out: Actions,
}

pub const VOLUME: VolumeId = VolumeId(0);
pub const BLOCKS: u64 = 1 << 20;

pub fn config(paths: usize) -> Config {
    Config {
        shard: 0,
        shards: 1,
        policy: Policy::RoundRobin,
        io_timeout: Duration::from_secs(5),
        queue_for: Duration::from_secs(30),
        fence: FencePolicy::Hold,
        quiesce: Duration::from_secs(12),
        anatt: Duration::from_secs(10),
        array_confirms: true,
        block_bytes: 512,
        volumes: vec![VolumeConfig {
            identity: Identity(77),
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
        hedge_permille: 0,
        shadow_bytes: 1 << 20,
        max_requests: 1024,
        prior: Vec::new(),
        first_epoch: Epoch(0),
        untold: Vec::new(),
        #[cfg(feature = "mutants")]
        planted: Default::default(),
    }
}

impl Bench {
    /// All paths connected, optimised, verified.
    pub fn up(config: Config) -> Bench {
        let n = config.paths.len() as u16;
        let mut b = Bench::down(config);
        for p in 0..n {
            b.bring_up(p, Access::Optimized);
        }
        b.said.clear();
        b
    }

    pub fn down(config: Config) -> Bench {
        let mut b = Bench {
            core: Core::new(config, Instant(0)).expect("a valid configuration"),
            now: Instant(0),
            said: Vec::new(),
            out: Actions::default(),
        };
        b.tick();
        b
    }

    pub fn tell(&mut self, input: Input) {
        self.core.handle(self.now, input, &mut self.out);
        self.take();
    }

    fn take(&mut self) {
        for action in self.out.drain() {
            let illegal = matches!(action, Action::Event(Event::Illegal { .. }));
            assert!(!illegal, "{action:?}");
            self.said.push(action);
        }
    }

    pub fn tick(&mut self) {
        self.core.on_deadline(self.now, &mut self.out);
        self.take();
    }

    /// Lets time pass, calling the core at each of its deadlines.
    pub fn pass(&mut self, d: Duration) {
        let until = self.now + d;
        while let Some(at) = self.core.deadline() {
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            self.tick();
        }
        self.now = until;
    }

    /// Lets time pass, a step at a time; the paths in `live` answer their probes. What was said is kept.
    pub fn pass_answering(&mut self, step: Duration, d: Duration, live: &[u16]) {
        let until = self.now + d;
        let mut kept = Vec::new();
        while self.now < until {
            self.pass(step);
            for action in std::mem::take(&mut self.said) {
                if let Action::Probe { path, ticket, .. } = action
                    && live.contains(&path.0)
                {
                    let status = Status::Ok;
                    self.tell(Input::ProbeDone {
                        path,
                        ticket,
                        status,
                    });
                }
                kept.push(action);
            }
        }
        kept.append(&mut self.said);
        self.said = kept;
    }

    pub fn epoch(&self, path: u16) -> Epoch {
        self.core.epochs().nth(usize::from(path)).expect("a path")
    }

    pub fn bring_up(&mut self, path: u16, access: Access) {
        self.identity(path, Some(Identity(77)));
        self.access(path, access);
        let epoch = self.epoch(path);
        self.tell(Input::Connected {
            path: PathId(path),
            epoch,
        });
    }

    pub fn identity(&mut self, path: u16, identity: Option<Identity>) {
        self.tell(Input::Identity {
            path: PathId(path),
            volume: VOLUME,
            identity,
            blocks: BLOCKS,
        });
    }

    pub fn access(&mut self, path: u16, access: Access) {
        self.tell(Input::Access {
            path: PathId(path),
            volume: VOLUME,
            access,
        });
    }

    pub fn submit(&mut self, op: Op, lba: u64, blocks: u32, cookie: u64) {
        self.tell(Input::Submit(Request {
            volume: VOLUME,
            op,
            lba,
            blocks,
            fua: false,
            failfast: false,
            buf: BufId(cookie as u32),
            cookie,
        }));
    }

    pub fn brk(&mut self, path: u16) {
        let epoch = self.epoch(path);
        self.tell(Input::Broken {
            path: PathId(path),
            epoch,
        });
    }

    /// The broken path's next connection stands.
    pub fn bring_down_and_up(&mut self, path: u16) {
        self.pass(Duration::from_millis(60));
        self.bring_up(path, Access::Optimized);
    }

    pub fn done(&mut self, path: u16, ticket: Ticket, status: Status) {
        self.tell(Input::Done {
            path: PathId(path),
            ticket,
            status,
        });
    }

    /// The commands issued since the last look, and forgets everything said.
    pub fn issued(&mut self) -> Vec<(u16, Ticket, u64, u32)> {
        let all = self
            .said
            .iter()
            .filter_map(|a| match a {
                Action::Issue {
                    path,
                    ticket,
                    lba,
                    blocks,
                    ..
                } => Some((path.0, *ticket, *lba, *blocks)),
                _ => None,
            })
            .collect();
        self.said.clear();
        all
    }

    pub fn completed(&self) -> Vec<(u64, Outcome)> {
        self.said
            .iter()
            .filter_map(|a| match a {
                Action::Complete { cookie, outcome } => Some((*cookie, *outcome)),
                _ => None,
            })
            .collect()
    }

    pub fn events(&self) -> Vec<Event> {
        self.said
            .iter()
            .filter_map(|a| match a {
                Action::Event(e) => Some(*e),
                _ => None,
            })
            .collect()
    }

    pub fn probed(&self) -> Vec<(u16, Ticket)> {
        self.said
            .iter()
            .filter_map(|a| match a {
                Action::Probe { path, ticket, .. } => Some((path.0, *ticket)),
                _ => None,
            })
            .collect()
    }

    pub fn fences(&self) -> Vec<(u16, u16, Epoch)> {
        self.said
            .iter()
            .filter_map(|a| match a {
                Action::Fence { via, target, epoch } => Some((via.0, target.0, *epoch)),
                _ => None,
            })
            .collect()
    }
}

//! The array's side: what arrives, what executes, what is answered, and the faults of its paths.

use super::*;

impl World {
    pub(super) fn line(&self, shard: usize, path: u16, epoch: Epoch) -> bool {
        let line = self.lines[shard][usize::from(path)];
        line.open && line.epoch == epoch
    }

    /// One way over a path: when it arrives, if it does.
    pub(super) fn carry(&self, path: u16) -> Option<Instant> {
        match self.faults[usize::from(path)] {
            Fault::Reset | Fault::Drop => None,
            Fault::Delay(d) => Some(self.now + ONE_WAY + d),
            _ => Some(self.now + ONE_WAY),
        }
    }

    pub(super) fn service(&mut self) -> Duration {
        let u = self.rng.unit_u53() as f64 / (1u64 << 53) as f64;
        Duration((-(1.0 - u).ln() * 100_000.0) as u64)
    }

    pub(super) fn happen(&mut self, what: Happening) {
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
                // Some sense data accompany success.
                let executed = judge(status) == Verdict::Done;
                if executed && c.op.mutates() && !c.probe {
                    self.media
                        .execute(self.now, c.cookie, c.lba, u64::from(c.blocks));
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

    pub(super) fn identity_input(&self, path: u16) -> Input {
        Input::Identity {
            path: PathId(path),
            volume: VOLUME,
            identity: self.identity[usize::from(path)],
            blocks: BLOCKS,
        }
    }

    pub(super) fn access_input(&self, path: u16) -> Input {
        Input::Access {
            path: PathId(path),
            volume: VOLUME,
            access: self.access[usize::from(path)],
        }
    }

    pub(super) fn arrive(&mut self, c: Command) {
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

    pub(super) fn step(&mut self, step: Step) {
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

    /// Both ends see at once that the connections of a path are gone.
    pub(super) fn break_path(&mut self, path: u16) {
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
}

//! The host's side: the driver of the cores, the load, and what is checked of each action.

use super::*;

impl World {
    pub(super) fn wake(&mut self, shard: usize) {
        for input in std::mem::take(&mut self.lagged[shard]) {
            self.tell_now(shard, input);
        }
        self.cores[shard].on_deadline(self.now, &mut self.out);
        self.carry_out(shard);
        self.spins += 1;
        assert!(self.spins < 1_000, "no time passes at {:?}", self.now);
    }

    pub(super) fn tell(&mut self, shard: usize, input: Input) {
        if self.now < self.lagging[shard] {
            self.lagged[shard].push(input);
        } else {
            for input in std::mem::take(&mut self.lagged[shard]) {
                self.tell_now(shard, input);
            }
            self.tell_now(shard, input);
        }
    }

    pub(super) fn tell_now(&mut self, shard: usize, input: Input) {
        self.shadow(shard, input);
        self.adopted = None;
        self.answering = match input {
            Input::Done { ticket, .. } => Some((shard, ticket)),
            _ => None,
        };
        self.cores[shard].handle(self.now, input, &mut self.out);
        self.carry_out(shard);
    }

    pub(super) fn shadow(&mut self, shard: usize, input: Input) {
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

    pub(super) fn submit(&mut self, shard: usize) {
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
        let lba = self.rng.below(self.span);
        self.outstanding.insert(cookie, (self.now, op));
        if op.mutates() {
            self.media.submit(self.now, cookie, lba, u64::from(blocks));
        }
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

    pub(super) fn everyone(&mut self, input: Input) {
        for shard in 0..self.cores.len() {
            self.tell(shard, input);
        }
    }

    pub(super) fn carry_out(&mut self, shard: usize) {
        let mut out = std::mem::take(&mut self.out);
        for action in out.drain() {
            self.act(shard, action);
        }
        self.out = out;
    }

    pub(super) fn send(&mut self, c: Command) {
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

    pub(super) fn act(&mut self, shard: usize, action: Action) {
        match action {
            Action::Issue {
                path,
                ticket,
                op,
                cookie,
                lba,
                blocks,
                hedge,
                ..
            } => {
                if hedge {
                    assert_eq!(op, Op::Read, "only a read may be sent twice");
                    self.hedges.insert((shard, ticket), cookie);
                    self.seen.hedged += 1;
                }
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
                    lba,
                    blocks,
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
                    lba: 0,
                    blocks: 1,
                    probe: true,
                });
            }
            Action::Complete { cookie, outcome } => {
                let Some((at, op)) = self.outstanding.remove(&cookie) else {
                    panic!("request {cookie} was completed twice");
                };
                let took = self.now.since(at);
                self.seen.completed += 1;
                if let Some(of) = self.answering
                    && outcome == Outcome::Ok
                    && self.hedges.get(&of) == Some(&cookie)
                {
                    assert_eq!(self.adopted, Some((of.1, cookie)), "whose data are these?");
                    self.seen.hedges_won += 1;
                }
                if op.mutates() {
                    self.media
                        .complete(self.now, cookie, outcome == Outcome::Ok);
                }
                if outcome == Outcome::Ok {
                    match op {
                        Op::Read => self.seen.read_max = self.seen.read_max.max(took),
                        Op::Flush => {}
                        _ => {
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
            Action::Adopt { ticket, cookie } => {
                assert_eq!(self.answering, Some((shard, ticket)));
                assert_eq!(self.hedges.get(&(shard, ticket)), Some(&cookie));
                self.adopted = Some((ticket, cookie));
            }
            Action::Shadow(action) => panic!("no world here has the fence \"shadow\": {action:?}"),
            Action::Abandon { path, .. } => {
                let told = self.told[shard][usize::from(path.0)];
                assert!(told.up, "given up alone on a connection that is gone");
            }
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
                let n = self.cores.len();
                for other in (0..n).filter(|s| *s != shard) {
                    let delay = Duration(1_000 + self.rng.below(self.peer_delay.0));
                    let at = (self.now + delay).max(self.mail_at[shard * n + other]);
                    self.mail_at[shard * n + other] = at;
                    self.at(at, Happening::Tell(other, Input::Peer(message)));
                }
            }
            Action::Event(event) => self.note(shard, event),
        }
    }

    pub(super) fn note(&mut self, shard: usize, event: Event) {
        match event {
            Event::Illegal { path, what } => panic!("illegal {what} of {path:?}"),
            Event::Lost { path, cause, .. } => self.seen.lost.push((self.now, path.0, cause)),
            Event::Redispatch { .. } => self.seen.redispatched += 1,
            Event::InDoubt { ranges, .. } => self.seen.in_doubt += u64::from(ranges),
            Event::Held { waited, .. } => {
                self.seen.held += 1;
                self.seen.held_max = self.seen.held_max.max(waited);
            }
            Event::Usable { path, .. } => {
                *self.seen.flips.entry((shard, path.0)).or_default() += 1;
            }
            _ => {}
        }
    }
}

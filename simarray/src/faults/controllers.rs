//! `crash` and `stall`.

use crate::api::Out;
use crate::array::Array;
use crate::cache::host_bit;
use crate::conn::{About, ArrayEnd, Body};
use crate::controller::{Place, Unsaid};
use crate::events::Kind;
use crate::mutant::Mutant;
use crate::slab::Key;
use crate::wire::TO_HOST;
use protocol::{Op, Status, VolumeId};

impl Array {
    pub(super) fn start_crash(&mut self, controller: u16, takeover_ns: u64) {
        let index = usize::from(controller);
        if index >= self.controllers.len() {
            return;
        }
        let before = self.accesses();
        self.controllers[index].crashes += 1;
        if self.controllers[index].crashes > 1 {
            return;
        }
        for path in self.controllers[index].paths.clone() {
            self.break_path(path);
        }
        self.stop_commands(controller);
        let c = &mut self.controllers[index];
        c.queue.clear();
        c.arrivals.clear();
        let unsaid = std::mem::take(&mut c.unsaid);
        let due = std::mem::take(&mut c.due);
        for said in unsaid {
            self.discard(said.body);
        }
        // Held commands of survivors that were due while this controller was stalled.
        for key in due {
            self.held_due(key);
        }
        self.plan_takeover(controller, takeover_ns);
        self.lose_cache(controller);
        self.announce(&before);
    }

    /// Nothing queued, running or held at the controller executes; what a survivor has forwarded to it is answered by the survivor.
    fn stop_commands(&mut self, controller: u16) {
        let stopped: Vec<(Key, bool)> = self
            .commands
            .iter()
            .filter_map(|(key, command)| {
                let here = command.arrived_at == controller;
                let stops = match command.place {
                    Place::Held => here,
                    Place::Queued | Place::Running => command.served_by == controller,
                    Place::Wire | Place::Stalled | Place::Forward => false,
                };
                stops.then_some((key, here))
            })
            .collect();
        for (key, here) in stopped {
            if here {
                self.drop_command(key);
                continue;
            }
            if let Some(&command) = self.commands.get(key)
                && command.place == Place::Running
            {
                self.free_server(&command);
            }
            self.finish(key, Status::ANA_TRANSITION, None, About::Nothing);
        }
    }

    /// What only the crashed controller's volatile cache held is gone; flushes will say so.
    fn lose_cache(&mut self, controller: u16) {
        for index in 0..self.volumes.len() {
            let (lost, hosts) = self.volumes[index].crash(controller);
            if lost.is_empty() {
                continue;
            }
            if self.settings.mutant(Mutant::HidesLoss) {
                continue;
            }
            let volume = VolumeId(index as u16);
            for run in lost {
                self.out.push(Out::CacheLost {
                    volume,
                    lba: run.lba,
                    blocks: run.blocks,
                    stamp: run.stamp,
                });
            }
            if self.settings.mutant(Mutant::HushesUpLoss)
                || self.settings.mutant(Mutant::LosesMirror)
            {
                continue;
            }
            self.volumes[index].untold |= hosts;
            let flushes: Vec<Key> = self
                .commands
                .iter()
                .filter(|(_, c)| c.command.op == Op::Flush && c.real == volume)
                .filter(|(_, c)| hosts & host_bit(self.conns.at(c.conn).assoc.host) != 0)
                .map(|(key, _)| key)
                .collect();
            for key in flushes {
                if let Some(flush) = self.commands.get_mut(key) {
                    flush.reports_loss = true;
                }
            }
            self.acknowledgements_are_void(volume, controller);
        }
    }

    /// Acknowledgements of what is gone that no host has yet: a survivor forwarded the write, and its answer is on the wire, or
    /// kept by a transport. They may still arrive, also after a flush has told of the loss: then the volume owes another.
    fn acknowledgements_are_void(&mut self, of: VolumeId, crashed: u16) {
        let void = |body: &mut Body| {
            if let Body::Answer { about, .. } = body
                && *about
                    == (About::Cached {
                        volume: of,
                        controller: crashed,
                    })
            {
                *about = About::Gone { volume: of };
            }
        };
        self.messages.each_mut(|message| void(&mut message.body));
        for c in &mut self.controllers {
            c.unsaid.iter_mut().for_each(|said| void(&mut said.body));
        }
    }

    pub(super) fn end_crash(&mut self, controller: u16) {
        let index = usize::from(controller);
        if index >= self.controllers.len() {
            return;
        }
        let before = self.accesses();
        self.controllers[index].crashes -= 1;
        if self.controllers[index].crashes > 0 {
            return;
        }
        self.take_back(controller);
        self.announce(&before);
    }

    pub(super) fn start_stall(&mut self, controllers: &[u16]) {
        for &controller in controllers {
            let Some(c) = self.controllers.get_mut(usize::from(controller)) else {
                continue;
            };
            c.stalls += 1;
            if c.stalls > 1 {
                continue;
            }
            for key in &c.servers {
                if let Some(command) = self.commands.get_mut(*key) {
                    command.service_ns = command.ends_at.saturating_sub(self.now);
                    command.ends_at = u64::MAX;
                }
            }
        }
    }

    pub(super) fn end_stall(&mut self, controllers: &[u16]) {
        let mut resumed = Vec::new();
        for &controller in controllers {
            if let Some(c) = self.controllers.get_mut(usize::from(controller)) {
                c.stalls -= 1;
                if c.stalls == 0 {
                    resumed.push(controller);
                }
            }
        }
        for &controller in &resumed {
            self.judge_keep_alives(controller);
        }
        for &controller in &resumed {
            self.resume(controller);
        }
    }

    /// A stalled controller runs again: it says what it had to say, goes on with what it was doing, and then looks at
    /// what has arrived meanwhile.
    fn resume(&mut self, controller: u16) {
        let index = usize::from(controller);
        let unsaid = std::mem::take(&mut self.controllers[index].unsaid);
        for Unsaid { conn, bytes, body } in unsaid {
            let farewell = matches!(body, Body::Broken | Body::Refused);
            match self.conns.get(conn) {
                Some(c) if farewell || c.array == ArrayEnd::Open => {
                    self.post(conn.index, TO_HOST, bytes, body);
                }
                _ => self.discard(body),
            }
        }
        for server in 0..self.controllers[index].servers.len() {
            let key = self.controllers[index].servers[server];
            if let Some(command) = self.commands.get_mut(key) {
                command.ends_at = self.now.saturating_add(command.service_ns);
                let at = command.ends_at;
                self.schedule(at, Kind::ServiceEnd, key);
            }
        }
        let due = std::mem::take(&mut self.controllers[index].due);
        for key in due {
            self.held_due(key);
        }
        self.start_next(controller);
        let arrivals = std::mem::take(&mut self.controllers[index].arrivals);
        for (conn, body) in arrivals {
            match self.conns.get(conn) {
                Some(c) if c.array == ArrayEnd::Open || matches!(body, Body::Hello(_)) => {
                    self.process(conn.index, body);
                }
                _ => self.discard(body),
            }
        }
    }
}

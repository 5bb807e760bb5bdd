//! From the array's port to the media and back: arrival, queue, servers, execution, answer.
//!
//! A command takes effect as a whole at the end of its service; that is also when a read looks. A service time depends on the kind
//! of operation, not on its length, and is drawn on arrival at the port, whatever then becomes of the command, so that a fault
//! does not shift the times of other commands.

use crate::api::{DataId, Out};
use crate::array::Array;
use crate::cache::host_bit;
use crate::conn::{About, ArrayEnd, Body};
use crate::controller::{InFlight, Place, Unsaid};
use crate::events::Kind;
use crate::mutant::Mutant;
use crate::slab::Key;
use crate::wire::{DATA_HEADER_BYTES, RESPONSE_BYTES, TO_HOST};
use protocol::{NvmeStatus, Op, Status, VolumeId};

/// Write fault: how a flush tells that acknowledged writes were lost.
pub const WRITE_FAULT: Status = Status::Nvme(NvmeStatus::new(0x280));

impl Array {
    /// A message has come to the array's end.
    #[inline]
    pub(crate) fn at_array(&mut self, conn: u32, body: Body) {
        let c = self.conns.at(conn);
        if let Body::Fin = body {
            self.end_at_array(conn, crate::assoc::Ending::Closed, self.now);
            return;
        }
        if c.array != ArrayEnd::Open && !matches!(body, Body::Hello(_)) {
            self.discard(body);
            return;
        }
        let controller = usize::from(self.paths[c.path as usize].controller);
        let stalled = self.controllers[controller].stalled();
        if let Body::Command(key) = body {
            self.note_arrival(key, stalled);
        }
        if stalled {
            let key = self.conns.key_of(conn);
            self.controllers[controller].arrivals.push_back((key, body));
        } else {
            self.process(conn, body);
        }
    }

    pub(crate) fn process(&mut self, conn: u32, body: Body) {
        match body {
            Body::Command(key) => self.admit(key),
            Body::Hello(step) => self.hello(conn, step),
            Body::Fence { target } => self.fence_arrives(conn, target),
            Body::Refresh => self.introduce(conn),
            Body::Register => {
                let path = &mut self.paths[self.conns.at(conn).path as usize];
                if !std::mem::replace(&mut path.registered, true) {
                    let (host, path) = (path.host, path.id);
                    self.out.push(Out::Registered { host, path });
                }
            }
            _ => {}
        }
    }

    fn note_arrival(&mut self, key: Key, stalled: bool) {
        let Some(command) = self.commands.get_mut(key) else {
            return;
        };
        let mean_ns = match command.command.op {
            Op::Read => self.settings.service_read_ns,
            _ => self.settings.service_write_ns,
        };
        command.service_ns = self.service.draw(mean_ns);
        if stalled {
            command.place = Place::Stalled;
        }
        let command = *command;
        let conn = self.conns.at(command.conn);
        let (assoc, path) = (conn.assoc, conn.path as usize);
        if !self.paths[path].command_faults.is_empty() {
            self.inject(path, key);
        }
        let volume = command.command.volume;
        self.out.push(Out::Arrived {
            assoc,
            tag: command.tag,
            volume,
            access: self.access_on(path, volume),
            probe: command.command.probe,
        });
    }

    /// The controller looks at a command: an immediate answer, a hold, or service.
    fn admit(&mut self, key: Key) {
        let Some(&command) = self.commands.get(key) else {
            return;
        };
        let path = self.conns.at(command.conn).path as usize;
        let real = match self.check(path, &command) {
            Ok(real) => real,
            Err(status) => {
                self.finish(key, status, None, About::Nothing);
                return;
            }
        };
        if self.settings.mutant(Mutant::AcksOnArrival) && command.command.op == Op::Write {
            let (tag, status) = (command.tag, Status::Ok);
            let answer = Body::Answer {
                tag,
                status,
                data: None,
                about: About::Nothing,
            };
            self.say(command.conn, RESPONSE_BYTES, answer);
        }
        #[cfg(feature = "mutants")]
        self.glance(&InFlight { real, ..command });
        if let Some(entry) = self.commands.get_mut(key) {
            entry.real = real;
            if let Some(until) = entry.held_until {
                entry.place = Place::Held;
                self.schedule(until.max(self.now), Kind::HeldDue, key);
                return;
            }
        }
        let owner = self.server_of(real, command.arrived_at);
        if owner == command.arrived_at {
            self.enqueue(owner, key);
            return;
        }
        let at = self.now.saturating_add(self.settings.forward_ns);
        if let Some(entry) = self.commands.get_mut(key) {
            entry.place = Place::Forward;
            entry.ends_at = at;
        }
        self.schedule(at, Kind::Forwarded, key);
    }

    /// What is answered without service, or the volume that the command truly means.
    fn check(&self, path: usize, command: &InFlight) -> Result<VolumeId, Status> {
        if let Some(status) = command.injected {
            return Err(status);
        }
        let c = &command.command;
        let real = self
            .real_volume(path, c.volume)
            .ok_or(Status::INVALID_NAMESPACE)?;
        match self.access_on(path, c.volume) {
            protocol::Access::Optimized | protocol::Access::NonOptimized => {}
            protocol::Access::Inaccessible => return Err(Status::ANA_INACCESSIBLE),
            protocol::Access::Transitioning => return Err(Status::ANA_TRANSITION),
            protocol::Access::Lost => return Err(Status::ANA_LOST),
        }
        if c.op != Op::Flush && !self.volumes[usize::from(real.0)].in_range(c.lba, c.blocks) {
            return Err(Status::LBA_OUT_OF_RANGE);
        }
        Ok(real)
    }

    /// The controller whose servers a command uses.
    #[inline]
    pub(crate) fn server_of(&self, real: VolumeId, arrived_at: u16) -> u16 {
        if self.settings.asymmetric {
            self.volumes[usize::from(real.0)].owner
        } else {
            arrived_at
        }
    }

    pub(crate) fn forwarded(&mut self, key: Key) {
        let Some(&command) = self.commands.get(key) else {
            return;
        };
        let owner = self.server_of(command.real, command.arrived_at);
        if self.controllers[usize::from(owner)].live() {
            self.enqueue(owner, key);
        } else {
            self.finish(key, Status::ANA_TRANSITION, None, About::Nothing);
        }
    }

    #[inline]
    fn enqueue(&mut self, owner: u16, key: Key) {
        let controller = &mut self.controllers[usize::from(owner)];
        let Some(command) = self.commands.get_mut(key) else {
            return;
        };
        command.served_by = owner;
        if !controller.stalled()
            && let Some(server) = controller.idle.pop()
        {
            controller.servers[server as usize] = key;
            command.place = Place::Running;
            command.server = server;
            command.ends_at = self.now.saturating_add(command.service_ns);
            let at = command.ends_at;
            self.schedule(at, Kind::ServiceEnd, key);
        } else {
            command.place = Place::Queued;
            controller.queue.push_back(key);
        }
    }

    /// Free servers take from the queue.
    pub(crate) fn start_next(&mut self, owner: u16) {
        loop {
            let controller = &mut self.controllers[usize::from(owner)];
            if controller.idle.is_empty() || controller.stalled() || !controller.live() {
                return;
            }
            let Some(key) = controller.queue.pop_front() else {
                return;
            };
            // A command that was dropped while it waited is no longer there.
            if self.commands.get(key).is_some() {
                self.enqueue(owner, key);
            }
        }
    }

    pub(crate) fn end_service(&mut self, key: Key) {
        let Some(&command) = self.commands.get(key) else {
            return;
        };
        let controller = &self.controllers[usize::from(command.served_by)];
        if command.ends_at != self.now || controller.stalled() {
            return;
        }
        self.free_server(&command);
        self.execute(key);
        self.start_next(command.served_by);
    }

    pub(crate) fn free_server(&mut self, command: &InFlight) {
        let controller = &mut self.controllers[usize::from(command.served_by)];
        controller.servers[command.server as usize] = Key::NONE;
        controller.idle.push(command.server);
    }

    pub(crate) fn held_due(&mut self, key: Key) {
        let Some(&command) = self.commands.get(key) else {
            return;
        };
        let owner = self.server_of(command.real, command.arrived_at);
        for controller in [command.arrived_at, owner] {
            let controller = &mut self.controllers[usize::from(controller)];
            if controller.stalled() {
                controller.due.push_back(key);
                return;
            }
        }
        if !self.controllers[usize::from(owner)].live() {
            self.finish(key, Status::ANA_TRANSITION, None, About::Nothing);
            return;
        }
        if let Some(entry) = self.commands.get_mut(key) {
            entry.served_by = owner;
        }
        self.execute(key);
    }

    /// The command takes effect, and is answered.
    fn execute(&mut self, key: Key) {
        let Some(&command) = self.commands.get(key) else {
            return;
        };
        let assoc = self.conns.at(command.conn).assoc;
        let Some(carried_out) = self.as_carried_out(command) else {
            return self.finish(key, Status::Ok, None, About::Nothing);
        };
        let (c, real) = (carried_out.command, carried_out.real);
        let volume = &mut self.volumes[usize::from(real.0)];
        let mut data = None;
        let mut about = About::Nothing;
        let status = match c.op {
            Op::Flush if command.reports_loss || volume.untold & host_bit(assoc.host) != 0 => {
                about = About::Report {
                    volume: command.real,
                };
                WRITE_FAULT
            }
            Op::Flush => {
                if self.settings.mutant(Mutant::FlushesOneCache) {
                    volume.flush_one(command.served_by);
                } else if !self.settings.mutant(Mutant::LiesAboutFlush) {
                    volume.flush();
                }
                Status::Ok
            }
            _ if !volume.in_range(c.lba, c.blocks) => Status::LBA_OUT_OF_RANGE,
            Op::Read if volume.unreadable(c.lba, c.blocks) => Status::UNRECOVERED_READ,
            Op::Read => {
                let (id, stamps) = self.data.take();
                volume.read(c.lba, c.blocks, stamps);
                data = Some(id);
                Status::Ok
            }
            Op::Write | Op::Discard | Op::WriteZeroes => {
                volume.write(
                    command.served_by,
                    assoc.host,
                    c.lba,
                    c.blocks,
                    c.stamp,
                    c.fua,
                );
                if !c.fua {
                    about = About::Cached {
                        volume: real,
                        controller: command.served_by,
                    };
                }
                self.out.push(Out::Effect {
                    volume: real,
                    lba: c.lba,
                    blocks: c.blocks,
                    stamp: c.stamp,
                    assoc,
                });
                Status::Ok
            }
        };
        #[cfg(feature = "mutants")]
        self.remember_glance(&command, data);
        if status.is_ok() && !c.probe {
            self.out.push(Out::Executed {
                assoc,
                tag: command.tag,
                volume: command.real,
            });
        }
        self.finish(key, status, data, about);
    }

    /// The command is over at the array; its association is answered if it stands.
    pub(crate) fn finish(&mut self, key: Key, status: Status, data: Option<DataId>, about: About) {
        let Some(&command) = self.commands.get(key) else {
            return;
        };
        self.commands.remove(key);
        self.in_flight -= usize::from(!command.command.probe);
        let conn = command.conn;
        let told = self.settings.mutant(Mutant::AcksOnArrival) && command.command.op == Op::Write;
        if self.conns.at(conn).array == ArrayEnd::Open && !(told && status.is_ok()) {
            let path = self.conns.at(conn).path as usize;
            if command.command.probe {
                self.say_identity(conn, command.command.volume);
            }
            let mut bytes = RESPONSE_BYTES;
            if data.is_some() {
                bytes += DATA_HEADER_BYTES
                    + u64::from(command.command.blocks) * self.settings.block_bytes;
            }
            let answer = |data, about| Body::Answer {
                tag: command.tag,
                status,
                data,
                about,
            };
            self.say(conn, bytes, answer(data, about));
            if !self.paths[path].command_faults.is_empty() {
                for _ in 0..self.duplicates(path) {
                    let copy = data.map(|id| self.data.copy(id));
                    self.say(conn, bytes, answer(copy, About::Nothing));
                }
            }
        } else if let Some(data) = data {
            self.data.release(data);
        }
        self.unref(conn);
    }

    /// The command will never execute.
    pub(crate) fn drop_command(&mut self, key: Key) {
        let Some(&command) = self.commands.get(key) else {
            return;
        };
        self.commands.remove(key);
        self.in_flight -= usize::from(!command.command.probe);
        if command.place == Place::Running {
            self.free_server(&command);
            self.start_next(command.served_by);
        }
        self.unref(command.conn);
    }

    /// The array sends a message; a stalled controller will when it runs again.
    #[inline]
    pub(crate) fn say(&mut self, conn: u32, bytes: u64, body: Body) {
        let path = self.conns.at(conn).path as usize;
        let controller = &mut self.controllers[usize::from(self.paths[path].controller)];
        if controller.stalled() {
            let conn = self.conns.key_of(conn);
            controller.unsaid.push_back(Unsaid { conn, bytes, body });
        } else {
            self.post(conn, TO_HOST, bytes, body);
        }
    }
}

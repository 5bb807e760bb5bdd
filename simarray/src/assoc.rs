//! Life and end of an association.
//!
//! A connection takes three round trips of small messages (TCP, NVMe/TCP initialisation, Fabrics connect); its epochs that
//! a confirmed fence has covered are refused at any of them. Keep-alives are implicit: the array ends an association
//! when the direction to it has been dead for 10 s. A stalled array judges none meanwhile; when it runs again it does so first, as of
//! the time when they ran out, so that with `cqt` on top a host's quiesce time is never too short.

use crate::api::{Assoc, Out};
use crate::array::Array;
use crate::cache::host_bit;
use crate::conn::{About, ArrayEnd, Body, Conn, NONE};
use crate::controller::Place;
use crate::events::Kind;
use crate::mutant::Mutant;
use crate::slab::Key;
use crate::wire::{ADMIN_BYTES, FIN_BYTES, KEEP_ALIVE, TO_ARRAY, TO_HOST};
use protocol::VolumeId;

/// Why the array's end of an association closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// The host has closed its end.
    Closed,
    /// The array gives it up (keep-alive, unmap): the host hears of it over the link.
    GivenUp,
    /// A confirmed fence: nothing of it executes any more. The host hears of it over the link.
    Fenced,
    /// The link broke: the host sees it at the same time.
    Broken,
}

impl Array {
    pub(crate) fn begin_connection(&mut self, path: u32, assoc: Assoc) {
        let conn = self.conns.insert(Conn {
            assoc,
            path,
            host_open: true,
            connected: false,
            array: ArrayEnd::Handshake,
            refs: 0,
            last_arrival: [0; 2],
            kept: Default::default(),
        });
        let p = &mut self.paths[path as usize];
        p.conns.push(conn.index);
        let shard = usize::from(assoc.shard);
        if p.newest.len() <= shard {
            p.newest.resize(shard + 1, NONE);
        }
        p.newest[shard] = conn.index;
        self.post(conn.index, TO_ARRAY, ADMIN_BYTES, Body::Hello(1));
    }

    /// A request of the setup has arrived.
    pub(crate) fn hello(&mut self, conn: u32, step: u8) {
        let c = self.conns.at(conn);
        if c.array != ArrayEnd::Handshake {
            return;
        }
        let path = &self.paths[c.path as usize];
        let down = path.resets > 0 || !self.controllers[usize::from(path.controller)].live();
        if down || path.is_fenced(c.assoc.shard, c.assoc.epoch) {
            self.conns.at_mut(conn).array = ArrayEnd::Closed;
            self.say(conn, ADMIN_BYTES, Body::Refused);
        } else if step < 3 {
            self.say(conn, ADMIN_BYTES, Body::HelloBack(step));
        } else {
            self.conns.at_mut(conn).array = ArrayEnd::Open;
            self.introduce(conn);
            self.say(conn, ADMIN_BYTES, Body::Connected);
        }
    }

    /// A message has come to the host's end.
    pub(crate) fn at_host(&mut self, conn: u32, body: Body) {
        let c = self.conns.at_mut(conn);
        let assoc = c.assoc;
        if !c.host_open {
            self.discard(body);
            return;
        }
        match body {
            Body::Answer {
                tag,
                status,
                data,
                about,
            } => {
                match about {
                    About::Nothing | About::Cached { .. } => {}
                    About::Gone { volume } => self.volume_owes(volume, assoc.host, true),
                    About::Report { volume } => self.volume_owes(volume, assoc.host, false),
                }
                self.out.push(Out::Answer {
                    assoc,
                    tag,
                    status,
                    data,
                });
            }
            Body::HelloBack(step) => self.post(conn, TO_ARRAY, ADMIN_BYTES, Body::Hello(step + 1)),
            Body::Connected => {
                c.connected = true;
                self.out.push(Out::Connected { assoc });
            }
            Body::Refused | Body::Broken => self.host_end_breaks(conn),
            Body::Identity {
                volume,
                identity,
                blocks,
            } => self.out.push(Out::Identity {
                assoc,
                volume,
                identity,
                blocks,
            }),
            Body::Access { volume, access } => self.out.push(Out::Access {
                assoc,
                volume,
                access,
            }),
            Body::Fenced { target, confirmed } => self.out.push(if confirmed {
                Out::FenceConfirmed { via: assoc, target }
            } else {
                Out::FenceFailed { via: assoc, target }
            }),
            // These travel the other way.
            Body::Hello(_)
            | Body::Command(_)
            | Body::Fence { .. }
            | Body::Refresh
            | Body::Register
            | Body::Fin => {}
        }
    }

    #[cold]
    fn volume_owes(&mut self, volume: VolumeId, host: u16, owes: bool) {
        let untold = &mut self.volumes[usize::from(volume.0)].untold;
        match owes {
            true => *untold |= host_bit(host),
            false if self.settings.mutant(Mutant::TellsOneHost) => *untold = 0,
            false => *untold &= !host_bit(host),
        }
    }

    fn host_end_breaks(&mut self, conn: u32) {
        let c = self.conns.at_mut(conn);
        c.host_open = false;
        let assoc = c.assoc;
        self.out.push(if c.connected {
            Out::Broken { assoc }
        } else {
            Out::Refused { assoc }
        });
    }

    pub(crate) fn close_host_end(&mut self, conn: u32) {
        if !self.conns.at(conn).host_open {
            return;
        }
        self.lose_unsent(conn, TO_ARRAY);
        self.post(conn, TO_ARRAY, FIN_BYTES, Body::Fin);
        self.conns.at_mut(conn).host_open = false;
    }

    /// Both ends see the connection break, now.
    pub(crate) fn break_both_ends(&mut self, conn: u32) {
        if self.conns.at(conn).host_open {
            self.host_end_breaks(conn);
        }
        if self.conns.at(conn).array == ArrayEnd::Closed {
            self.forget_if_over(conn);
        } else {
            self.end_at_array(conn, Ending::Broken, self.now);
        }
    }

    /// The array's end closes. `lost_at` is when the array lost the association, which may lie behind a stall.
    pub(crate) fn end_at_array(&mut self, conn: u32, ending: Ending, lost_at: u64) {
        let c = self.conns.at(conn);
        if c.array == ArrayEnd::Closed {
            return;
        }
        let tell = c.host_open && matches!(ending, Ending::GivenUp | Ending::Fenced);
        self.lose_unsent(conn, TO_HOST);
        self.drop_commands_of(conn, ending == Ending::Fenced);
        self.conns.at_mut(conn).array = ArrayEnd::Closed;
        if tell {
            self.say(conn, FIN_BYTES, Body::Broken);
        }
        if self.settings.ccr.is_none() && self.conns.at(conn).refs > 0 {
            let at = (lost_at
                .saturating_add(self.settings.cqt.0)
                .saturating_add(1))
            .max(self.now);
            self.schedule(at, Kind::Quiesced, self.conns.key_of(conn));
        }
        self.forget_if_over(conn);
    }

    /// Drops what an ended association has queued; of a fenced one everything that has not executed.
    pub(crate) fn drop_commands_of(&mut self, conn: u32, fenced: bool) {
        let dropped: Vec<Key> = self
            .commands
            .iter()
            .filter(|(_, command)| {
                command.conn == conn
                    && match command.place {
                        Place::Running => fenced,
                        Place::Held => fenced && !command.beyond_fence,
                        _ => true,
                    }
            })
            .map(|(key, _)| key)
            .collect();
        for key in dropped {
            self.drop_command(key);
        }
    }

    /// Without a fence: `cqt` after the loss nothing of the association executes any more.
    pub(crate) fn quiesced(&mut self, key: Key) {
        if self.conns.get(key).is_some() && !self.settings.mutant(Mutant::NeverQuiesces) {
            self.drop_commands_of(key.index, true);
        }
    }

    /// The direction to the array has died: its keep-alives end.
    pub(crate) fn watch_keep_alive(&mut self, path: u32) {
        let p = &mut self.paths[path as usize];
        p.keep_alive_turn = p.keep_alive_turn.wrapping_add(1);
        let turn = p.keep_alive_turn;
        let at = (p.dead_since + KEEP_ALIVE.0).max(self.now);
        self.schedule(at, Kind::KeepAlive, Key { index: path, turn });
    }

    pub(crate) fn keep_alive_expired(&mut self, key: Key) {
        let path = &self.paths[key.index as usize];
        let controller = &self.controllers[usize::from(path.controller)];
        if path.keep_alive_turn == key.turn && !controller.stalled() {
            self.give_up_path(key.index, self.now);
        }
    }

    /// The controller's stall is over: which of its associations did not keep alive?
    pub(crate) fn judge_keep_alives(&mut self, controller: u16) {
        for path in self.controllers[usize::from(controller)].paths.clone() {
            let p = &self.paths[path as usize];
            let lost_at = p.dead_since + KEEP_ALIVE.0;
            if p.dead[TO_ARRAY] > 0 && lost_at <= self.now {
                self.give_up_path(path, lost_at);
            }
        }
    }

    /// Ends every association that stands on a path.
    pub(crate) fn give_up_path(&mut self, path: u32, lost_at: u64) {
        for conn in self.paths[path as usize].conns.clone() {
            if self.conns.at(conn).array == ArrayEnd::Open {
                self.end_at_array(conn, Ending::GivenUp, lost_at);
            }
        }
    }

    /// Both ends are closed and nothing is left of it.
    pub(crate) fn forget(&mut self, conn: u32) {
        let c = self.conns.at(conn);
        let shard = usize::from(c.assoc.shard);
        let p = &mut self.paths[c.path as usize];
        p.conns.retain(|&other| other != conn);
        if p.newest[shard] == conn {
            p.newest[shard] = NONE;
        }
        self.conns.remove(self.conns.key_of(conn));
    }
}

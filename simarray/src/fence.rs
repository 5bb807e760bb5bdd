//! Cross-controller reset (TP8028 in NVMe): a host that has lost an association asks over another one that nothing of it
//! may execute any more.
//!
//! On arrival everything that has not executed of the named association, and of earlier ones of the same host, shard and
//! path, is dropped, wherever it is: on the wire, queued, running, held (but for what a lying array holds `beyond_fence`). Setups
//! of these epochs that arrive later are refused. The confirmation leaves `ccr` after that. A request that names
//! an unknown path, or the association that carries it, or that reaches an array without the command, fails at once.
//! A confirmation does not repair a crash's loss, and is itself lost with the association that carries it.

use crate::api::Assoc;
use crate::array::Array;
use crate::assoc::Ending;
use crate::conn::{ArrayEnd, Body};
use crate::events::Kind;
use crate::mutant::Mutant;
use crate::slab::Key;
use crate::wire::RESPONSE_BYTES;

impl Array {
    pub(crate) fn fence_arrives(&mut self, via: u32, target: Assoc) {
        let carrier = self.conns.at(via).assoc;
        let itself = (carrier.host, carrier.shard, carrier.path)
            == (target.host, target.shard, target.path)
            && carrier.epoch <= target.epoch;
        let path = self.find_path(target.host, target.path);
        let (Some(ccr), Some(path), false) = (self.settings.ccr, path, itself) else {
            let confirmed = false;
            self.say(via, RESPONSE_BYTES, Body::Fenced { target, confirmed });
            return;
        };
        let fenced = &mut self.paths[path as usize].fenced;
        let shard = usize::from(target.shard);
        if fenced.len() <= shard {
            fenced.resize(shard + 1, 0);
        }
        fenced[shard] = fenced[shard].max(u64::from(target.epoch) + 1);
        for conn in self.paths[path as usize].conns.clone() {
            let c = self.conns.at(conn);
            let lie = self.settings.mutant(Mutant::LiesAboutFence);
            if c.assoc.shard != target.shard || c.assoc.epoch > target.epoch || lie {
                continue;
            }
            match c.array {
                ArrayEnd::Open => self.end_at_array(conn, Ending::Fenced, self.now),
                ArrayEnd::Closed => self.drop_commands_of(conn, true),
                ArrayEnd::Handshake => {}
            }
        }
        let later = self.later.insert((self.conns.key_of(via), target));
        self.schedule(self.now.saturating_add(ccr.0), Kind::SendLater, later);
    }

    pub(crate) fn send_later(&mut self, key: Key) {
        let Some(&(via, target)) = self.later.get(key) else {
            return;
        };
        self.later.remove(key);
        let stands = self
            .conns
            .get(via)
            .is_some_and(|c| c.array == ArrayEnd::Open);
        if stands {
            let confirmed = true;
            self.say(
                via.index,
                RESPONSE_BYTES,
                Body::Fenced { target, confirmed },
            );
        }
    }
}

//! `late`, `error`, `busy`, `duplicate`: what happens to a share of the commands of a path.

use crate::api::Fault;
use crate::array::Array;
use crate::slab::Key;
use protocol::Status;

impl Array {
    /// A command arrives while such faults are active: each draws, in order of their starts, whatever the others did. The first
    /// status counts, and the longest hold.
    #[cold]
    pub(crate) fn inject(&mut self, path: usize, key: Key) {
        for i in 0..self.paths[path].command_faults.len() {
            let slot = self.paths[path].command_faults[i] as usize;
            let (Some(active), Some(command)) =
                (&mut self.faults[slot], self.commands.get_mut(key))
            else {
                continue;
            };
            let share = match &active.fault {
                Fault::Error { share, .. }
                | Fault::Busy { share, .. }
                | Fault::Late { share, .. } => *share,
                _ => continue,
            };
            if !active.stream.percent(share) {
                continue;
            }
            match &active.fault {
                Fault::Error { status, .. } => {
                    command.injected.get_or_insert(*status);
                }
                Fault::Busy { .. } => {
                    command.injected.get_or_insert(Status::Busy);
                }
                Fault::Late {
                    after_lo,
                    after_hi,
                    beyond_fence,
                    ..
                } => {
                    let after = active
                        .stream
                        .between(after_lo.0, after_hi.0.max(after_lo.0));
                    let until = self.now.saturating_add(after);
                    if command.held_until.is_none_or(|held| held < until) {
                        command.held_until = Some(until);
                    }
                    command.beyond_fence |= *beyond_fence;
                }
                _ => {}
            }
        }
    }

    /// How many more times an answer on this path arrives.
    #[cold]
    pub(crate) fn duplicates(&mut self, path: usize) -> u32 {
        let mut more = 0;
        for &slot in &self.paths[path].command_faults {
            if let Some(active) = &mut self.faults[slot as usize]
                && let Fault::Duplicate { share, .. } = active.fault
                && active.stream.percent(share)
            {
                more += 1;
            }
        }
        more
    }
}

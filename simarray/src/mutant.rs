//! Defects to plant: each is a lie that an array could well tell, put in on purpose so that a test can see which rule
//! finds it. They exist only with the feature `mutants`, which nothing but that test enables: without it
//! `has` is the constant `false`, and no trace of them is left in the code that is built.

use crate::array::Array;
use crate::controller::InFlight;

/// Declares the defects, and the list of all of them, so that a test can see that it forgets none.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One planted defect.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name,)*];
        }
    };
}

mutants! {
    /// A write smaller than the atomic unit takes effect on its first half only.
    TearsWrites,
    /// A read smaller than the atomic unit sees its first half as it was on arrival.
    TearsReads,
    /// A flush is answered with success, and nothing of the cache becomes durable.
    LiesAboutFlush,
    /// A flush makes durable what lies in the cache of the controller that carries it out, and not in the other's.
    FlushesOneCache,
    /// A write with force-unit-access stays in the volatile cache as any other.
    IgnoresFua,
    /// No flush tells that a crash lost what was acknowledged.
    HushesUpLoss,
    /// What one host was told of a loss is taken for told to all.
    TellsOneHost,
    /// A crash loses what was acknowledged, and no word of it is in the log of the media.
    HidesLoss,
    /// A crash takes back what a mirrored cache had acknowledged.
    LosesMirror,
    /// A read on a path of the second controller is served from another volume, and the array does not know it.
    ReadsOtherVolume,
    /// A write is put on another volume now and then.
    WritesOtherVolume,
    /// Another volume appears in the place of one, under the identity of that one.
    ForgesIdentity,
    /// A fence is confirmed, and what it was to end goes on.
    LiesAboutFence,
    /// Without a fence: what a lost association left behind is never dropped.
    NeverQuiesces,
    /// Now and then a write takes effect in the log, and not in what reads see.
    DropsUpdates,
    /// A read is served from the block behind the one that was asked for.
    ReadsNextBlock,
    /// A write is acknowledged on arrival, before it takes effect.
    AcksOnArrival,
    /// Now and then a write is acknowledged and forgotten.
    ForgetsWrites,
    /// A write that was put on the media is put there a second time, later.
    DestagesTwice,
}

/// Which defect is planted, if any: of no size without the feature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted {
    #[cfg(feature = "mutants")]
    pub mutant: Option<Mutant>,
}

impl Planted {
    #[inline(always)]
    pub fn has(self, mutant: Mutant) -> bool {
        #[cfg(feature = "mutants")]
        let planted = self.mutant == Some(mutant);
        #[cfg(not(feature = "mutants"))]
        let planted = {
            let _ = mutant;
            false
        };
        planted
    }
}

impl Array {
    /// What the array makes of a command that is due: the command itself, unless a defect is planted. `None`: it is
    /// answered, and nothing is done.
    #[inline(always)]
    pub(crate) fn as_carried_out(&mut self, command: InFlight) -> Option<InFlight> {
        #[cfg(feature = "mutants")]
        return self.sabotaged(command);
        #[cfg(not(feature = "mutants"))]
        Some(command)
    }
}

#[cfg(feature = "mutants")]
pub(crate) use sabotage::Memory;

#[cfg(feature = "mutants")]
mod sabotage {
    use super::Mutant;
    use crate::api::{DataId, Out, Stamp};
    use crate::array::Array;
    use crate::controller::InFlight;
    use protocol::{Op, VolumeId};
    use std::collections::BTreeMap;

    /// One write in so many, where a defect comes only now and then.
    const NOW_AND_THEN: u64 = 64;

    /// What the defects remember.
    #[derive(Default)]
    pub(crate) struct Memory {
        writes: u64,
        kept: Option<InFlight>,
        /// What the first half of a read saw on arrival, by its tag.
        glances: BTreeMap<(u32, u64), Vec<Stamp>>,
    }

    impl Array {
        pub(super) fn sabotaged(&mut self, mut command: InFlight) -> Option<InFlight> {
            let c = command.command;
            if c.probe {
                return Some(command);
            }
            let next = (usize::from(command.real.0) + 1) % self.volumes.len();
            let another = VolumeId(next as u16);
            if c.op == Op::Read {
                if self.settings.mutant(Mutant::ReadsOtherVolume) && command.arrived_at == 1 {
                    command.real = another;
                }
                if self.settings.mutant(Mutant::ReadsNextBlock) {
                    command.command.lba += 1;
                }
                return Some(command);
            }
            if c.op != Op::Write {
                return Some(command);
            }
            if self.settings.mutant(Mutant::TearsWrites) {
                command.command.blocks = c.blocks.div_ceil(2);
            }
            if self.settings.mutant(Mutant::IgnoresFua) {
                command.command.fua = false;
            }
            self.memory.writes += 1;
            if !self.memory.writes.is_multiple_of(NOW_AND_THEN) {
                return Some(command);
            }
            if self.settings.mutant(Mutant::WritesOtherVolume) {
                command.real = another;
            }
            if self.settings.mutant(Mutant::DropsUpdates) {
                self.takes_effect(&command);
                return None;
            }
            if self.settings.mutant(Mutant::ForgetsWrites) {
                return None;
            }
            if self.settings.mutant(Mutant::DestagesTwice)
                && let Some(old) = self.memory.kept.replace(command)
            {
                let c = old.command;
                let volume = &mut self.volumes[usize::from(old.real.0)];
                let host = self.conns.at(old.conn).assoc.host;
                volume.write(old.served_by, host, c.lba, c.blocks, c.stamp, c.fua);
                self.takes_effect(&old);
            }
            Some(command)
        }

        /// A read has arrived.
        pub(crate) fn glance(&mut self, command: &InFlight) {
            let c = command.command;
            if c.op == Op::Read && self.settings.mutant(Mutant::TearsReads) {
                let mut seen = Vec::new();
                let volume = &self.volumes[usize::from(command.real.0)];
                volume.read(c.lba, c.blocks / 2, &mut seen);
                self.memory
                    .glances
                    .insert((command.conn, command.tag), seen);
            }
        }

        /// A read is done.
        pub(crate) fn remember_glance(&mut self, command: &InFlight, data: Option<DataId>) {
            let seen = self.memory.glances.remove(&(command.conn, command.tag));
            if let (Some(seen), Some(data)) = (seen, data) {
                self.data.get_mut(data)[..seen.len()].copy_from_slice(&seen);
            }
        }

        fn takes_effect(&mut self, command: &InFlight) {
            let assoc = self.conns.at(command.conn).assoc;
            self.out.push(Out::Effect {
                volume: command.real,
                lba: command.command.lba,
                blocks: command.command.blocks,
                stamp: command.command.stamp,
                assoc,
            });
        }
    }
}

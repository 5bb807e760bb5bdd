//! What the policies that are told hear: the oracle, before each choice, when the array would answer over each path; a static
//! split, once, its weights.
//!
//! The oracle's look is at the array alone (see `simarray::outlook`): which paths are usable at all, what is sent again and
//! when, is the core's. It is asked for the command at hand where an application submits one. When a core may send
//! something again (a path broke, a time has come) the command is not known before, and a read of 4 KiB stands for it.

use crate::scenario::Scenario;
use crate::scenario::model::Policy;
use crate::scenario::topology::PathSpec;
use datapath::core::{Config, Core, Input, Told};
use protocol::{Instant, Op, Status, VolumeId};
use simarray::Array;
use simarray::outlook::Outlook;

const USUAL_BYTES: u32 = 4096;

/// The weights of a static split.
pub fn split(s: &Scenario) -> Vec<Told> {
    s.datapath.split.iter().map(|w| Told::weight(*w)).collect()
}

pub struct Oracle {
    outlook: Outlook,
    told: Vec<Told>,
    /// By host and path: the slowest that its wire may be.
    bits_per_s: Vec<Vec<u64>>,
    block_bytes: u32,
}

impl Oracle {
    /// Where the scenario's policy wants one.
    pub fn of(s: &Scenario, paths: &[PathSpec]) -> Option<Oracle> {
        if s.datapath.policy != Policy::Oracle {
            return None;
        }
        let mut bits_per_s = vec![Vec::new(); usize::from(s.host.count)];
        for path in paths {
            let own = path.bits_per_s.filter(|own| *own > 0);
            let rate = match s.link.bits_per_s {
                0 => own.unwrap_or(u64::MAX),
                port => own.map_or(port, |own| own.min(port)),
            };
            bits_per_s[usize::from(path.host)].push(rate);
        }
        Some(Oracle {
            outlook: Outlook::default(),
            told: Vec::new(),
            bits_per_s,
            block_bytes: s.array.block,
        })
    }

    /// Tells a core of `host` before it handles `input`; `None` is a deadline.
    pub fn tell(
        &mut self,
        array: &Array,
        now: Instant,
        core: &mut Core,
        host: u16,
        config: &Config,
        input: Option<&Input>,
    ) {
        let usual = (
            VolumeId(0),
            Op::Read,
            USUAL_BYTES.div_ceil(self.block_bytes),
        );
        let (volume, op, blocks) = match input {
            Some(Input::Submit(r)) => {
                let Some(volume) = config.volumes.get(usize::from(r.volume.0)) else {
                    return;
                };
                let first = match r.op {
                    Op::Read | Op::Write => r.blocks.min(volume.max_blocks),
                    _ => r.blocks,
                };
                (r.volume, r.op, first)
            }
            // Nothing is sent because of a success, but for writes that waited for it.
            Some(Input::Done { status, .. }) if *status == Status::Ok => return,
            _ => usual,
        };
        let bytes = match op {
            Op::Read | Op::Write => u64::from(blocks) * u64::from(self.block_bytes),
            _ => 0,
        };
        let rates = &self.bits_per_s[usize::from(host)];
        let expected = self.outlook.of(array, now, host, volume, op, blocks);
        self.told.clear();
        let told = expected.iter().zip(rates).map(|(at, rate)| {
            let wire = u128::from(bytes) * 8_000_000_000 / u128::from((*rate).max(1));
            Told {
                cost: *at,
                step: u64::try_from(wire).unwrap_or(u64::MAX),
            }
        });
        self.told.extend(told);
        core.tell(&self.told);
    }
}

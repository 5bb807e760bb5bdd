//! Start and end of faults. What each means at a port, with the exact times, is the table in this crate's documentation.
//!
//! Faults of one kind may overlap on a path: links count them, views keep them in order of their starts, and each draws from a
//! stream of its own, so that a fault more or less shifts nobody else's draws.

mod commands;
mod controllers;
mod links;
mod volumes;

use crate::api::{Fault, FaultId};
use crate::array::Array;
use crate::wire::{TO_ARRAY, TO_HOST};
use protocol::PathId;
use protocol::rng::Stream;

/// A fault from its start to its end.
pub(crate) struct Active {
    pub id: FaultId,
    pub fault: Fault,
    /// Order of starts.
    pub started: u64,
    /// Its own draws.
    pub stream: Stream,
    /// Indices of the paths it names; one that the array does not have is left out.
    pub paths: Vec<u32>,
}

impl Array {
    pub(crate) fn fault_starts(&mut self, id: FaultId, fault: Fault) {
        let named: &[(u16, PathId)] = match &fault {
            Fault::Reset { paths }
            | Fault::Drop { paths }
            | Fault::DropAnswers { paths }
            | Fault::Late { paths, .. }
            | Fault::Delay { paths, .. }
            | Fault::ThrottleBits { paths, .. }
            | Fault::ThrottleIops { paths, .. }
            | Fault::Error { paths, .. }
            | Fault::Busy { paths, .. }
            | Fault::Duplicate { paths, .. }
            | Fault::Access { paths, .. }
            | Fault::Unmap { paths, .. }
            | Fault::Swap { paths, .. } => paths,
            Fault::Crash { .. }
            | Fault::Resize { .. }
            | Fault::Medium { .. }
            | Fault::Stall { .. } => &[],
        };
        let mut paths: Vec<u32> = Vec::with_capacity(named.len());
        for &(host, path) in named {
            if let Some(path) = self.find_path(host, path)
                && !paths.contains(&path)
            {
                paths.push(path);
            }
        }
        let stream = Stream::new(self.settings.seed, &format!("array.fault.{}", id.0));
        self.faults_started += 1;
        let slot = match self.faults.iter().position(Option::is_none) {
            Some(slot) => slot,
            None => {
                self.faults.push(None);
                self.faults.len() - 1
            }
        };
        self.faults[slot] = Some(Active {
            id,
            fault: fault.clone(),
            started: self.faults_started,
            stream,
            paths: paths.clone(),
        });
        self.begin(slot as u32, &fault, &paths);
    }

    pub(crate) fn fault_ends(&mut self, id: FaultId) {
        let found = |f: &Option<Active>| f.as_ref().is_some_and(|f| f.id == id);
        let Some(slot) = self.faults.iter().position(found) else {
            return;
        };
        if let Some(active) = self.faults[slot].take() {
            self.finish_fault(slot as u32, &active.fault, &active.paths);
        }
    }

    fn begin(&mut self, slot: u32, fault: &Fault, paths: &[u32]) {
        match fault {
            Fault::Reset { .. } => self.start_reset(paths),
            Fault::Drop { .. } => {
                for &path in paths {
                    self.die(path, TO_ARRAY);
                    self.die(path, TO_HOST);
                }
            }
            Fault::DropAnswers { .. } => paths.iter().for_each(|&path| self.die(path, TO_HOST)),
            Fault::Late { .. }
            | Fault::Error { .. }
            | Fault::Busy { .. }
            | Fault::Duplicate { .. } => {
                for &path in paths {
                    self.paths[path as usize].command_faults.push(slot);
                }
            }
            Fault::Delay { .. } => {
                for &path in paths {
                    self.paths[path as usize].delays.push(slot);
                }
            }
            Fault::ThrottleBits { .. } | Fault::ThrottleIops { .. } => {
                for &path in paths {
                    self.paths[path as usize].throttles.push(slot);
                    self.limits_change(path);
                }
            }
            Fault::Crash {
                controller,
                takeover,
            } => self.start_crash(*controller, takeover.0),
            Fault::Stall { controllers } => self.start_stall(controllers),
            Fault::Access { state, volumes, .. } => {
                self.start_access(slot, paths, *state, volumes);
            }
            Fault::Unmap { volume, .. } => self.start_other(slot, paths, *volume, None, false),
            Fault::Swap {
                volume,
                with,
                silent,
                ..
            } => self.start_other(slot, paths, *volume, Some(*with), *silent),
            Fault::Resize { volume, .. } => self.size_changes(*volume),
            Fault::Medium {
                volume,
                lba,
                blocks,
            } => {
                if let Some(v) = self.volumes.get_mut(usize::from(volume.0)) {
                    v.make_bad(slot, *lba, *blocks);
                }
            }
        }
    }

    fn finish_fault(&mut self, slot: u32, fault: &Fault, paths: &[u32]) {
        match fault {
            Fault::Reset { .. } => {
                for &path in paths {
                    self.paths[path as usize].resets -= 1;
                }
            }
            Fault::Drop { .. } => {
                for &path in paths {
                    self.heal(path, TO_ARRAY);
                    self.heal(path, TO_HOST);
                }
            }
            Fault::DropAnswers { .. } => paths.iter().for_each(|&path| self.heal(path, TO_HOST)),
            Fault::Late { .. }
            | Fault::Error { .. }
            | Fault::Busy { .. }
            | Fault::Duplicate { .. }
            | Fault::Delay { .. } => {
                for &path in paths {
                    let p = &mut self.paths[path as usize];
                    p.command_faults.retain(|&s| s != slot);
                    p.delays.retain(|&s| s != slot);
                }
            }
            Fault::ThrottleBits { .. } | Fault::ThrottleIops { .. } => {
                for &path in paths {
                    self.paths[path as usize].throttles.retain(|&s| s != slot);
                    self.limits_change(path);
                }
            }
            Fault::Crash { controller, .. } => self.end_crash(*controller),
            Fault::Stall { controllers } => self.end_stall(controllers),
            Fault::Access { .. } => self.end_access(slot, paths),
            Fault::Unmap { volume, .. } | Fault::Swap { volume, .. } => {
                self.end_other(slot, paths, *volume);
            }
            Fault::Resize { volume, .. } => self.size_changes(*volume),
            Fault::Medium { volume, .. } => {
                if let Some(v) = self.volumes.get_mut(usize::from(volume.0)) {
                    v.end_bad(slot);
                }
            }
        }
    }
}

//! A volume: its content, who owns it, and what is wrong with it.

use crate::api::{Cache, Stamp, VolumeConfig};
use crate::cache::{Hosts, Lost, WriteCache};
use crate::sparse::StampMap;
use protocol::Identity;

/// Unreadable blocks, from `lba` up to and without `end`.
#[derive(Clone, Copy)]
struct Bad {
    fault: u32,
    lba: u64,
    end: u64,
}

pub(crate) struct Volume {
    pub identity: Identity,
    /// By configuration, and as it is now.
    pub configured_blocks: u64,
    pub blocks: u64,
    /// Owner by configuration, and now.
    pub home: u16,
    pub owner: u16,
    /// While the owner is down: whether a survivor is still to take over, and which takeover that is.
    pub takeover_pending: bool,
    pub takeover_turn: u32,
    /// Hosts whose acknowledged writes were lost, and that no flush has told yet.
    pub untold: Hosts,
    store: StampMap,
    cache: Option<WriteCache>,
    bad: Vec<Bad>,
}

impl Volume {
    pub fn new(config: &VolumeConfig, block_bytes: u32, cache: Cache) -> Self {
        Volume {
            identity: config.identity,
            configured_blocks: config.blocks,
            blocks: config.blocks,
            home: config.owner,
            owner: config.owner,
            takeover_pending: false,
            takeover_turn: 0,
            untold: 0,
            store: StampMap::new(block_bytes),
            cache: (cache == Cache::Volatile).then(WriteCache::new),
            bad: Vec::new(),
        }
    }

    pub fn in_range(&self, lba: u64, blocks: u32) -> bool {
        lba.checked_add(u64::from(blocks))
            .is_some_and(|end| end <= self.blocks)
    }

    #[inline]
    pub fn write(
        &mut self,
        controller: u16,
        host: u16,
        lba: u64,
        blocks: u32,
        stamp: Stamp,
        fua: bool,
    ) {
        match &mut self.cache {
            None => self.store.set_range(lba, blocks, stamp, |_, _, _| ()),
            Some(cache) => self.store.set_range(lba, blocks, stamp, |at, n, was| {
                cache.wrote(controller, host, at, n, was, fua);
            }),
        }
        if !self.bad.is_empty() {
            self.heal(lba, lba + u64::from(blocks));
        }
    }

    #[inline]
    pub fn read(&self, lba: u64, blocks: u32, out: &mut Vec<Stamp>) {
        self.store.get_range(lba, blocks, out);
    }

    /// Every stamp that a read may still return, now or after a crash.
    pub fn for_each_stamp(&self, visit: &mut dyn FnMut(Stamp)) {
        self.store.for_each(&mut *visit);
        if let Some(cache) = &self.cache {
            cache.for_each(visit);
        }
    }

    pub fn unreadable(&self, lba: u64, blocks: u32) -> bool {
        let end = lba + u64::from(blocks);
        self.bad.iter().any(|b| b.lba < end && lba < b.end)
    }

    pub fn flush(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.flush();
        }
    }

    /// Only one controller's: no sound array does that.
    #[cold]
    pub fn flush_one(&mut self, controller: u16) {
        if let Some(cache) = &mut self.cache {
            // What a crash would lose is what becomes durable.
            cache.crash(controller);
        }
    }

    /// A controller's cache is gone: its blocks hold again what was durable. Returns them, and whose they were.
    pub fn crash(&mut self, controller: u16) -> (Vec<Lost>, Hosts) {
        let Some(cache) = &mut self.cache else {
            return (Vec::new(), 0);
        };
        let (lost, hosts) = cache.crash(controller);
        for run in &lost {
            self.store
                .set_range(run.lba, run.blocks, run.stamp, |_, _, _| ());
        }
        (lost, hosts)
    }

    pub fn make_bad(&mut self, fault: u32, lba: u64, blocks: u64) {
        self.bad.push(Bad {
            fault,
            lba,
            end: lba.saturating_add(blocks),
        });
    }

    /// The medium fault ends: what nobody has rewritten is readable again.
    pub fn end_bad(&mut self, fault: u32) {
        self.bad.retain(|b| b.fault != fault);
    }

    #[cold]
    fn heal(&mut self, lba: u64, end: u64) {
        let mut i = 0;
        while i < self.bad.len() {
            let bad = self.bad[i];
            if bad.end <= lba || end <= bad.lba {
                i += 1;
                continue;
            }
            self.bad.swap_remove(i);
            if bad.lba < lba {
                self.bad.push(Bad { end: lba, ..bad });
            }
            if end < bad.end {
                self.bad.push(Bad { lba: end, ..bad });
            }
        }
    }

    pub fn bytes_used(&self) -> usize {
        self.store.bytes_used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_heals_exactly_what_it_covers() {
        let config = VolumeConfig {
            identity: Identity(1),
            blocks: 1000,
            owner: 0,
        };
        let mut v = Volume::new(&config, 512, Cache::None);
        v.make_bad(0, 100, 100);
        v.write(0, 0, 120, 8, 1, false);
        assert!(v.unreadable(119, 1) && !v.unreadable(120, 8) && v.unreadable(128, 1));
        assert!(!v.unreadable(0, 100) && v.unreadable(0, 101) && v.unreadable(199, 5));
        v.write(0, 0, 90, 20, 1, false);
        assert!(!v.unreadable(90, 20) && v.unreadable(110, 1));
        v.end_bad(0);
        assert!(!v.unreadable(0, 1000));
    }
}

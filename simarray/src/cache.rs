//! A volatile write cache: what was written and acknowledged but would be lost in a crash, and what the media would
//! hold instead.
//!
//! The newest copy of a block lies with the controller that executed the last write to it; a copy of the same block in
//! another controller's cache is superseded by it. Nothing is destaged by itself: a write stays at risk until a flush,
//! a write with FUA over it, or an orderly hand-over of the volume.
//!
//! A page remembers which hosts wrote to it since it became dirty: each of them must be told when a crash takes it, and the
//! word that one of them has is none to another.

use crate::api::Stamp;
use crate::sparse::PageTable;

/// Blocks of a dirty page; smaller than 4 KiB pages would only cost more of them.
const BLOCKS: u64 = 8;

#[derive(Clone, Copy)]
struct DirtyPage {
    page: u64,
    /// Which blocks are dirty.
    mask: u8,
    /// The hosts that wrote to it.
    hosts: Hosts,
    controller: [u16; BLOCKS as usize],
    durable: [Stamp; BLOCKS as usize],
}

pub(crate) struct WriteCache {
    table: PageTable,
    pages: Vec<DirtyPage>,
}

/// A set of hosts: a bit for each. Hosts that are 64 apart share one, and are told of each other's losses.
pub(crate) type Hosts = u64;

pub(crate) fn host_bit(host: u16) -> Hosts {
    1 << (host % 64)
}

/// A run of blocks that a crash has lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Lost {
    pub lba: u64,
    pub blocks: u32,
    pub stamp: Stamp,
}

impl WriteCache {
    pub fn new() -> Self {
        WriteCache {
            table: PageTable::new(),
            pages: Vec::new(),
        }
    }

    /// A write of a host, by `controller`, covered a run of blocks that held `was`; with FUA they are durable at once.
    pub fn wrote(
        &mut self,
        controller: u16,
        host: u16,
        lba: u64,
        blocks: u32,
        was: Stamp,
        fua: bool,
    ) {
        for block in lba..lba + u64::from(blocks) {
            let bit = 1u8 << (block % BLOCKS);
            let i = (block % BLOCKS) as usize;
            if fua {
                if let Some(at) = self.table.get(block / BLOCKS) {
                    self.pages[at as usize].mask &= !bit;
                }
                continue;
            }
            let (at, made) = self.table.entry(block / BLOCKS, self.pages.len() as u64);
            let at = *at as usize;
            if made {
                self.pages.push(DirtyPage {
                    page: block / BLOCKS,
                    mask: 0,
                    hosts: 0,
                    controller: [0; BLOCKS as usize],
                    durable: [0; BLOCKS as usize],
                });
            }
            let page = &mut self.pages[at];
            if page.mask == 0 {
                page.hosts = 0;
            }
            page.hosts |= host_bit(host);
            if page.mask & bit == 0 {
                page.mask |= bit;
                page.durable[i] = was;
            }
            page.controller[i] = controller;
        }
    }

    /// What the media would hold after a crash, of every block that is not durable.
    pub fn for_each(&self, mut visit: impl FnMut(Stamp)) {
        self.pages
            .iter()
            .flat_map(|p| p.durable)
            .for_each(&mut visit);
    }

    /// Everything is durable.
    pub fn flush(&mut self) {
        self.table.clear();
        self.pages.clear();
    }

    /// What the crash of a controller loses, in ascending order, in runs of one restored stamp; and whose it was.
    pub fn crash(&mut self, controller: u16) -> (Vec<Lost>, Hosts) {
        let mut blocks = Vec::new();
        let mut hosts = 0;
        for page in &mut self.pages {
            for i in 0..BLOCKS as usize {
                if page.mask & (1 << i) != 0 && page.controller[i] == controller {
                    page.mask &= !(1 << i);
                    hosts |= page.hosts;
                    blocks.push((page.page * BLOCKS + i as u64, page.durable[i]));
                }
            }
        }
        blocks.sort_unstable();
        let mut runs: Vec<Lost> = Vec::new();
        for (lba, stamp) in blocks {
            match runs.last_mut() {
                Some(run)
                    if run.stamp == stamp
                        && run.lba + u64::from(run.blocks) == lba
                        && run.blocks < u32::MAX =>
                {
                    run.blocks += 1;
                }
                _ => runs.push(Lost {
                    lba,
                    blocks: 1,
                    stamp,
                }),
            }
        }
        (runs, hosts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_restores_the_newest_durable_stamps() {
        let mut cache = WriteCache::new();
        cache.wrote(0, 0, 6, 4, 0, false); // 6..10 over nothing
        cache.wrote(0, 0, 6, 4, 5, false); // again: 0 is still what is durable
        cache.wrote(0, 0, 8, 1, 5, true); // block 8 durable by FUA
        cache.wrote(0, 0, 8, 1, 7, false); // and dirty again over 7
        cache.wrote(1, 0, 20, 2, 3, false);
        assert_eq!(
            cache.crash(0).0,
            [
                Lost {
                    lba: 6,
                    blocks: 2,
                    stamp: 0
                },
                Lost {
                    lba: 8,
                    blocks: 1,
                    stamp: 7
                },
                Lost {
                    lba: 9,
                    blocks: 1,
                    stamp: 0
                },
            ]
        );
        assert_eq!(cache.crash(0), (vec![], 0));
        assert_eq!(
            cache.crash(1).0,
            [Lost {
                lba: 20,
                blocks: 2,
                stamp: 3
            }]
        );
    }

    #[test]
    fn a_flush_leaves_nothing_to_lose() {
        let mut cache = WriteCache::new();
        cache.wrote(0, 0, 0, 100, 0, false);
        cache.flush();
        assert_eq!(cache.crash(0), (vec![], 0));
        cache.wrote(0, 0, 3, 1, 9, false);
        assert_eq!(
            cache.crash(0).0,
            [Lost {
                lba: 3,
                blocks: 1,
                stamp: 9
            }]
        );
    }

    #[test]
    fn a_crash_says_whose_writes_it_took() {
        let mut cache = WriteCache::new();
        cache.wrote(0, 0, 0, 4, 0, false);
        cache.wrote(1, 1, 0, 4, 1, false); // over it, at another controller
        cache.wrote(1, 2, 800, 1, 0, false);
        cache.wrote(0, 3, 80, 1, 0, false);
        assert_eq!(cache.crash(0).1, host_bit(3));
        assert_eq!(cache.crash(1).1, host_bit(0) | host_bit(1) | host_bit(2));
        cache.wrote(0, 4, 0, 1, 0, false);
        assert_eq!(cache.crash(0).1, host_bit(4), "what was lost is told once");
    }
}

//! Stamps, one for each block, of a volume of any size. Kept by pages of 4 KiB: a page whose blocks all hold the same
//! stamp, the usual case, is one entry of the table; only a page that was written in parts has an array of its own.

use super::table::PageTable;
use crate::api::Stamp;

const PAGE_BYTES: u32 = 4096;
/// Marks a table's word as the index of an array of stamps. Stamps stay below it.
const MIXED: u64 = 1 << 63;

/// A sparse map from block to stamp; 0 where nothing was written.
pub struct StampMap {
    table: PageTable,
    /// Blocks in a page, as a shift.
    shift: u32,
    /// Stamps of mixed pages, page after page.
    mixed: Vec<Stamp>,
    free: Vec<u32>,
}

impl StampMap {
    /// A map for blocks of this size. Blocks of 4 KiB and more have a page each.
    pub fn new(block_bytes: u32) -> Self {
        let blocks = (PAGE_BYTES / block_bytes.max(1)).max(1);
        StampMap {
            table: PageTable::new(),
            shift: blocks.ilog2(),
            mixed: Vec::new(),
            free: Vec::new(),
        }
    }

    fn blocks_per_page(&self) -> u64 {
        1 << self.shift
    }

    pub fn get(&self, lba: u64) -> Stamp {
        match self.table.get(lba >> self.shift) {
            None => 0,
            Some(word) if word & MIXED == 0 => word,
            Some(word) => {
                let within = (lba & (self.blocks_per_page() - 1)) as usize;
                self.mixed[mixed_start(word, self.shift) + within]
            }
        }
    }

    /// Appends the stamps of `blocks` blocks from `lba`.
    pub fn get_range(&self, lba: u64, blocks: u32, out: &mut Vec<Stamp>) {
        self.for_pages(lba, blocks, |page, first, count| {
            match self.table.get(page) {
                None => out.resize(out.len() + count, 0),
                Some(word) if word & MIXED == 0 => out.resize(out.len() + count, word),
                Some(word) => {
                    let start = mixed_start(word, self.shift) + first;
                    out.extend_from_slice(&self.mixed[start..start + count]);
                }
            }
        });
    }

    fn for_pages(&self, lba: u64, blocks: u32, mut visit: impl FnMut(u64, usize, usize)) {
        let per_page = self.blocks_per_page();
        let end = lba.saturating_add(u64::from(blocks));
        let mut at = lba;
        while at < end {
            let first = at & (per_page - 1);
            let count = (per_page - first).min(end - at);
            visit(at >> self.shift, first as usize, count as usize);
            at += count;
        }
    }

    /// Writes `stamp` over the range and tells what was there, in ascending runs (lba, blocks, stamp) within a page each.
    #[inline]
    pub fn set_range(
        &mut self,
        lba: u64,
        blocks: u32,
        stamp: Stamp,
        mut old: impl FnMut(u64, u32, Stamp),
    ) {
        debug_assert_eq!(stamp & MIXED, 0, "stamps stay below 2^63");
        let stamp = stamp & !MIXED;
        let per_page = self.blocks_per_page();
        let end = lba.saturating_add(u64::from(blocks));
        let mut at = lba;
        while at < end {
            let first = at & (per_page - 1);
            let count = (per_page - first).min(end - at);
            self.set_in_page(at, first as usize, count as usize, stamp, &mut old);
            at += count;
        }
    }

    #[inline]
    fn set_in_page(
        &mut self,
        at: u64,
        first: usize,
        count: usize,
        stamp: Stamp,
        old: &mut impl FnMut(u64, u32, Stamp),
    ) {
        let per_page = 1usize << self.shift;
        let (word, _) = self.table.entry(at >> self.shift, 0);
        if *word & MIXED == 0 {
            let was = *word;
            old(at, count as u32, was);
            if count == per_page {
                *word = stamp;
            } else if was != stamp {
                let index = match self.free.pop() {
                    Some(index) => index,
                    None => {
                        let index = (self.mixed.len() >> self.shift) as u32;
                        self.mixed.resize(self.mixed.len() + per_page, 0);
                        index
                    }
                };
                *word = MIXED | u64::from(index);
                let start = (index as usize) << self.shift;
                self.mixed[start..start + per_page].fill(was);
                self.mixed[start + first..start + first + count].fill(stamp);
            }
            return;
        }
        let start = mixed_start(*word, self.shift);
        let mut run = 0;
        for i in 1..=count {
            let from = self.mixed[start + first + run];
            if i == count || self.mixed[start + first + i] != from {
                old(at + run as u64, (i - run) as u32, from);
                run = i;
            }
        }
        self.mixed[start + first..start + first + count].fill(stamp);
        if self.mixed[start..start + per_page]
            .iter()
            .all(|&s| s == stamp)
        {
            self.free.push((start >> self.shift) as u32);
            *word = stamp;
        }
    }

    /// Every stamp that the map holds, some of them often, and some that it held before. In no order that means anything.
    pub fn for_each(&self, mut visit: impl FnMut(Stamp)) {
        self.table.for_each(|word| {
            if word & MIXED == 0 {
                visit(word);
            }
        });
        self.mixed.iter().for_each(|s| visit(*s));
    }

    /// Memory held, in bytes: grows with what was written, not with the volume.
    pub fn bytes_used(&self) -> usize {
        self.table.bytes_used() + self.mixed.capacity() * 8 + self.free.capacity() * 4
    }
}

fn mixed_start(word: u64, shift: u32) -> usize {
    ((word & !MIXED) as usize) << shift
}

//! What the media hold, block by block, as the effects told it: a sparse map from block to stamp.
//!
//! Every I/O looks here, at random, so its cost is one cache miss. A page covers 4 KiB; an entry of 16 bytes holds the
//! stamp of a whole page inline, and only a page whose blocks differ has an array of its own. The entries of four
//! neighbouring pages share a cache line. Twin of the array's own store and written apart from it on purpose: a bug
//! there must not hide itself here.

use simarray::api::Stamp;

/// `key` is 0 where free, else the page plus one, shifted up by one; its lowest bit says that `value` is an index into
/// the pool of mixed pages instead of the stamp of all blocks.
#[derive(Clone, Copy, Default, Debug)]
struct Entry {
    key: u64,
    value: u64,
}

const MIXED: u64 = 1;
/// Pages that share a cache line.
const GROUP_BITS: u32 = 2;
const FIRST_GROUP_BITS: u32 = 6;

#[derive(Debug)]
pub struct Mirror {
    /// Blocks of a page, as a power of two.
    page_bits: u32,
    group_bits: u32,
    entries: Vec<Entry>,
    used: usize,
    /// Mixed pages, one after the other.
    pool: Vec<Stamp>,
    free: Vec<u64>,
}

fn key_of(page: u64) -> u64 {
    (page + 1) << 1
}

impl Mirror {
    pub fn new(block_bytes: u32) -> Mirror {
        let blocks = (4096 / block_bytes.max(1)).max(1);
        Mirror {
            page_bits: blocks.ilog2(),
            group_bits: FIRST_GROUP_BITS,
            entries: vec![Entry::default(); 1 << (FIRST_GROUP_BITS + GROUP_BITS)],
            used: 0,
            pool: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Blocks of a page, as a power of two.
    pub fn page_bits(&self) -> u32 {
        self.page_bits
    }

    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Pages that have an entry, and stamps of mixed pages: what the memory is made of.
    #[cfg(test)]
    pub fn footprint(&self) -> (usize, usize) {
        (self.used, self.pool.len())
    }

    #[inline]
    fn home(&self, page: u64) -> usize {
        let group =
            (page >> GROUP_BITS).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - self.group_bits);
        ((group << GROUP_BITS) | (page & ((1 << GROUP_BITS) - 1))) as usize
    }

    /// Where the page is, or where it would be.
    #[inline]
    fn find(&self, page: u64) -> (usize, bool) {
        let key = key_of(page);
        let mask = self.entries.len() - 1;
        let mut at = self.home(page);
        loop {
            let found = self.entries[at].key;
            if found & !MIXED == key {
                return (at, true);
            }
            if found == 0 {
                return (at, false);
            }
            at = (at + 1) & mask;
        }
    }

    /// The entry of a page, made (as never written) where it is missing.
    #[inline]
    fn entry(&mut self, page: u64) -> usize {
        let (at, found) = self.find(page);
        if found {
            return at;
        }
        self.insert(page)
    }

    #[cold]
    fn insert(&mut self, page: u64) -> usize {
        if (self.used + 1) * 8 > self.entries.len() * 5 {
            self.grow();
        }
        let (at, _) = self.find(page);
        self.entries[at].key = key_of(page);
        self.used += 1;
        at
    }

    fn grow(&mut self) {
        self.group_bits += 1;
        let bigger = vec![Entry::default(); 1 << (self.group_bits + GROUP_BITS)];
        for entry in std::mem::replace(&mut self.entries, bigger) {
            if entry.key != 0 {
                let (at, _) = self.find((entry.key >> 1) - 1);
                self.entries[at] = entry;
            }
        }
    }

    fn page_blocks(&self) -> u64 {
        1 << self.page_bits
    }

    /// The stamps of a mixed page.
    fn mixed(&self, value: u64) -> &[Stamp] {
        let at = (value as usize) << self.page_bits;
        &self.pool[at..at + (1 << self.page_bits)]
    }

    pub fn get(&self, block: u64) -> Stamp {
        let (at, found) = self.find(block >> self.page_bits);
        let entry = self.entries[at];
        if !found {
            0
        } else if entry.key & MIXED == 0 {
            entry.value
        } else {
            self.mixed(entry.value)[(block & (self.page_blocks() - 1)) as usize]
        }
    }

    /// Calls `f(lba, blocks, stamp)` for what a range holds, in ascending runs that never cross a page.
    #[inline]
    pub fn runs(&self, lba: u64, blocks: u64, mut f: impl FnMut(u64, u64, Stamp)) {
        let end = lba.saturating_add(blocks);
        let mut at = lba;
        while at < end {
            let page = at >> self.page_bits;
            let stop = end.min((page + 1) << self.page_bits);
            let (slot, found) = self.find(page);
            let entry = self.entries[slot];
            if !found {
                f(at, stop - at, 0);
            } else if entry.key & MIXED == 0 {
                f(at, stop - at, entry.value);
            } else {
                let first = page << self.page_bits;
                let stamps =
                    &self.mixed(entry.value)[(at - first) as usize..(stop - first) as usize];
                let mut run_at = at;
                for run in stamps.chunk_by(|a, b| a == b) {
                    f(run_at, run.len() as u64, run[0]);
                    run_at += run.len() as u64;
                }
            }
            at = stop;
        }
    }

    /// Whether a range from `lba` on holds exactly these stamps.
    #[inline]
    pub fn equals(&self, lba: u64, stamps: &[Stamp]) -> bool {
        let mut rest = stamps;
        let mut at = lba;
        while !rest.is_empty() {
            let page = at >> self.page_bits;
            let first = page << self.page_bits;
            let take = rest.len().min((first + self.page_blocks() - at) as usize);
            let (here, next) = rest.split_at(take);
            let (slot, found) = self.find(page);
            let entry = self.entries[slot];
            let same = if !found {
                here.iter().all(|&s| s == 0)
            } else if entry.key & MIXED == 0 {
                here.iter().all(|&s| s == entry.value)
            } else {
                let from = (at - first) as usize;
                self.mixed(entry.value)[from..from + take] == *here
            };
            if !same {
                return false;
            }
            rest = next;
            at += take as u64;
        }
        true
    }

    /// Whether some block of a range holds something else than `stamp`.
    pub fn differs(&self, lba: u64, blocks: u64, stamp: Stamp) -> bool {
        let mut differs = false;
        self.runs(lba, blocks, |_, _, held| differs |= held != stamp);
        differs
    }

    /// Writes a range, and calls `was(lba, blocks, stamp)` for what it held, in ascending runs.
    #[inline]
    pub fn replace(
        &mut self,
        lba: u64,
        blocks: u64,
        stamp: Stamp,
        mut was: impl FnMut(u64, u64, Stamp),
    ) {
        let end = lba.saturating_add(blocks);
        let mut at = lba;
        while at < end {
            let page = at >> self.page_bits;
            let first = page << self.page_bits;
            let stop = end.min(first + self.page_blocks());
            let slot = self.entry(page);
            let entry = self.entries[slot];
            if entry.key & MIXED == 0 {
                was(at, stop - at, entry.value);
                if stop - at == self.page_blocks() {
                    self.entries[slot].value = stamp;
                } else if entry.value != stamp {
                    self.split(slot, (at - first) as usize, (stop - first) as usize, stamp);
                }
            } else {
                let mut run_at = at;
                let held = &self.mixed(entry.value)[(at - first) as usize..(stop - first) as usize];
                for run in held.chunk_by(|a, b| a == b) {
                    was(run_at, run.len() as u64, run[0]);
                    run_at += run.len() as u64;
                }
                self.patch(slot, (at - first) as usize, (stop - first) as usize, stamp);
            }
            at = stop;
        }
    }

    /// Calls `f(lba, blocks, stamp)` for every page that has an entry, in an order that only the pages decide.
    pub fn each(&self, mut f: impl FnMut(u64, u64, Stamp)) {
        for entry in self.entries.iter().filter(|e| e.key != 0) {
            let lba = ((entry.key >> 1) - 1) << self.page_bits;
            self.runs(lba, self.page_blocks(), &mut f);
        }
    }

    pub fn set(&mut self, lba: u64, blocks: u64, stamp: Stamp) {
        self.replace(lba, blocks, stamp, |_, _, _| ());
    }

    /// A uniform page becomes a mixed one.
    fn split(&mut self, slot: usize, from: usize, to: usize, stamp: Stamp) {
        let blocks = 1usize << self.page_bits;
        let old = self.entries[slot].value;
        let index = match self.free.pop() {
            Some(index) => {
                let at = (index as usize) << self.page_bits;
                self.pool[at..at + blocks].fill(old);
                index
            }
            None => {
                let index = (self.pool.len() >> self.page_bits) as u64;
                self.pool.resize(self.pool.len() + blocks, old);
                index
            }
        };
        let at = (index as usize) << self.page_bits;
        self.pool[at + from..at + to].fill(stamp);
        self.entries[slot].key |= MIXED;
        self.entries[slot].value = index;
    }

    /// Part of a mixed page changes; where nothing else is left in it, it is uniform again.
    fn patch(&mut self, slot: usize, from: usize, to: usize, stamp: Stamp) {
        let index = self.entries[slot].value;
        let at = (index as usize) << self.page_bits;
        let page = &mut self.pool[at..at + (1usize << self.page_bits)];
        page[from..to].fill(stamp);
        if page.iter().all(|&s| s == stamp) {
            self.free.push(index);
            self.entries[slot].key &= !MIXED;
            self.entries[slot].value = stamp;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::rng::Stream;
    use std::collections::BTreeMap;

    #[test]
    fn is_a_map_from_block_to_stamp() {
        for block_bytes in [512, 1024, 4096, 8192] {
            let mut draw = Stream::new(u64::from(block_bytes), "mirror");
            let mut mirror = Mirror::new(block_bytes);
            let mut plain: BTreeMap<u64, Stamp> = BTreeMap::new();
            for stamp in 1..4000 {
                let near = draw.percent(70);
                let lba = draw.below(if near { 100 } else { 1 << 40 });
                let blocks = draw.between(1, 20);
                let mut was = Vec::new();
                mirror.replace(lba, blocks, stamp, |at, n, old| {
                    was.extend((at..at + n).map(|b| (b, old)))
                });
                for (i, (block, old)) in was.into_iter().enumerate() {
                    assert_eq!(block, lba + i as u64);
                    assert_eq!(old, plain.insert(block, stamp).unwrap_or(0));
                }
                let lba = draw.below(100);
                let held: Vec<Stamp> = (lba..lba + 17)
                    .map(|b| plain.get(&b).copied().unwrap_or(0))
                    .collect();
                assert!(mirror.equals(lba, &held));
                let mut runs = Vec::new();
                mirror.runs(lba, 17, |_, n, s| {
                    runs.extend(std::iter::repeat_n(s, n as usize))
                });
                assert_eq!(runs, held);
                assert_eq!(mirror.get(lba), held[0]);
                assert_eq!(
                    mirror.differs(lba, 17, held[0]),
                    held.iter().any(|s| *s != held[0])
                );
                let mut wrong = held;
                wrong[16] += 1;
                assert!(!mirror.equals(lba, &wrong));
            }
        }
    }

    #[test]
    fn a_page_that_is_whole_again_gives_its_array_back() {
        let mut mirror = Mirror::new(512);
        for round in 0..1000 {
            mirror.set(3, 2, 2 * round + 1);
            mirror.set(0, 8, 2 * round + 2);
        }
        assert_eq!(mirror.footprint(), (1, 8));
        assert_eq!(mirror.free.len(), 1);
    }

    #[test]
    fn the_last_block_of_the_widest_volume_is_a_block_like_any_other() {
        let mut mirror = Mirror::new(512);
        let last = (1 << 62) - 1;
        mirror.set(last, 1, 7);
        assert_eq!((mirror.get(last), mirror.get(last - 1)), (7, 0));
    }
}

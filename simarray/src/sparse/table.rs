//! From a page's number to one word: open addressing with linear probing, 16 bytes an entry, grown by doubling at
//! three quarters. Never iterated, so hash order cannot leak into a run. Forgetting everything is one addition: each
//! entry carries the table's age, and an entry of another age counts as empty.

use protocol::rng::splitmix64;

const AGE_SHIFT: u32 = 53;
const AGES: u64 = 1 << (64 - AGE_SHIFT);
const PAGE_MASK: u64 = (1 << AGE_SHIFT) - 1;

#[derive(Clone, Copy)]
struct Entry {
    /// Age and page; age 0 is never current, so that zeroed memory is empty.
    key: u64,
    value: u64,
}

const EMPTY: Entry = Entry { key: 0, value: 0 };

pub(crate) struct PageTable {
    entries: Vec<Entry>,
    len: usize,
    age: u64,
}

impl PageTable {
    pub fn new() -> Self {
        PageTable {
            entries: Vec::new(),
            len: 0,
            age: 1,
        }
    }

    #[inline]
    fn key(&self, page: u64) -> u64 {
        (self.age << AGE_SHIFT) | (page & PAGE_MASK)
    }

    /// Where the page is, or the empty place where it would be.
    #[inline]
    fn place(&self, key: u64) -> usize {
        let mask = self.entries.len() - 1;
        let mut i = splitmix64(key & PAGE_MASK) as usize & mask;
        loop {
            let found = self.entries[i].key;
            if found == key || found >> AGE_SHIFT != self.age {
                return i;
            }
            i = (i + 1) & mask;
        }
    }

    #[inline]
    pub fn get(&self, page: u64) -> Option<u64> {
        if self.entries.is_empty() {
            return None;
        }
        let key = self.key(page);
        let entry = &self.entries[self.place(key)];
        (entry.key == key).then_some(entry.value)
    }

    /// The page's word, made by `new` where there is none, and whether it was made.
    #[inline]
    pub fn entry(&mut self, page: u64, new: u64) -> (&mut u64, bool) {
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            self.grow();
        }
        let key = self.key(page);
        let i = self.place(key);
        let made = self.entries[i].key != key;
        if made {
            self.entries[i] = Entry { key, value: new };
            self.len += 1;
        }
        (&mut self.entries[i].value, made)
    }

    /// Every page's word. The order is the table's own: only for what does not depend on it.
    pub fn for_each(&self, mut visit: impl FnMut(u64)) {
        let current = self
            .entries
            .iter()
            .filter(|e| e.key >> AGE_SHIFT == self.age);
        current.for_each(|e| visit(e.value));
    }

    #[cold]
    fn grow(&mut self) {
        let size = (self.entries.len() * 2).max(64);
        let old = std::mem::replace(&mut self.entries, vec![EMPTY; size]);
        for entry in old {
            if entry.key >> AGE_SHIFT == self.age {
                let i = self.place(entry.key);
                self.entries[i] = entry;
            }
        }
    }

    pub fn clear(&mut self) {
        self.len = 0;
        self.age += 1;
        if self.age == AGES {
            self.age = 1;
            self.entries.fill(EMPTY);
        }
    }

    pub fn bytes_used(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_table_is_empty_at_every_age() {
        let mut table = PageTable::new();
        for round in 0..(AGES * 2 + 3) {
            for page in 0..5 {
                assert_eq!(table.get(page * 1000), None);
                let (value, made) = table.entry(page * 1000, round);
                assert!(made);
                *value += page;
            }
            for page in 0..5 {
                assert_eq!(table.get(page * 1000), Some(round + page));
            }
            table.clear();
        }
    }
}

//! The data behind the stamps. The simulated array keeps one stamp for each block and no data; an array that serves a real block device needs
//! them. They are kept by the write that brought them, and swept: what neither the array nor a request under way can return is forgotten.

use simarray::api::Stamp;
use std::collections::{HashMap, HashSet};

/// A sweep is not worth it below.
const SWEEP_MIN: usize = 64 << 20;

#[derive(Debug)]
struct Written {
    /// First block.
    lba: u64,
    /// Empty: zeroes.
    bytes: Box<[u8]>,
}

#[derive(Debug)]
pub struct Content {
    block_bytes: usize,
    written: HashMap<Stamp, Written>, // determinism: wall time, and only looked up
    bytes: usize,
    sweep_at: usize,
}

impl Content {
    pub fn new(block_bytes: u32) -> Content {
        Content {
            block_bytes: block_bytes as usize,
            written: HashMap::new(),
            bytes: 0,
            sweep_at: SWEEP_MIN,
        }
    }

    /// What a write with this stamp brings; no bytes: zeroes.
    pub fn put(&mut self, stamp: Stamp, lba: u64, bytes: &[u8]) {
        self.bytes += bytes.len();
        let bytes = bytes.into();
        self.written.insert(stamp, Written { lba, bytes });
    }

    /// The data of blocks from `lba` on. False if a stamp stands for nothing: the read must fail, since no data can be right.
    #[must_use]
    pub fn get(&self, lba: u64, stamps: &[Stamp], out: &mut [u8]) -> bool {
        let blocks = out.chunks_exact_mut(self.block_bytes);
        for ((at, stamp), out) in (lba..).zip(stamps).zip(blocks) {
            if *stamp == 0 {
                out.fill(0);
                continue;
            }
            let Some(w) = self.written.get(stamp) else {
                return false;
            };
            if w.bytes.is_empty() {
                out.fill(0);
                continue;
            }
            let mut held = w.bytes.chunks_exact(self.block_bytes);
            let nth = at.checked_sub(w.lba).and_then(|n| usize::try_from(n).ok());
            match nth.and_then(|n| held.nth(n)) {
                Some(bytes) => out.copy_from_slice(bytes),
                None => return false,
            }
        }
        true
    }

    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Bytes of data held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn wants_sweep(&self) -> bool {
        self.bytes >= self.sweep_at
    }

    /// Forgets every stamp that `each` does not name.
    pub fn sweep(&mut self, each: impl FnOnce(&mut dyn FnMut(Stamp))) {
        let mut live = HashSet::with_capacity(self.written.len()); // determinism: wall time, and only looked up
        each(&mut |stamp| {
            live.insert(stamp);
        });
        self.written.retain(|stamp, _| live.contains(stamp));
        self.bytes = self.written.values().map(|w| w.bytes.len()).sum();
        self.sweep_at = (self.bytes * 2).max(SWEEP_MIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_gets_each_block_from_the_write_that_it_shows() {
        let mut c = Content::new(4);
        c.put(1, 10, b"aaaabbbbcccc");
        c.put(2, 11, b"XXXX");
        c.put(3, 12, b"");
        let mut out = [9; 16];
        assert!(c.get(10, &[1, 2, 3, 0], &mut out));
        assert_eq!(&out, b"aaaaXXXX\0\0\0\0\0\0\0\0");
        assert!(!c.get(10, &[7, 1, 1, 1], &mut out), "nobody wrote that");
        assert!(!c.get(9, &[1, 1, 1, 1], &mut out), "not at that place");
    }

    #[test]
    fn a_sweep_forgets_what_nobody_can_read() {
        let mut c = Content::new(4);
        c.put(1, 0, b"aaaa");
        c.put(2, 0, b"bbbb");
        c.sweep(|visit| visit(2));
        let mut out = [0; 4];
        assert!(!c.get(0, &[1], &mut out));
        assert!(c.get(0, &[2], &mut out));
        assert_eq!(c.bytes(), 4);
    }
}

//! Real bytes, for a target that initiators of other makers read back. Pages of 4 KiB, held only where something
//! other than zeroes was written; zeroing a whole page gives its memory back.

use super::table::PageTable;

const PAGE: usize = 4096;
/// The table's word of a page that holds nothing: an index no page has.
const NOTHING: u64 = u64::MAX;

/// A sparse store of bytes; zero where nothing was written.
pub struct ByteMap {
    table: PageTable,
    pages: Vec<Box<[u8; PAGE]>>,
    free: Vec<u64>,
}

impl Default for ByteMap {
    fn default() -> Self {
        Self::new()
    }
}

impl ByteMap {
    pub fn new() -> Self {
        ByteMap {
            table: PageTable::new(),
            pages: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Fills `out` from `offset` bytes on.
    pub fn read(&self, offset: u64, out: &mut [u8]) {
        let mut done = 0;
        while done < out.len() {
            let (page, first, count) = part(offset + done as u64, out.len() - done);
            let target = &mut out[done..done + count];
            match self.table.get(page) {
                Some(index) if index != NOTHING => {
                    target.copy_from_slice(&self.pages[index as usize][first..first + count]);
                }
                _ => target.fill(0),
            }
            done += count;
        }
    }

    pub fn write(&mut self, offset: u64, data: &[u8]) {
        let mut done = 0;
        while done < data.len() {
            let (page, first, count) = part(offset + done as u64, data.len() - done);
            let (word, _) = self.table.entry(page, NOTHING);
            if *word == NOTHING {
                *word = self.free.pop().unwrap_or_else(|| {
                    self.pages.push(Box::new([0; PAGE]));
                    self.pages.len() as u64 - 1
                });
            }
            let target = &mut self.pages[*word as usize];
            target[first..first + count].copy_from_slice(&data[done..done + count]);
            done += count;
        }
    }

    /// Makes a range zero: discard and write-zeroes.
    pub fn zero(&mut self, offset: u64, bytes: u64) {
        let mut done = 0;
        while done < bytes {
            let left = usize::try_from(bytes - done).unwrap_or(usize::MAX);
            let (page, first, count) = part(offset + done, left);
            if let Some(index) = self.table.get(page).filter(|&i| i != NOTHING) {
                self.pages[index as usize][first..first + count].fill(0);
                if count == PAGE {
                    *self.table.entry(page, NOTHING).0 = NOTHING;
                    self.free.push(index);
                }
            }
            done += count as u64;
        }
    }

    /// Memory held, in bytes.
    pub fn bytes_used(&self) -> usize {
        self.table.bytes_used() + self.pages.len() * PAGE + self.free.capacity() * 8
    }
}

/// The page at an offset, where in it, and how much of `left` is in it.
fn part(offset: u64, left: usize) -> (u64, usize, usize) {
    let first = (offset % PAGE as u64) as usize;
    (offset / PAGE as u64, first, left.min(PAGE - first))
}

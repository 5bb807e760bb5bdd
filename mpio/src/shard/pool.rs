//! The buffers of one shard, for all its volumes. Nothing recalls a command from a kernel block path, so a buffer is free only when the
//! last command that names it has come back, whatever became of the request.
//!
//! Each tag has a buffer. Where a command that was given up may still write into it, the tag goes on with a spare one, and
//! the old one is parked until that command returns. Tags are counted through all volumes of the shard.

use std::io;
use std::sync::Arc;

#[derive(Debug)]
pub struct Pool {
    memory: *mut u8,
    each: usize,
    /// Commands out that name the buffer.
    users: Vec<u16>,
    parked: Vec<bool>,
    spare: Vec<u32>,
    /// The buffer of each tag.
    of_tag: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fresh {
    /// Nothing names it.
    Same,
    /// The tag goes on with another buffer, the old one is parked.
    Other,
    NoSpare,
}

impl Pool {
    /// In memory from the start: what serves I/O must not wait for a page.
    pub fn new(tags: u32, spares: u32, each: usize) -> io::Result<Pool> {
        let total = (tags + spares) as usize;
        // SAFETY: a new private mapping at an address that the kernel chooses.
        let memory = unsafe {
            let (protection, flags) = (
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
            );
            libc::mmap(std::ptr::null_mut(), total * each, protection, flags, -1, 0)
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Pool {
            memory: memory.cast(),
            each,
            users: vec![0; total],
            parked: vec![false; total],
            spare: (tags..tags + spares).collect(),
            of_tag: (0..tags).collect(),
        })
    }

    pub fn address(&self, buffer: u32) -> *mut u8 {
        assert!((buffer as usize) < self.users.len());
        // SAFETY: within the mapping, as asserted.
        unsafe { self.memory.add(buffer as usize * self.each) }
    }

    /// What is in a part of a buffer.
    pub fn copy_of(&self, buffer: u32, at: usize, bytes: usize) -> Arc<[u8]> {
        assert!(at.checked_add(bytes).is_some_and(|end| end <= self.each));
        // SAFETY: within the buffer, as asserted. It holds the data of a request that is not over, and what reads from it meanwhile
        // (commands, the kernel) changes nothing.
        unsafe { std::slice::from_raw_parts(self.address(buffer).add(at), bytes) }.into()
    }

    /// Puts data into a buffer that no command names.
    pub fn fill(&mut self, buffer: u32, at: usize, data: &[u8]) {
        assert!(
            at.checked_add(data.len())
                .is_some_and(|end| end <= self.each)
        );
        assert!(!self.in_use(buffer));
        // SAFETY: within the buffer, as asserted, which nothing else uses; `data` is no part of the mapping.
        unsafe {
            self.address(buffer)
                .add(at)
                .copy_from_nonoverlapping(data.as_ptr(), data.len())
        };
    }

    pub fn of_tag(&self, tag: u32) -> u32 {
        self.of_tag[tag as usize]
    }

    pub fn in_use(&self, buffer: u32) -> bool {
        self.users[buffer as usize] > 0
    }

    pub fn take(&mut self, buffer: u32) {
        self.users[buffer as usize] += 1;
    }

    /// A command that named the buffer has come back; true: it was the last one, and the buffer was parked.
    pub fn give(&mut self, buffer: u32) -> bool {
        self.land(buffer);
        self.settle(buffer)
    }

    /// A command has come back; what it left in the buffer stays until `settle`.
    pub fn land(&mut self, buffer: u32) {
        self.users[buffer as usize] -= 1;
    }

    /// Back to the spares, if it was parked and nothing names it; whether it was.
    pub fn settle(&mut self, buffer: u32) -> bool {
        let b = buffer as usize;
        let free = self.users[b] == 0 && std::mem::take(&mut self.parked[b]);
        if free {
            self.spare.push(buffer);
        }
        free
    }

    /// A buffer beside those of the tags; it comes back when its only command does.
    pub fn spare(&mut self) -> Option<u32> {
        let buffer = self.spare.pop()?;
        self.parked[buffer as usize] = true;
        Some(buffer)
    }

    /// The same, for what can wait: it leaves so many.
    pub fn spare_beyond(&mut self, left: usize) -> Option<u32> {
        (self.spare.len() > left).then(|| self.spare())?
    }

    /// What is in a spare buffer is the answer for the tag: the tag goes on with it. True: its old one is parked until nothing out
    /// names it.
    pub fn adopt(&mut self, tag: u32, buffer: u32) -> bool {
        self.parked[buffer as usize] = false;
        let old = std::mem::replace(&mut self.of_tag[tag as usize], buffer);
        self.parked[old as usize] = true;
        !self.settle(old)
    }

    /// Makes sure that nothing out can touch the tag's buffer.
    pub fn fresh(&mut self, tag: u32) -> Fresh {
        let old = self.of_tag(tag);
        if !self.in_use(old) {
            return Fresh::Same;
        }
        let Some(new) = self.spare.pop() else {
            return Fresh::NoSpare;
        };
        self.parked[old as usize] = true;
        self.of_tag[tag as usize] = new;
        Fresh::Other
    }
}

// SAFETY: the mapping belongs to the process; the pool goes to the shard's thread before any command names it.
unsafe impl Send for Pool {}

impl Drop for Pool {
    fn drop(&mut self) {
        // A command that is still out may write at any time: its memory stays.
        if self.users.iter().all(|n| *n == 0) {
            // SAFETY: the mapping is this pool's own, and no command names it any more.
            unsafe { libc::munmap(self.memory.cast(), self.users.len() * self.each) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_with_a_command_out_is_parked_and_comes_back() {
        let mut pool = Pool::new(2, 1, 4096).unwrap();
        pool.take(0);
        assert_eq!(pool.fresh(0), Fresh::Other);
        assert_eq!(pool.of_tag(0), 2);
        assert_eq!(pool.spare(), None);
        pool.take(2);
        assert_eq!(pool.fresh(0), Fresh::NoSpare);
        assert!(pool.give(0), "it was parked");
        assert_eq!(pool.fresh(0), Fresh::Other);
        assert_eq!(pool.of_tag(0), 0);
        assert!(pool.give(2));
        assert_eq!(pool.spare(), Some(2));
    }

    #[test]
    fn a_second_attempt_that_wins_brings_its_buffer() {
        let mut pool = Pool::new(1, 2, 4096).unwrap();
        pool.take(0);
        let second = pool.spare_beyond(1).unwrap();
        pool.take(second);
        assert_eq!(pool.spare_beyond(1), None, "one is left for retries");
        pool.land(second);
        assert!(pool.adopt(0, second), "the first attempt is out");
        assert_eq!(pool.of_tag(0), second);
        assert_eq!(pool.fresh(0), Fresh::Same, "its data are not swapped away");
        assert!(pool.give(0));
        assert_eq!(pool.spare(), Some(0));
    }

    #[test]
    fn a_second_attempt_that_loses_gives_its_buffer_back() {
        let mut pool = Pool::new(1, 1, 4096).unwrap();
        let second = pool.spare_beyond(0).unwrap();
        pool.take(second);
        pool.land(second);
        assert_eq!(
            pool.spare(),
            None,
            "until it is known that nobody wants its data"
        );
        assert!(pool.settle(second));
        assert_eq!(pool.spare(), Some(second));
    }

    #[test]
    fn what_is_put_into_a_buffer_is_in_that_part_of_it() {
        let mut pool = Pool::new(2, 0, 4096).unwrap();
        pool.fill(1, 4093, &[7, 8, 9]);
        assert_eq!(&*pool.copy_of(1, 4092, 4), [0, 7, 8, 9]);
        assert_eq!(&*pool.copy_of(0, 4092, 4), [0; 4]);
    }

    #[test]
    #[should_panic(expected = "in_use")]
    fn nothing_is_put_into_a_buffer_that_a_command_names() {
        let mut pool = Pool::new(1, 0, 4096).unwrap();
        pool.take(0);
        pool.fill(0, 0, &[1]);
    }

    #[test]
    fn an_unused_buffer_stays_with_its_tag() {
        let mut pool = Pool::new(1, 1, 4096).unwrap();
        assert_eq!(pool.fresh(0), Fresh::Same);
        assert_eq!(pool.of_tag(0), 0);
        assert_ne!(pool.address(0), pool.address(1));
        pool.take(0);
        assert!(!pool.give(0), "it is the tag's");
    }
}

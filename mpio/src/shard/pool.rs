//! The buffers of one shard, for all its volumes. Nothing recalls a command from a kernel block path, so a buffer is free only when the
//! last command that names it has come back, whatever became of the request.
//!
//! A tag has a buffer: its own for ever, or a spare one while the kernel asks something under it. Where a command that was given up may still write
//! into it, the tag goes on with another spare, and the old one is parked until that command returns. Tags are counted through all volumes of the shard.

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
    /// The buffer of each tag, or `NONE`.
    of_tag: Vec<u32>,
    /// Spares that are kept for volumes which have fewer than their part.
    kept: usize,
}

/// No buffer.
pub const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fresh {
    /// Nothing names it.
    Same,
    /// The tag goes on with another buffer, the old one is parked.
    Other,
    NoSpare,
}

impl Pool {
    /// `owns`: for each tag, whether it has a buffer of its own. In memory from the start: what serves I/O must not wait for a page.
    pub fn new(owns: &[bool], spares: u32, each: usize) -> io::Result<Pool> {
        let mut owned = 0;
        let mut own = |owns: &bool| {
            owned += u32::from(*owns);
            if *owns { owned - 1 } else { NONE }
        };
        let of_tag: Vec<u32> = owns.iter().map(&mut own).collect();
        let total = (owned + spares) as usize;
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
            spare: (owned..owned + spares).collect(),
            of_tag,
            kept: spares as usize / 2,
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

    /// All of it, for the ring to have its pages at hand.
    pub fn memory(&self) -> libc::iovec {
        libc::iovec {
            iov_base: self.memory.cast(),
            iov_len: self.users.len() * self.each,
        }
    }

    /// What is in a buffer; the caller sees to it that nothing out writes to it meanwhile.
    pub fn bytes(&mut self, buffer: u32, length: usize) -> &mut [u8] {
        assert!(length <= self.each);
        // SAFETY: within the mapping, which is initialised; a command that still names the buffer reads it, or the caller errs.
        unsafe { std::slice::from_raw_parts_mut(self.address(buffer), length) }
    }

    /// The tag's buffer, or `NONE`.
    pub fn of_tag(&self, tag: u32) -> u32 {
        self.of_tag[tag as usize]
    }

    /// A spare for a tag that has none, while its volume has so many of them. Half of the spares are there for volumes that have fewer than `part`
    /// each, so that one whose paths are all gone does not take them from the others.
    pub fn lend(&mut self, tag: u32, has: u32, part: u32) -> bool {
        if self.spare.len() <= self.kept && has >= part {
            return false;
        }
        self.spare_for(tag)
    }

    fn spare_for(&mut self, tag: u32) -> bool {
        let Some(buffer) = self.spare.pop() else {
            return false;
        };
        self.of_tag[tag as usize] = buffer;
        true
    }

    /// The tag needs its spare no longer. True: a command that was given up names it, and it is parked.
    pub fn return_of(&mut self, tag: u32) -> bool {
        let buffer = std::mem::replace(&mut self.of_tag[tag as usize], NONE);
        self.parked[buffer as usize] = true;
        !self.settle(buffer)
    }

    /// Of each of so many volumes, what `lend` keeps for it.
    pub fn part(&self, volumes: usize) -> u32 {
        (self.kept / volumes.max(1)).max(1) as u32
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
        if old == NONE {
            return false;
        }
        self.parked[old as usize] = true;
        !self.settle(old)
    }

    /// Makes sure that the tag has a buffer, and nothing out can touch it.
    pub fn fresh(&mut self, tag: u32) -> Fresh {
        let old = self.of_tag(tag);
        if old == NONE {
            return match self.spare_for(tag) {
                true => Fresh::Same,
                false => Fresh::NoSpare,
            };
        }
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
    fn what_is_put_into_a_buffer_is_in_that_part_of_it() {
        let mut pool = Pool::new(&[true; 2], 0, 4096).unwrap();
        pool.fill(1, 4093, &[7, 8, 9]);
        assert_eq!(&*pool.copy_of(1, 4092, 4), [0, 7, 8, 9]);
        assert_eq!(&*pool.copy_of(0, 4092, 4), [0; 4]);
    }

    #[test]
    #[should_panic(expected = "in_use")]
    fn nothing_is_put_into_a_buffer_that_a_command_names() {
        let mut pool = Pool::new(&[true], 0, 4096).unwrap();
        pool.take(0);
        pool.fill(0, 0, &[1]);
    }

    #[test]
    fn a_buffer_with_a_command_out_is_parked_and_comes_back() {
        let mut pool = Pool::new(&[true; 2], 1, 4096).unwrap();
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
        let mut pool = Pool::new(&[true], 2, 4096).unwrap();
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
        let mut pool = Pool::new(&[true], 1, 4096).unwrap();
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
    fn an_unused_buffer_stays_with_its_tag() {
        let mut pool = Pool::new(&[true], 1, 4096).unwrap();
        assert_eq!(pool.fresh(0), Fresh::Same);
        assert_eq!(pool.of_tag(0), 0);
        assert_ne!(pool.address(0), pool.address(1));
        pool.take(0);
        assert!(!pool.give(0), "it is the tag's");
    }

    #[test]
    fn a_tag_without_a_buffer_has_one_while_it_is_asked() {
        let mut pool = Pool::new(&[false, true], 1, 4096).unwrap();
        assert_eq!((pool.of_tag(0), pool.of_tag(1)), (NONE, 0));
        assert!(pool.lend(0, 0, 1));
        assert_eq!(pool.of_tag(0), 1);
        pool.bytes(1, 4096).fill(7);
        assert_eq!(pool.fresh(0), Fresh::Same);
        assert!(!pool.return_of(0), "nothing names it");
        assert_eq!(pool.of_tag(0), NONE);
        assert!(pool.lend(0, 0, 1));
        pool.take(1);
        assert!(pool.return_of(0), "a command does");
        assert!(!pool.lend(0, 0, 1));
        assert_eq!(pool.fresh(0), Fresh::NoSpare);
        assert!(pool.give(1));
        assert_eq!(pool.fresh(0), Fresh::Same);
        assert_eq!(pool.of_tag(0), 1);
    }

    #[test]
    fn one_volume_leaves_the_others_their_part() {
        let mut pool = Pool::new(&[false; 8], 6, 4096).unwrap();
        assert_eq!(pool.part(3), 1);
        assert_eq!(pool.part(2), 1);
        let mut has = 0;
        while pool.lend(has, has, 1) {
            has += 1;
        }
        assert_eq!(has, 3, "half is kept");
        assert!(pool.lend(7, 0, 1));
        assert!(!pool.lend(6, 1, 1));
    }
}

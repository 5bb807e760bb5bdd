//! The buffers of one volume's queue. Nothing recalls a command from a kernel block path, so a buffer is free only when the
//! last command that names it has come back, whatever became of the request.
//!
//! Each tag has a buffer. Where a command that was given up may still write into it, the tag goes on with a spare one, and
//! the old one is parked until that command returns.

use std::io;

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
    /// Parked now, and at most.
    pub parked_now: u32,
    pub parked_max: u32,
}

impl Pool {
    pub fn new(depth: u16, spares: usize, each: usize) -> io::Result<Pool> {
        let total = usize::from(depth) + spares;
        // SAFETY: a new private mapping; pages that are never touched take no memory.
        let memory = unsafe {
            let (protection, flags) = (
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
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
            spare: (u32::from(depth)..total as u32).collect(),
            of_tag: (0..u32::from(depth)).collect(),
            parked_now: 0,
            parked_max: 0,
        })
    }

    pub fn address(&self, buffer: u32) -> *mut u8 {
        assert!((buffer as usize) < self.users.len());
        // SAFETY: within the mapping, as asserted.
        unsafe { self.memory.add(buffer as usize * self.each) }
    }

    pub fn of_tag(&self, tag: u16) -> u32 {
        self.of_tag[usize::from(tag)]
    }

    pub fn in_use(&self, buffer: u32) -> bool {
        self.users[buffer as usize] > 0
    }

    pub fn take(&mut self, buffer: u32) {
        self.users[buffer as usize] += 1;
    }

    /// A command that named the buffer has come back.
    pub fn give(&mut self, buffer: u32) {
        self.land(buffer);
        self.settle(buffer);
    }

    /// The same; what it left there stays until `settle`.
    pub fn land(&mut self, buffer: u32) {
        self.users[buffer as usize] -= 1;
    }

    /// Back to the spares, if it is nobody's.
    pub fn settle(&mut self, buffer: u32) {
        let b = buffer as usize;
        if self.users[b] == 0 && std::mem::take(&mut self.parked[b]) {
            self.parked_now -= 1;
            self.spare.push(buffer);
        }
    }

    /// A buffer beside those of the tags; it comes back when its only command does.
    pub fn spare(&mut self) -> Option<u32> {
        let buffer = self.spare.pop()?;
        self.park(buffer);
        Some(buffer)
    }

    /// The same, for what can wait: it leaves so many.
    pub fn spare_beyond(&mut self, left: usize) -> Option<u32> {
        (self.spare.len() > left).then(|| self.spare())?
    }

    /// What is in a spare buffer is the answer for the tag: the tag goes on with it, and its own is parked until nothing
    /// out names it.
    pub fn adopt(&mut self, tag: u16, buffer: u32) {
        self.parked[buffer as usize] = false;
        self.parked_now -= 1;
        let old = std::mem::replace(&mut self.of_tag[usize::from(tag)], buffer);
        self.park(old);
        self.settle(old);
    }

    fn park(&mut self, buffer: u32) {
        self.parked[buffer as usize] = true;
        self.parked_now += 1;
        self.parked_max = self.parked_max.max(self.parked_now);
    }

    /// Makes sure that nothing out can touch the tag's buffer; false: there is no spare.
    pub fn fresh(&mut self, tag: u16) -> bool {
        let old = self.of_tag(tag);
        if !self.in_use(old) {
            return true;
        }
        let Some(new) = self.spare.pop() else {
            return false;
        };
        self.park(old);
        self.of_tag[usize::from(tag)] = new;
        true
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
        assert!(pool.fresh(0));
        assert_eq!(pool.of_tag(0), 2);
        assert_eq!((pool.parked_now, pool.spare()), (1, None));
        pool.take(2);
        assert!(!pool.fresh(0), "no spare");
        pool.give(0);
        assert!(pool.fresh(0));
        assert_eq!(pool.of_tag(0), 0);
        pool.give(2);
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
        pool.adopt(0, second);
        assert_eq!(pool.of_tag(0), second);
        assert_eq!(pool.parked_now, 1, "the first attempt is out");
        assert!(pool.fresh(0));
        assert_eq!(pool.of_tag(0), second, "its data are not swapped away");
        pool.give(0);
        assert_eq!((pool.parked_now, pool.spare()), (0, Some(0)));
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
        pool.settle(second);
        assert_eq!(pool.spare(), Some(second));
    }

    #[test]
    fn an_unused_buffer_stays_with_its_tag() {
        let mut pool = Pool::new(1, 1, 4096).unwrap();
        assert!(pool.fresh(0));
        assert_eq!(pool.of_tag(0), 0);
        assert_ne!(pool.address(0), pool.address(1));
    }
}

//! The buffers that requests lend to the datapath: the virtual twin of the daemon's pool. Each request has one; a second attempt of a
//! read has one of its own, which becomes the request's if its answer is the request's. A buffer is free only when no command
//! that is out names it, whatever became of the request.

use simarray::api::Stamp;

/// What no array ever stores: a buffer that nobody filled must not look like data.
pub const POISON: Stamp = u64::MAX;

#[derive(Debug, Default)]
struct Buffer {
    data: Vec<Stamp>,
    /// Commands out that name it, on standing connections.
    users: u32,
    /// Commands out that name it and were given up, while their connection stands.
    strays: u32,
    /// No request's: it is free when its last command is over.
    parked: bool,
}

#[derive(Debug, Default)]
pub struct Pool {
    buffers: Vec<Buffer>,
    free: Vec<u32>,
}

impl Pool {
    /// A buffer for so many blocks of data to come.
    #[inline]
    pub fn open(&mut self, blocks: usize) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Buffer::default());
            (self.buffers.len() - 1) as u32
        });
        let data = &mut self.buffers[at as usize].data;
        data.clear();
        data.resize(blocks, POISON);
        at
    }

    /// The request is over.
    #[inline]
    pub fn close(&mut self, at: u32) {
        self.park(at);
        self.settle(at);
    }

    /// No request's any more: it is free with its last command's end.
    pub fn park(&mut self, at: u32) {
        self.buffers[at as usize].parked = true;
    }

    /// A parked buffer is a request's from now on.
    pub fn adopt(&mut self, at: u32) {
        self.buffers[at as usize].parked = false;
    }

    #[inline]
    pub fn users(&self, at: u32) -> u32 {
        self.buffers[at as usize].users
    }

    #[inline]
    pub fn data(&self, at: u32) -> &[Stamp] {
        &self.buffers[at as usize].data
    }

    /// A command that names it is sent.
    #[inline]
    pub fn take(&mut self, at: u32) {
        self.buffers[at as usize].users += 1;
    }

    /// A command that names it is over. What it left there stays until `settle`.
    #[inline]
    pub fn give(&mut self, at: u32) {
        self.buffers[at as usize].users -= 1;
    }

    /// A command that names it is given up, and may still use it.
    pub fn stray(&mut self, at: u32) {
        self.buffers[at as usize].users -= 1;
        self.buffers[at as usize].strays += 1;
    }

    /// Such a command is over.
    pub fn stray_over(&mut self, at: u32) {
        self.buffers[at as usize].strays -= 1;
        self.settle(at);
    }

    /// Free, if it is nobody's.
    #[inline]
    pub fn settle(&mut self, at: u32) {
        let buffer = &mut self.buffers[at as usize];
        if buffer.parked && buffer.users + buffer.strays == 0 {
            buffer.parked = false;
            self.free.push(at);
        }
    }

    /// A read's data arrive in the buffer.
    #[inline]
    pub fn fill(&mut self, at: u32, offset: u32, data: &[Stamp]) {
        let buffer = &mut self.buffers[at as usize].data;
        let from = (offset as usize).min(buffer.len());
        let n = data.len().min(buffer.len() - from);
        buffer[from..from + n].copy_from_slice(&data[..n]);
    }

    /// Buffers that are somebody's: a request's, or a command's that is out and was not given up.
    pub fn used(&self) -> usize {
        let lent = |b: &&Buffer| b.parked && b.users == 0 && b.strays > 0;
        self.buffers.len() - self.free.len() - self.buffers.iter().filter(lent).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_nobody_filled_is_poison() {
        let mut p = Pool::default();
        let at = p.open(3);
        p.fill(at, 1, &[7, 8, 9]);
        assert_eq!(p.data(at), [POISON, 7, 8]);
    }

    #[test]
    fn what_a_stray_names_is_free_with_its_end() {
        let mut p = Pool::default();
        let at = p.open(1);
        p.take(at);
        p.stray(at);
        assert_eq!(p.users(at), 0, "the request may be completed");
        p.close(at);
        assert_eq!(p.used(), 0, "it is no leak");
        assert_ne!(p.open(1), at, "and not free");
        p.stray_over(at);
        assert_eq!(p.open(1), at);
    }

    #[test]
    fn what_a_command_names_is_not_free() {
        let mut p = Pool::default();
        let (first, second) = (p.open(1), p.open(1));
        p.park(second);
        p.take(first);
        p.take(second);
        // The second attempt is answered and wins: its buffer is the request's, and the first one's is parked.
        p.give(second);
        p.adopt(second);
        p.park(first);
        p.settle(first);
        p.settle(second);
        assert_eq!(p.used(), 2);
        p.close(second);
        assert_eq!(p.used(), 1, "the first attempt is out");
        assert_eq!(p.open(1), second);
        p.give(first);
        p.settle(first);
        assert_eq!(p.used(), 1);
    }
}

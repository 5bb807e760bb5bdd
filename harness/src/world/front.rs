//! The front end, as the kernel's block layer would be: application I/Os, the requests they become, and the buffers that
//! each request lends to the datapath until it is completed.

use super::pool::Pool;
use protocol::{Instant, Op};
use simarray::api::Stamp;

/// An I/O of an application: one request, or two where a replayed one wraps around the volume's end.
#[derive(Clone, Copy, Debug)]
pub struct AppIo {
    pub workload: u16,
    pub slot: u32,
    pub op: Op,
    pub bytes: u64,
    pub since: Instant,
    pub pieces_left: u8,
    /// Its first failure; 0: there was none.
    pub errno: i32,
}

/// One request at a datapath shard.
#[derive(Clone, Copy, Debug)]
pub struct Req {
    pub active: bool,
    pub generation: u32,
    pub io: u32,
    pub core: u32,
    pub volume: u16,
    pub op: Op,
    pub fua: bool,
    pub failfast: bool,
    pub lba: u64,
    pub blocks: u32,
    pub stamp: Stamp,
    /// In which order requests came, for a datapath that recovers.
    pub seq: u64,
    pub buf: u32,
    /// A read of it was sent a second time while the first attempt was out.
    pub hedged: bool,
    /// Of a hedged one: some command was executed for it.
    pub executed: bool,
}

impl Req {
    pub fn cookie(&self, slot: u32) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(slot)
    }
}

/// A store of reusable places.
#[derive(Debug)]
pub struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub fn new() -> Self {
        Slab {
            items: Vec::new(),
            free: Vec::new(),
        }
    }

    #[inline]
    pub fn insert(&mut self, item: T) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.items[at as usize] = item;
                at
            }
            None => {
                self.items.push(item);
                (self.items.len() - 1) as u32
            }
        }
    }

    #[inline]
    pub fn remove(&mut self, at: u32) {
        self.free.push(at);
    }

    #[inline]
    pub fn get(&self, at: u32) -> Option<&T> {
        self.items.get(at as usize)
    }

    #[inline]
    pub fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.items.get_mut(at as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.items.iter().enumerate().map(|(i, t)| (i as u32, t))
    }
}

#[derive(Debug)]
pub struct Front {
    pub ios: Slab<AppIo>,
    pub reqs: Slab<Req>,
    pub pool: Pool,
    seq: u64,
    /// Requests that are not completed.
    pub outstanding: u64,
}

impl Front {
    pub fn new() -> Self {
        Front {
            ios: Slab::new(),
            reqs: Slab::new(),
            pool: Pool::default(),
            seq: 0,
            outstanding: 0,
        }
    }

    /// Takes a place for a request; its stamp is set by the caller.
    #[inline]
    pub fn open(&mut self, mut req: Req) -> u32 {
        self.seq += 1;
        self.outstanding += 1;
        req.seq = self.seq;
        req.active = true;
        let blocks = if req.op == Op::Read { req.blocks } else { 0 };
        req.buf = self.pool.open(blocks as usize);
        match self.reqs.free.pop() {
            Some(at) => {
                req.generation = self.reqs.items[at as usize].generation.wrapping_add(1);
                self.reqs.items[at as usize] = req;
                at
            }
            None => self.reqs.insert(req),
        }
    }

    /// A command of a request with two attempts was executed: was it the first? One whose request is over was not.
    pub fn first_of_hedged(&mut self, cookie: u64) -> bool {
        let Some((slot, _)) = self.current(cookie) else {
            return false;
        };
        !std::mem::replace(&mut self.reqs.items[slot as usize].executed, true)
    }

    /// The request that a cookie names, if it is not completed.
    #[inline]
    pub fn current(&self, cookie: u64) -> Option<(u32, &Req)> {
        let slot = cookie as u32;
        let req = self.reqs.get(slot)?;
        (req.active && req.generation == (cookie >> 32) as u32).then_some((slot, req))
    }

    #[inline]
    pub fn data(&self, slot: u32) -> &[Stamp] {
        self.pool.data(self.reqs.items[slot as usize].buf)
    }

    #[inline]
    pub fn close(&mut self, slot: u32) {
        if let Some(req) = self.reqs.get_mut(slot) {
            req.active = false;
            let buf = req.buf;
            self.pool.close(buf);
        }
        self.outstanding -= 1;
        self.reqs.remove(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(blocks: u32) -> Req {
        Req {
            active: false,
            generation: 0,
            io: 0,
            core: 0,
            volume: 0,
            op: Op::Read,
            fua: false,
            failfast: false,
            lba: 0,
            blocks,
            stamp: 0,
            seq: 0,
            buf: 0,
            hedged: false,
            executed: false,
        }
    }

    #[test]
    fn a_completed_request_does_not_answer_to_its_cookie() {
        let mut f = Front::new();
        let slot = f.open(read(2));
        let cookie = f.reqs.get(slot).unwrap().cookie(slot);
        assert!(f.current(cookie).is_some());
        f.close(slot);
        assert!(f.current(cookie).is_none());
        assert_eq!(f.open(read(1)), slot);
        assert!(f.current(cookie).is_none(), "the slot is used again");
    }
}

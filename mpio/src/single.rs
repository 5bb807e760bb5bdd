//! A ublk device with one queue, served by whoever answers its requests: the simulated array does. Plain rather than fast: each request's data are
//! copied, and one thread does everything.

use crate::device::Limits;
use crate::front::{Asked, Copy, Front, FrontError, Queue, Wanted};
use crate::uring::{self, push};
use io_uring::IoUring;
use libublk::io::UblkDev;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Bytes of one request at most.
pub const BUFFER_BYTES: u32 = 512 << 10;
/// The longest sleep: whoever answers may have other things to look after.
const WAIT_MAX: Duration = Duration::from_millis(10);

/// What a device is to be.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub bytes: u64,
    pub block_bytes: u32,
    pub depth: u16,
}

/// A request is over.
#[derive(Clone, Debug)]
pub struct Over {
    pub tag: u16,
    /// 0, or an errno.
    pub errno: i32,
    /// What a read that went well returns.
    pub data: Vec<u8>,
}

/// Answers requests.
pub trait Backend {
    /// A request, and what it writes.
    fn submit(&mut self, tag: u16, asked: Asked, data: &[u8]);
    /// Adds what is over by now, and says how long there is nothing to do.
    fn poll(&mut self, over: &mut Vec<Over>) -> Duration;
    /// The device is asked to go: what is still out should end soon.
    fn stopping(&mut self);
}

#[derive(Debug, thiserror::Error)]
pub enum SingleError {
    #[error(transparent)]
    Front(#[from] FrontError),
    #[error("the queue's ring: {0}")]
    Ring(#[from] io::Error),
    #[error("the queue's thread ended by a defect")]
    Thread,
}

/// Makes the device, tells `ready` its name, and serves it until `stop`. It is gone when this returns.
pub fn serve<B: Backend + Send + 'static>(
    shape: Shape,
    backend: B,
    stop: &Arc<AtomicBool>,
    ready: impl FnOnce(&str),
) -> Result<(), SingleError> {
    let front = Front::add(&Wanted {
        depth: shape.depth,
        bytes: shape.bytes,
        limits: Limits::memory(shape.block_bytes),
        queues: 1,
        buffer_bytes: BUFFER_BYTES,
        copy: Copy::Copy,
        recover: None,
    })?;
    let dev = front.dev.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let ending = Arc::new(AtomicBool::new(false));
    let thread = std::thread::spawn({
        let (depth, ending) = (shape.depth, ending.clone());
        move || -> Result<(), SingleError> {
            let tid = Front::init_thread();
            let made =
                Queue::map(&dev, 0, Copy::Copy, 0).and_then(|queue| Ok((queue, ring(depth)?)));
            // Without this word nobody could ever start, or stop, the device.
            Queue::fetched(&dev);
            let (queue, ring) = made?;
            let _ = tell.send(tid);
            let mut looped = Loop::new(ring, queue, dev.clone(), backend, ending)?;
            drop(dev);
            looped.run()
        }
    });
    let served = match told.recv() {
        Ok(tid) => front.configure(0, tid).and_then(|()| front.start()),
        // The thread has ended: it says why.
        Err(_) => Ok(()),
    };
    if served.is_ok() && !thread.is_finished() {
        ready(&front.path());
        while !stop.load(Ordering::Relaxed) && !thread.is_finished() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    ending.store(true, Ordering::Relaxed);
    let stopped = front.stop();
    let ended = thread.join().map_err(|_| SingleError::Thread);
    let deleted = front.delete();
    served?;
    ended??;
    stopped?;
    deleted?;
    Ok(())
}

fn ring(depth: u16) -> Result<IoUring, FrontError> {
    IoUring::new(u32::from(depth).next_power_of_two().max(8))
        .map_err(|source| FrontError::Map { queue: 0, source })
}

struct Loop<B> {
    ring: IoUring,
    queue: Queue,
    backend: B,
    buffers: Vec<Box<[u8]>>,
    /// Where the kernel puts and takes a tag's data: between its commit and its next request nothing here looks into the buffer.
    addresses: Vec<u64>,
    /// What the kernel asked under each tag.
    asked: Vec<Option<Asked>>,
    aborted: u16,
    ending: Arc<AtomicBool>,
    ended: bool,
    _dev: Arc<UblkDev>,
}

impl<B: Backend> Loop<B> {
    fn new(
        ring: IoUring,
        queue: Queue,
        dev: Arc<UblkDev>,
        backend: B,
        ending: Arc<AtomicBool>,
    ) -> io::Result<Loop<B>> {
        let depth = usize::from(queue.depth);
        let mut buffers: Vec<Box<[u8]>> = (0..depth)
            .map(|_| vec![0; BUFFER_BYTES as usize].into())
            .collect();
        let addresses = buffers.iter_mut().map(|b| b.as_mut_ptr() as u64).collect();
        let mut looped = Loop {
            ring,
            backend,
            buffers,
            addresses,
            asked: vec![None; depth],
            aborted: 0,
            ending,
            ended: false,
            _dev: dev,
            queue,
        };
        for tag in 0..looped.queue.depth {
            let entry = looped.queue.fetch(tag, looped.address(tag));
            push(&mut looped.ring, &entry.user_data(u64::from(tag)));
        }
        looped.ring.submit()?;
        Ok(looped)
    }

    fn address(&self, tag: u16) -> u64 {
        self.addresses[usize::from(tag)]
    }

    fn run(&mut self) -> Result<(), SingleError> {
        let mut over = Vec::new();
        let mut came = Vec::new();
        while self.aborted < self.queue.depth {
            if self.ending.load(Ordering::Relaxed) && !self.ended {
                self.ended = true;
                self.backend.stopping();
            }
            let wait = self.backend.poll(&mut over).min(WAIT_MAX);
            for o in over.drain(..) {
                self.answer(&o);
            }
            uring::enter(&self.ring, wait)?;
            came.extend(self.ring.completion().map(|c| (c.user_data(), c.result())));
            for (tag, result) in came.drain(..) {
                self.came(tag as u16, result);
            }
        }
        Ok(())
    }

    fn came(&mut self, tag: u16, result: i32) {
        if result != 0 {
            self.aborted += 1;
            return;
        }
        let asked = self.queue.asked(tag);
        self.asked[usize::from(tag)] = Some(asked);
        let bytes = (asked.sectors as usize) << 9;
        let carries = asked.op == Some(protocol::Op::Write);
        let buffer = &self.buffers[usize::from(tag)];
        match asked.op {
            Some(_) if !carries || bytes <= buffer.len() => {
                let data = if carries { &buffer[..bytes] } else { &[] };
                self.backend.submit(tag, asked, data);
            }
            _ => self.answer(&Over {
                tag,
                errno: libc::EOPNOTSUPP,
                data: Vec::new(),
            }),
        }
    }

    fn answer(&mut self, over: &Over) {
        let at = usize::from(over.tag);
        let Some(asked) = self.asked[at].take() else {
            return;
        };
        let bytes = (asked.sectors as usize) << 9;
        let result = match (over.errno, asked.op) {
            (0, Some(protocol::Op::Flush)) => 0,
            (0, Some(protocol::Op::Read)) if over.data.len() == bytes => {
                self.buffers[at][..bytes].copy_from_slice(&over.data);
                bytes as i32
            }
            // Never a part of a read.
            (0, Some(protocol::Op::Read)) => -libc::EIO,
            (0, _) => bytes as i32,
            (errno, _) => -errno,
        };
        let entry = self.queue.commit(over.tag, result, self.address(over.tag));
        push(&mut self.ring, &entry.user_data(u64::from(over.tag)));
    }
}

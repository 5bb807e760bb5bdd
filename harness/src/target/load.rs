//! Workloads in wall time: a thread for each I/O that may be outstanding. It submits, waits, and tells the [`Log`]. Slow beside a ring,
//! and plain: a thread whose command never comes back hangs alone, and the run says so and ends without it.

use super::content::{self, Found};
use super::device::{Buffer, Device};
use super::log::Log;
use crate::scenario::model::{Scenario, Workload};
use crate::workload::{Io, Source, WorkloadError};
use protocol::{Instant, Op};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Threads of an open loop; what arrives beyond them waits, as in the simulation beyond 1,024.
const OPEN_MAX: u32 = 128;
/// A closed-loop slot whose I/O failed waits as long.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// What all threads of a run share.
#[derive(Debug)]
pub struct Run {
    pub device: Device,
    pub log: Log,
    /// Nothing is submitted any more.
    pub stop: AtomicBool,
    /// Tells this run's blocks from an earlier one's.
    pub id: u64,
}

impl Run {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Waits for a time of the run; false if it ends before.
    fn wait_until(&self, at: Instant) -> bool {
        while !self.stopped() {
            let left = at.0.saturating_sub(self.log.now().0);
            if left == 0 {
                return true;
            }
            // Short, so that a stop is noticed.
            std::thread::sleep(Duration::from_nanos(left.min(20_000_000)));
        }
        false
    }

    /// One I/O, from the application's side; whether it went well.
    fn carry_out(&self, workload: u16, since: Option<Instant>, io: &Io, buf: &mut Buffer) -> bool {
        let block = u64::from(self.device.block);
        let bytes = io.blocks() * block;
        let since = self.log.submitted(since);
        let mut errno = 0;
        for &(lba, blocks) in io.pieces() {
            if let Err(e) = self.piece(io, lba, blocks, buf)
                && errno == 0
            {
                errno = e.raw_os_error().unwrap_or(datapath::core::verdict::EIO);
            }
        }
        self.log.completed(workload, io.op, bytes, since, errno);
        errno == 0
    }

    fn piece(&self, io: &Io, lba: u64, blocks: u32, buf: &mut Buffer) -> std::io::Result<()> {
        let block = u64::from(self.device.block);
        let (at, bytes) = (lba * block, u64::from(blocks) * block);
        match io.op {
            Op::Flush => self.device.flush(),
            Op::Read => self.read(lba, blocks, buf),
            Op::Write => {
                let write = self.log.write(lba, blocks, false);
                let buf = buf.bytes(bytes as usize);
                content::fill(buf, block as usize, self.id, write.number, lba);
                let done = self.device.write(at, buf, io.fua);
                self.log.written(write, done.is_ok());
                done
            }
            Op::Discard | Op::WriteZeroes => {
                let write = self.log.write(lba, blocks, true);
                let done = self.device.zero(at, bytes, io.op == Op::Discard);
                self.log.written(write, done.is_ok());
                done
            }
        }
    }

    /// Reads and judges.
    pub fn read(&self, lba: u64, blocks: u32, buf: &mut Buffer) -> std::io::Result<()> {
        let block = self.device.block as usize;
        let read = self.log.read(lba, blocks);
        let buf = buf.bytes(blocks as usize * block);
        let result = self.device.read(lba * block as u64, buf);
        let found: Vec<Found> = match result {
            Ok(()) => (lba..)
                .zip(buf.chunks_exact(block))
                .map(|(at, bytes)| content::read(bytes, self.id, at))
                .collect(),
            Err(_) => Vec::new(),
        };
        self.log.was_read(read, &found);
        result
    }
}

/// Starts the threads of every workload. They end by themselves; the log counts those that live.
pub fn start(run: &Arc<Run>, s: &Scenario, seed: u64) -> Result<(), WorkloadError> {
    let mut sources = Vec::new();
    for index in 0..s.workloads.len() {
        sources.push(Source::new(s, index, seed)?);
    }
    for ((index, source), w) in sources.into_iter().enumerate().zip(&s.workloads) {
        if source.is_open() {
            open(run, index as u16, source);
        } else {
            closed(run, index as u16, source, w, s);
        }
    }
    Ok(())
}

fn spawn(run: &Arc<Run>, body: impl FnOnce(&Run) + Send + 'static) {
    let run = run.clone();
    run.log.began();
    std::thread::spawn(move || {
        body(&run);
        run.log.ended();
    });
}

fn next(run: &Run, source: &Mutex<Source>) -> Option<(Instant, Io)> {
    let next = source.lock().unwrap_or_else(PoisonError::into_inner).next();
    next.unwrap_or_else(|e| {
        run.log.fail(e.to_string());
        None
    })
}

fn closed(run: &Arc<Run>, workload: u16, source: Source, w: &Workload, s: &Scenario) {
    let depth = source.depth();
    let source = Arc::new(Mutex::new(source));
    let start = Instant(w.start.0);
    let stop = Instant(w.stop.unwrap_or(s.duration).0.min(s.duration.0));
    for _ in 0..depth {
        let source = source.clone();
        spawn(run, move |run| {
            let mut buf = Buffer::new(4096);
            if !run.wait_until(start) {
                return;
            }
            while !run.stopped() && run.log.now() < stop {
                let Some((_, io)) = next(run, &source) else {
                    return;
                };
                if !run.carry_out(workload, None, &io, &mut buf) {
                    std::thread::sleep(AFTER_ERROR);
                }
            }
        });
    }
}

fn open(run: &Arc<Run>, workload: u16, source: Source) {
    let (arrive, arrived) = channel::<(Instant, Io)>();
    let arrived = Arc::new(Mutex::new(arrived));
    let source = Mutex::new(source);
    spawn(run, move |run| {
        while let Some((at, io)) = next(run, &source) {
            if !run.wait_until(at) || arrive.send((at, io)).is_err() {
                return;
            }
        }
    });
    for _ in 0..OPEN_MAX {
        let arrived: Arc<Mutex<Receiver<_>>> = arrived.clone();
        spawn(run, move |run| {
            let mut buf = Buffer::new(4096);
            loop {
                let next = arrived
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .recv();
                let Ok((at, io)) = next else {
                    return;
                };
                if run.stopped() {
                    return;
                }
                run.carry_out(workload, Some(at), &io, &mut buf);
            }
        });
    }
}

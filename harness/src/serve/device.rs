//! The served volume behind `/dev/ublkbN`. Everything is on one thread, in wall time: requests enter, the world catches up with the clock,
//! answers leave. Where the machine is too slow for it, the world's own times stay right and its answers come late.

use super::control::Control;
use super::{Answer, Served};
use crate::world::live::Ask;
use mpio::front::Asked;
use mpio::single::{self, Backend, Over, Shape};
use protocol::{Duration, Instant, Op};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use mpio::single::SingleError;

/// Requests that the kernel may have out at once.
const DEPTH: u16 = 64;
const EIO: i32 = 5;

struct Behind {
    served: Served,
    control: Control,
    began: std::time::Instant, // determinism: a served device is in wall time
    answers: Vec<Answer>,
    over: Vec<Over>,
    /// Requests that are not answered yet, by tag.
    out: [bool; DEPTH as usize],
    failed: bool,
}

impl Behind {
    fn now(&self) -> Instant {
        Instant(self.began.elapsed().as_nanos() as u64)
    }

    /// States, faults, verdicts and broken rules, for who watches.
    fn tell(&mut self) {
        let events = self.served.live().events();
        if events.is_empty() {
            return;
        }
        let mut err = std::io::stderr().lock();
        for e in events {
            let path = e.path.unwrap_or_default();
            let seconds = Duration(e.at_ns).0 as f64 / 1e9;
            let _ = writeln!(err, "{seconds:>12.6}  {:<16} {path:<10} {}", e.kind, e.text);
        }
    }

    /// The world cannot go on: a defect of ours, told once; every request fails, those that are out too, which nothing else would answer: the
    /// kernel waits for them when the device goes.
    fn fail(&mut self, e: &crate::world::WorldError) {
        if !self.failed {
            self.failed = true;
            eprintln!("harness: {e}; every request fails from now on");
        }
        let out = (0..DEPTH).filter(|tag| self.out[usize::from(*tag)]);
        self.over.extend(out.map(refused));
        self.out = [false; DEPTH as usize];
    }
}

fn refused(tag: u16) -> Over {
    let data = Vec::new();
    Over {
        tag,
        errno: EIO,
        data,
    }
}

impl Backend for Behind {
    fn submit(&mut self, tag: u16, asked: Asked, data: &[u8]) {
        let shift = self.served.block_bytes().trailing_zeros() - 9;
        let Some(op) = asked.op.filter(|_| !self.failed) else {
            self.over.push(refused(tag));
            return;
        };
        self.out[usize::from(tag)] = true;
        let flush = op == Op::Flush;
        let ask = Ask {
            tag: u32::from(tag),
            op,
            lba: if flush { 0 } else { asked.sector >> shift },
            blocks: if flush { 0 } else { asked.sectors >> shift },
            fua: asked.fua,
            failfast: asked.failfast,
        };
        if let Err(e) = self.served.submit(self.now(), ask, data) {
            self.fail(&e);
        }
    }

    fn poll(&mut self, over: &mut Vec<Over>) -> std::time::Duration {
        let now = self.now();
        self.control.grant(now, &mut self.served);
        if !self.failed
            && let Err(e) = self.served.advance(now, &mut self.answers)
        {
            self.fail(&e);
        }
        over.append(&mut self.over);
        for a in self.answers.drain(..) {
            // What was failed meanwhile is answered.
            if std::mem::take(&mut self.out[a.tag as usize]) {
                over.push(Over {
                    tag: a.tag as u16,
                    errno: a.errno,
                    data: a.data,
                });
            }
        }
        self.tell();
        let next = self.served.next_at().unwrap_or(Instant::MAX);
        std::time::Duration::from_nanos(next.0.saturating_sub(self.now().0))
    }

    fn stopping(&mut self) {
        self.served.live().end_faults();
    }
}

/// Serves until `stop`.
pub fn serve(
    served: Served,
    control: Control,
    stop: &Arc<AtomicBool>,
    ready: impl FnOnce(&str),
) -> Result<(), SingleError> {
    let shape = Shape {
        bytes: served.bytes(),
        block_bytes: served.block_bytes(),
        depth: DEPTH,
    };
    let behind = Behind {
        served,
        control,
        began: std::time::Instant::now(), // determinism: a served device is in wall time
        answers: Vec::new(),
        over: Vec::new(),
        out: [false; DEPTH as usize],
        failed: false,
    };
    single::serve(shape, behind, stop, ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_fails_with_the_world() {
        let folder = tempfile::tempdir().unwrap();
        let mut behind = Behind {
            served: super::super::tests::served(""),
            control: Control::listen(&folder.path().join("s")).unwrap(),
            began: std::time::Instant::now(),
            answers: Vec::new(),
            over: Vec::new(),
            out: [false; DEPTH as usize],
            failed: false,
        };
        behind.out[5] = true;
        behind.fail(&crate::world::WorldError::Target("on purpose".into()));
        let mut over = Vec::new();
        behind.poll(&mut over);
        let over: Vec<_> = over.iter().map(|o| (o.tag, o.errno)).collect();
        assert_eq!(over, [(5, EIO)]);
        // An answer that comes after all is one too many.
        behind.answers.push(Answer {
            tag: 5,
            errno: 0,
            data: Vec::new(),
        });
        let mut over = Vec::new();
        behind.poll(&mut over);
        assert!(over.is_empty());
    }
}

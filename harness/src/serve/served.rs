//! A served volume without its front end: requests with data go in, answers with data come out. What puts it behind a block device only moves
//! bytes and reads the clock.

use super::content::Content;
use crate::scenario::{Diagnostic, Scenario};
use crate::world::WorldError;
use crate::world::live::{Ask, FaultState, Live};
use datapath::core::Outcome;
use protocol::{Instant, Op};

/// EIO.
const EIO: i32 = 5;

/// A request is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub tag: u32,
    /// 0, or an errno.
    pub errno: i32,
    /// Of a read that went well.
    pub data: Vec<u8>,
}

pub struct Served {
    live: Live,
    content: Content,
    /// Reads that returned what nobody wrote; each failed with EIO.
    pub unknown: u64,
}

impl Served {
    pub fn new(scenario: &Scenario, seed: u64) -> Result<Served, WorldError> {
        let live = Live::new(scenario, seed)?;
        Ok(Served {
            content: Content::new(live.block_bytes()),
            live,
            unknown: 0,
        })
    }

    pub fn bytes(&self) -> u64 {
        self.live.blocks() * u64::from(self.live.block_bytes())
    }

    pub fn block_bytes(&self) -> u32 {
        self.live.block_bytes()
    }

    pub fn next_at(&self) -> Option<Instant> {
        self.live.next_at()
    }

    /// `data`: what a write brings.
    pub fn submit(&mut self, now: Instant, ask: Ask, data: &[u8]) -> Result<(), WorldError> {
        self.live.advance(now)?;
        let stamp = self.live.submit(ask)?;
        if ask.op.mutates() {
            let data = if ask.op == Op::Write { data } else { &[] };
            self.content.put(stamp, ask.lba, data);
            if self.content.wants_sweep() {
                let live = &self.live;
                self.content.sweep(|visit| live.for_each_stamp(visit));
            }
        }
        Ok(())
    }

    /// Everything that is due by now happens; what is done because of it.
    pub fn advance(&mut self, now: Instant, answers: &mut Vec<Answer>) -> Result<(), WorldError> {
        self.live.advance(now)?;
        for done in self.live.done() {
            let mut errno = match done.outcome {
                Outcome::Ok => 0,
                Outcome::Errno(e) => e,
            };
            let block = self.content.block_bytes();
            let mut data = vec![0; done.data.len() * block];
            if errno == 0 && !self.content.get(done.lba, &done.data, &mut data) {
                self.unknown += 1;
                errno = EIO;
            }
            if errno != 0 {
                data.clear();
            }
            answers.push(Answer {
                tag: done.tag,
                errno,
                data,
            });
        }
        Ok(())
    }

    pub fn add_fault(&mut self, now: Instant, text: &str) -> Result<usize, String> {
        self.live.advance(now).map_err(|e| e.to_string())?;
        let said = |found: Vec<Diagnostic>| {
            let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
            texts.join("\n")
        };
        self.live.add_fault(text).map_err(said)
    }

    pub fn clear_fault(&mut self, now: Instant, id: usize) -> Result<bool, String> {
        self.live.advance(now).map_err(|e| e.to_string())?;
        Ok(self.live.clear_fault(id))
    }

    pub fn faults(&self) -> Vec<FaultState> {
        self.live.faults()
    }

    /// Bytes of data held.
    pub fn memory(&self) -> usize {
        self.content.bytes()
    }

    pub fn live(&mut self) -> &mut Live {
        &mut self.live
    }
}

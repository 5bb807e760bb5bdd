//! What a run leaves behind besides numbers: the fingerprint over everything in order, the events for `events.jsonl`,
//! and the commands around the first violation.

use crate::report::model::{EventLine, Violation};
use protocol::Instant;
use std::collections::{BTreeMap, VecDeque};

/// Commands kept before and after the first violation.
const BEFORE: usize = 96;
const AFTER: usize = 32;
/// Violations whose texts go to the events; the others are only counted.
const TEXTS_MAX: u64 = 100;

/// What happened to one command, small enough to be remembered for every one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Issue,
    Answer,
    Late,
    Complete,
    Fail,
    Effect,
    Probe,
    /// As an issue, while an earlier one of the same read is out.
    Hedge,
}

impl Step {
    pub fn name(self) -> &'static str {
        match self {
            Step::Issue => "issue",
            Step::Answer => "answer",
            Step::Late => "stale_answer",
            Step::Complete => "complete",
            Step::Fail => "fail",
            Step::Effect => "effect",
            Step::Probe => "probe",
            Step::Hedge => "hedge",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Small {
    pub at: Instant,
    pub step: Step,
    /// Global path, or `u32::MAX`.
    pub path: u32,
    pub op: Option<protocol::Op>,
    pub volume: u16,
    pub lba: u64,
    pub blocks: u32,
    /// Status, errno or stamp.
    pub detail: u64,
}

#[derive(Debug)]
pub struct Observer {
    hash: u64,
    pub events: Vec<EventLine>,
    recent: VecDeque<Small>,
    /// Counts down after the first violation.
    after: Option<usize>,
    pub around: Vec<EventLine>,
    pub first: Option<Violation>,
    pub counts: BTreeMap<&'static str, u64>,
    events_io: bool,
    names: Vec<String>,
}

impl Observer {
    pub fn new(names: Vec<String>, events_io: bool, rules: &[&'static str]) -> Self {
        Observer {
            hash: 0x9e37_79b9_7f4a_7c15,
            events: Vec::new(),
            recent: VecDeque::with_capacity(BEFORE + 1),
            after: None,
            around: Vec::new(),
            first: None,
            counts: rules.iter().map(|r| (*r, 0)).collect(),
            events_io,
            names,
        }
    }

    /// One step of the fingerprint: multiply and rotate, the same on every machine.
    #[inline]
    pub fn mix(&mut self, word: u64) {
        self.hash = (self.hash.rotate_left(23) ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
    }

    pub fn fingerprint(&self) -> String {
        format!("{:016x}", protocol::rng::splitmix64(self.hash))
    }

    #[inline]
    pub fn small(&mut self, s: Small) {
        self.mix(s.at.0 ^ (s.step as u64) << 60);
        self.mix(s.lba ^ (u64::from(s.path) << 40) ^ (s.detail << 8) ^ u64::from(s.blocks));
        if self.events_io {
            let line = self.line(&s);
            self.events.push(line);
        }
        match &mut self.after {
            None => {
                if self.recent.len() == BEFORE {
                    self.recent.pop_front();
                }
                self.recent.push_back(s);
            }
            Some(0) => {}
            Some(left) => {
                *left -= 1;
                let line = self.line(&s);
                self.around.push(line);
            }
        }
    }

    fn line(&self, s: &Small) -> EventLine {
        let op = s.op.map_or(String::new(), |o| {
            format!("{} ", format!("{o:?}").to_lowercase())
        });
        let range = if s.blocks > 0 {
            format!("vol{} {}+{}", s.volume, s.lba, s.blocks)
        } else {
            format!("vol{}", s.volume)
        };
        let detail = match s.step {
            Step::Issue | Step::Hedge | Step::Probe | Step::Complete => String::new(),
            Step::Answer | Step::Late if s.detail == 0 => String::new(),
            Step::Answer | Step::Late => format!(" status {:#x}", s.detail),
            Step::Fail => format!(" errno {}", s.detail),
            Step::Effect => format!(" stamp {:#x}", s.detail),
        };
        EventLine {
            at_ns: s.at.0,
            kind: s.step.name().to_string(),
            path: self.names.get(s.path as usize).cloned(),
            text: format!("{op}{range}{detail}"),
        }
    }

    pub fn path_name(&self, path: u32) -> Option<String> {
        self.names.get(path as usize).cloned()
    }

    /// Something rarer than a command.
    pub fn event(&mut self, at: Instant, kind: &str, path: Option<u32>, text: String) {
        self.mix(at.0);
        for byte in kind.bytes().chain(text.bytes()) {
            self.mix(u64::from(byte));
        }
        self.mix(path.map_or(u64::MAX, u64::from));
        let path = path.and_then(|p| self.path_name(p));
        self.events.push(EventLine {
            at_ns: at.0,
            kind: kind.to_string(),
            path,
            text,
        });
    }

    /// A rule is broken.
    pub fn violation(&mut self, at: Instant, rule: &'static str, text: String) {
        let count = self.counts.entry(rule).or_insert(0);
        *count += 1;
        if *count <= TEXTS_MAX {
            self.event(at, "violation", None, format!("{rule}: {text}"));
        }
        if self.first.is_none() {
            self.first = Some(Violation {
                rule: rule.to_string(),
                at_ns: at.0,
                text,
            });
            let recent: Vec<Small> = self.recent.drain(..).collect();
            self.around = recent.iter().map(|s| self.line(s)).collect();
            self.after = Some(AFTER);
        }
    }
}

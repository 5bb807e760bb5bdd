//! What `mpio` says to a running daemon and hears from it: one line of JSON asks, one line (or, for a trace, many) answers.
#![forbid(unsafe_code)]

use super::view::View;
use crate::handover::Handed;
use datapath::core::path::Admin;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The longest line that either side reads.
pub const LINE_MAX: u64 = 16 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Request {
    Status,
    Stop {
        /// Also where somebody has a volume mounted, or holds it otherwise.
        #[serde(default)]
        force: bool,
    },
    Path {
        volume: String,
        path: String,
        to: Wish,
    },
    AddPath {
        volume: String,
        device: PathBuf,
    },
    RemovePath {
        volume: String,
        device: PathBuf,
    },
    FailQueued {
        volume: String,
    },
    TakeSize {
        volume: String,
    },
    /// Answered with records until the asking end hangs up.
    Trace {
        volume: String,
    },
    /// A successor wants the volumes. Answered with `LetGo` when nothing of them is out any more.
    TakeOver {
        protocol: u32,
        version: String,
        /// What it will serve.
        volumes: Vec<String>,
    },
    /// The answer to `LetGo`: the successor serves.
    Taken,
}

/// What an operator may want of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    Enabled,
    Standby,
    Failed,
}

impl Wish {
    /// `None`: nothing that an operator wants.
    pub fn of(admin: Admin) -> Option<Wish> {
        match admin {
            Admin::Enabled => Some(Wish::Enabled),
            Admin::Standby => Some(Wish::Standby),
            Admin::Failed => Some(Wish::Failed),
            Admin::Absent => None,
        }
    }
}

impl From<Wish> for Admin {
    fn from(wish: Wish) -> Admin {
        match wish {
            Wish::Enabled => Admin::Enabled,
            Wish::Standby => Admin::Standby,
            Wish::Failed => Admin::Failed,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    Status(View),
    Traced(Traced),
    LetGo(Handed),
    /// It is done; in words.
    Done {
        what: String,
    },
    Refused {
        kind: Refusal,
        what: String,
    },
}

/// Some I/Os of a volume, in the order of time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Traced {
    /// When (ns), what (the letter of read, write, flush, discard or zeroes), offset and length in bytes.
    pub records: Vec<(u64, u8, u64, u32)>,
    /// I/Os since the start that found no room and are not in any answer.
    pub missed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The request is not understood.
    Request,
    /// No volume, or no path, of that name.
    Name,
    /// Neither root nor the daemon's owner.
    Permission,
    /// The device is no path, or cannot be one.
    Device,
    /// Somebody else has what is asked for.
    Busy,
    /// It was asked for and did not come about in time.
    Late,
}

pub fn refused(kind: Refusal, what: impl Into<String>) -> Answer {
    let what = what.into();
    Answer::Refused { kind, what }
}

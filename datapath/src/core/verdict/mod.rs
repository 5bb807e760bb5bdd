//! What to do about a command's status: one exhaustive table per vocabulary, so that no caller ever looks at a code.
//!
//! The tables follow `drivers/nvme/host/core.c` (`nvme_decide_disposition`, `nvme_error_status`),
//! `drivers/scsi/scsi_error.c` (`scsi_check_sense`) and `block/blk-core.c` (`blk_errors`), with these deliberate
//! differences: an ANA status with DNR forbids that path only; CRD and "not ready" are waited for; EIO of a block
//! path is given other paths a bounded number of times, so that a bad LBA cannot take all paths down in turn.

mod errno;
mod nvme;
mod scsi;

use protocol::{Access, Duration, Status};

/// The core's decision about one answered attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Done,
    /// Trouble that is not the path's: try again after this long, on any path.
    RetryLater(Duration),
    /// This path has no room now: try another at once, and after this long where all are full.
    Busy(Duration),
    /// The path (not the volume) is at fault: try another; `demote` counts against the path's health, `forbid` bars
    /// this I/O from this path (DNR).
    RetryElsewhere {
        demote: bool,
        forbid: bool,
    },
    /// The path's fault or the volume's: try another, a bounded number of times. `blame`: where another succeeds, it
    /// was the path's, and counts against its health.
    Ambiguous {
        blame: bool,
    },
    /// The path told its access state: believe it, ask for the others, and try another path.
    Access {
        state: Access,
        forbid: bool,
    },
    /// The access states changed in a way that the status does not tell: ask, and try again.
    Refresh,
    /// The volume is not behind this path any more.
    Gone,
    /// The application's: an answer of the array or the medium, never of a path. A positive errno.
    Fatal(i32),
}

/// How often a status that may be the path's or the volume's is tried again before it is the application's.
pub const AMBIGUOUS_RETRIES: u8 = 5;
/// After so many it is tried over paths of another access state, if there are any: that is another controller, which may do better.
pub const AMBIGUOUS_ALIKE: u8 = 3;

pub const EPERM: i32 = 1;
pub const EIO: i32 = 5;
pub const ENOMEM: i32 = 12;
pub const EAGAIN: i32 = 11;
pub const EBUSY: i32 = 16;
pub const ENODEV: i32 = 19;
pub const EINVAL: i32 = 22;
pub const ENOSPC: i32 = 28;
pub const EBADE: i32 = 52;
pub const ENODATA: i32 = 61;
pub const ETIME: i32 = 62;
pub const ENOLINK: i32 = 67;
pub const EILSEQ: i32 = 84;
pub const EOPNOTSUPP: i32 = 95;
pub const ETIMEDOUT: i32 = 110;
pub const EREMOTEIO: i32 = 121;

const ELSEWHERE: Verdict = Verdict::RetryElsewhere {
    demote: true,
    forbid: false,
};

/// The verdict on a status.
pub fn judge(status: Status) -> Verdict {
    match status {
        Status::Ok => Verdict::Done,
        Status::Busy => Verdict::Busy(Duration::from_millis(1)),
        Status::Nvme(nvme) => nvme::judge(nvme),
        Status::Sense(sense) => scsi::judge(sense),
        Status::Errno(errno) => errno::judge(errno),
    }
}

/// Whether this is trouble of this host's own: the command was never sent, so the answer says nothing of its path, not even that the
/// path lives.
#[inline]
pub fn is_local(status: Status) -> bool {
    matches!(status, Status::Errno(errno) if errno::LOCAL.contains(&errno))
}

/// Whether an I/O that got this status must not be sent again: the list behind the rule `retried_fatal`.
pub fn is_fatal(status: Status) -> bool {
    matches!(judge(status), Verdict::Fatal(_))
}

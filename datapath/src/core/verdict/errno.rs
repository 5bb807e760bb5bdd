//! Linux errnos, as the kernel's block paths and sockets give them (`block/blk-core.c`, `blk_errors`).

use super::{
    EAGAIN, EBADE, EBUSY, EILSEQ, EINVAL, EIO, ELSEWHERE, ENODATA, ENOMEM, ENOSPC, EOPNOTSUPP,
    EPERM, EREMOTEIO, ETIME, Verdict,
};
use protocol::Duration;

const ENOBUFS: i32 = 105;
const EMFILE: i32 = 24;
/// Local shortage passes; it never counts against a path.
const LOCAL_DELAY: Duration = Duration::from_millis(1);

/// What this host is short of.
pub const LOCAL: [i32; 5] = [EAGAIN, ENOMEM, EBUSY, ENOBUFS, EMFILE];

pub fn judge(errno: i32) -> Verdict {
    match errno {
        0 => Verdict::Done,
        local if LOCAL.contains(&local) => Verdict::RetryLater(LOCAL_DELAY),
        EOPNOTSUPP | ENOSPC | EREMOTEIO | EBADE | ENODATA | EILSEQ | ETIME => Verdict::Fatal(errno),
        EINVAL | EPERM => Verdict::Fatal(errno),
        // The block layer's catch-all: of the path or of the volume. Others are tried a few times.
        EIO => Verdict::Ambiguous { blame: true },
        // ETIMEDOUT, ENOLINK, ENODEV, ECONNRESET, EPIPE and what a transport can say besides.
        _ => ELSEWHERE,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ENODEV, ENOLINK, ETIMEDOUT};
    use super::*;

    #[test]
    fn every_row() {
        for errno in [11, 12, 16, 105, 24] {
            assert_eq!(judge(errno), Verdict::RetryLater(LOCAL_DELAY), "{errno}");
        }
        for errno in [
            EOPNOTSUPP, ENOSPC, EREMOTEIO, EBADE, ENODATA, EILSEQ, ETIME, EINVAL, EPERM,
        ] {
            assert_eq!(judge(errno), Verdict::Fatal(errno));
        }
        assert_eq!(judge(EIO), Verdict::Ambiguous { blame: true });
        for errno in [ETIMEDOUT, ENOLINK, ENODEV, 104, 32, 111, 113] {
            assert_eq!(judge(errno), ELSEWHERE, "{errno}");
        }
        assert_eq!(judge(0), Verdict::Done);
    }
}

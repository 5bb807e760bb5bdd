//! SCSI sense data (SPC-5 annex F; `scsi_check_sense` and `alua_check_sense` in the kernel).

use super::{EILSEQ, ELSEWHERE, ENODATA, ENOSPC, EREMOTEIO, ETIME, Verdict};
use protocol::{Access, Duration, Sense};

/// A logical unit that says "becoming ready" is asked again after this long.
const READY_DELAY: Duration = Duration::from_millis(100);
/// A unit attention is cleared by its report: the retry only must not spin.
const ATTENTION_DELAY: Duration = Duration::from_micros(100);

pub fn judge(sense: Sense) -> Verdict {
    let access = |state| Verdict::Access {
        state,
        forbid: false,
    };
    match (sense.key, sense.asc, sense.ascq) {
        // No sense, recovered error: the data is good.
        (0x0, _, _) | (0x1, _, _) => Verdict::Done,
        (0x2, 0x04, 0x0a) | (0x6, 0x04, 0x0a) => access(Access::Transitioning),
        (0x2, 0x04, 0x0b) | (0x2, 0x04, 0x0c) => access(Access::Inaccessible),
        // Depopulation in progress, depopulation restoration in progress: hours, not seconds.
        (0x2, 0x04, 0x24) | (0x2, 0x04, 0x25) => Verdict::Fatal(EREMOTEIO),
        (0x2, 0x04, 0x01 | 0x04..=0x09 | 0x11 | 0x14 | 0x1a | 0x1b | 0x1d) => {
            Verdict::RetryLater(READY_DELAY)
        }
        // Not ready for a reason that is this port's.
        (0x2, _, _) => ELSEWHERE,
        // Data integrity field errors come as medium, aborted or illegal request.
        (0xb, 0x10, _) | (0x5, 0x10, _) => Verdict::Fatal(EILSEQ),
        (0x3, _, _) => Verdict::Fatal(ENODATA),
        (0x4, _, _) => Verdict::Fatal(EREMOTEIO),
        // The logical unit is not behind this port.
        (0x5, 0x25, _) => Verdict::Gone,
        (0x5, _, _) => Verdict::Fatal(EREMOTEIO),
        // ALUA state changed, implicit transition failed, power-on or reset: ask for the states again.
        (0x6, 0x2a, 0x06 | 0x07) | (0x6, 0x29, _) => Verdict::Refresh,
        (0x6, _, _) => Verdict::RetryLater(ATTENTION_DELAY),
        (0x7, 0x27, 0x07) => Verdict::Fatal(ENOSPC),
        // Command duration limits are the application's own wish.
        (0xb, 0x2e, 0x01..=0x03) | (0xf, 0x55, 0x0a) => Verdict::Fatal(ETIME),
        // Aborted: the transport or a reset by someone else.
        (0xb, _, _) => ELSEWHERE,
        // Data protect, blank, vendor, copy aborted, overflow, miscompare, completed.
        _ => Verdict::Fatal(EREMOTEIO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row() {
        let access = |state| Verdict::Access {
            state,
            forbid: false,
        };
        let rows: &[(u8, u8, u8, Verdict)] = &[
            (0x0, 0, 0, Verdict::Done),
            (0x1, 0x17, 0, Verdict::Done),
            (0x2, 0x04, 0x0a, access(Access::Transitioning)),
            (0x6, 0x04, 0x0a, access(Access::Transitioning)),
            (0x2, 0x04, 0x0b, access(Access::Inaccessible)),
            (0x2, 0x04, 0x0c, access(Access::Inaccessible)),
            (0x2, 0x04, 0x01, Verdict::RetryLater(READY_DELAY)),
            (0x2, 0x04, 0x24, Verdict::Fatal(EREMOTEIO)),
            (0x2, 0x3a, 0x00, ELSEWHERE),
            (0x3, 0x11, 0x00, Verdict::Fatal(ENODATA)),
            (0x4, 0x44, 0x00, Verdict::Fatal(EREMOTEIO)),
            (0x5, 0x10, 0x01, Verdict::Fatal(EILSEQ)),
            (0x5, 0x21, 0x00, Verdict::Fatal(EREMOTEIO)),
            (0x5, 0x25, 0x00, Verdict::Gone),
            (0x6, 0x2a, 0x06, Verdict::Refresh),
            (0x6, 0x29, 0x00, Verdict::Refresh),
            (0x6, 0x3f, 0x0e, Verdict::RetryLater(ATTENTION_DELAY)),
            (0x7, 0x27, 0x07, Verdict::Fatal(ENOSPC)),
            (0x7, 0x27, 0x00, Verdict::Fatal(EREMOTEIO)),
            (0xb, 0x10, 0x03, Verdict::Fatal(EILSEQ)),
            (0xb, 0x2e, 0x01, Verdict::Fatal(ETIME)),
            (0xb, 0x47, 0x00, ELSEWHERE),
            (0xe, 0x1d, 0x00, Verdict::Fatal(EREMOTEIO)),
            (0xf, 0x55, 0x0a, Verdict::Fatal(ETIME)),
        ];
        for (key, asc, ascq, want) in rows {
            let sense = Sense {
                key: *key,
                asc: *asc,
                ascq: *ascq,
            };
            assert_eq!(judge(sense), *want, "sense {sense:02x?}");
        }
    }
}

//! NVMe status codes (NVMe base 2.1, 4.2.3, figures 101 to 105).

use super::{EBADE, EILSEQ, EIO, ELSEWHERE, ENODATA, ENOSPC, EOPNOTSUPP, EREMOTEIO, Verdict};
use protocol::{Access, Duration, NvmeStatus};

/// Unit of the command retry delay times where the controller did not give its own (identify controller, CRDT).
const CRD_UNIT: Duration = Duration::from_millis(100);
/// "Not ready" and "interrupted" without a delay of their own.
const NOT_READY_DELAY: Duration = Duration::from_millis(10);

pub fn judge(status: NvmeStatus) -> Verdict {
    let forbid = status.dnr;
    let access = |state| Verdict::Access { state, forbid };
    match status.code {
        0x000 => Verdict::Done,
        // Path related: internal, ANA, controller and host pathing errors, aborted by host.
        0x301 => access(Access::Lost),
        0x302 => access(Access::Inaccessible),
        0x303 => access(Access::Transitioning),
        0x300..=0x3ff => Verdict::RetryElsewhere {
            demote: true,
            forbid,
        },
        // The namespace is not attached to this controller any more.
        0x00b => Verdict::Gone,
        // Commands that lost their queue or were aborted: the connection's trouble.
        0x007 | 0x008 => ELSEWHERE,
        // Opcode, field, namespace format: the same everywhere.
        0x001 | 0x002 | 0x00a | 0x180 => Verdict::Fatal(EOPNOTSUPP),
        0x081 => Verdict::Fatal(ENOSPC),
        0x080 => Verdict::Fatal(EREMOTEIO),
        0x083 => Verdict::Fatal(EBADE),
        // Write protected, read only, write fault, unrecovered read, compare, access denied, unwritten block.
        0x020 | 0x182 | 0x280 | 0x281 | 0x285 | 0x286 | 0x287 => Verdict::Fatal(ENODATA),
        // End-to-end guard, application tag, reference tag; invalid protection information.
        0x181 | 0x282 | 0x283 | 0x284 => Verdict::Fatal(EILSEQ),
        // Command interrupted, namespace not ready.
        0x021 | 0x082 if !status.dnr => Verdict::RetryLater(delay(status.crd)),
        0x021 | 0x082 => Verdict::Fatal(EREMOTEIO),
        _ if status.dnr => Verdict::Fatal(EIO),
        _ if status.crd != 0 => Verdict::RetryLater(delay(status.crd)),
        // Transient transport, power loss, internal error and what newer revisions add: somewhere else, a few times.
        _ => Verdict::Ambiguous { blame: false },
    }
}

fn delay(crd: u8) -> Duration {
    match crd {
        0 => NOT_READY_DELAY,
        n => Duration(CRD_UNIT.0 * u64::from(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16) -> Verdict {
        judge(NvmeStatus::new(code))
    }

    #[test]
    fn every_row() {
        let elsewhere = ELSEWHERE;
        let soft = Verdict::Ambiguous { blame: false };
        let rows: &[(u16, Verdict)] = &[
            (0x000, Verdict::Done),
            (0x001, Verdict::Fatal(EOPNOTSUPP)),
            (0x002, Verdict::Fatal(EOPNOTSUPP)),
            (0x004, soft),
            (0x005, soft),
            (0x006, soft),
            (0x007, elsewhere),
            (0x008, elsewhere),
            (0x00a, Verdict::Fatal(EOPNOTSUPP)),
            (0x00b, Verdict::Gone),
            (0x020, Verdict::Fatal(ENODATA)),
            (0x021, Verdict::RetryLater(NOT_READY_DELAY)),
            (0x080, Verdict::Fatal(EREMOTEIO)),
            (0x081, Verdict::Fatal(ENOSPC)),
            (0x082, Verdict::RetryLater(NOT_READY_DELAY)),
            (0x083, Verdict::Fatal(EBADE)),
            (0x180, Verdict::Fatal(EOPNOTSUPP)),
            (0x181, Verdict::Fatal(EILSEQ)),
            (0x182, Verdict::Fatal(ENODATA)),
            (0x280, Verdict::Fatal(ENODATA)),
            (0x281, Verdict::Fatal(ENODATA)),
            (0x282, Verdict::Fatal(EILSEQ)),
            (0x283, Verdict::Fatal(EILSEQ)),
            (0x284, Verdict::Fatal(EILSEQ)),
            (0x285, Verdict::Fatal(ENODATA)),
            (0x286, Verdict::Fatal(ENODATA)),
            (0x287, Verdict::Fatal(ENODATA)),
            (0x300, elsewhere),
            (0x360, elsewhere),
            (0x370, elsewhere),
            (0x371, elsewhere),
        ];
        for (code, want) in rows {
            assert_eq!(of(*code), *want, "status {code:#05x}");
        }
        for (code, state) in [
            (0x301, Access::Lost),
            (0x302, Access::Inaccessible),
            (0x303, Access::Transitioning),
        ] {
            let forbid = false;
            assert_eq!(of(code), Verdict::Access { state, forbid });
        }
    }

    #[test]
    fn dnr_on_a_path_status_forbids_that_path_only() {
        for code in [0x301, 0x302, 0x303, 0x360, 0x370] {
            let dnr = NvmeStatus {
                code,
                dnr: true,
                crd: 0,
            };
            match judge(dnr) {
                Verdict::Access { forbid, .. } | Verdict::RetryElsewhere { forbid, .. } => {
                    assert!(forbid)
                }
                other => panic!("{code:#x} with DNR: {other:?}"),
            }
        }
    }

    #[test]
    fn a_retry_delay_is_waited_for() {
        let busy = NvmeStatus {
            code: 0x006,
            dnr: false,
            crd: 2,
        };
        assert_eq!(judge(busy), Verdict::RetryLater(Duration::from_millis(200)));
    }

    #[test]
    fn no_code_panics_and_dnr_is_never_retried_on_the_same_path() {
        for code in 0..=0x7ff {
            for crd in 0..4 {
                for dnr in [false, true] {
                    let verdict = judge(NvmeStatus { code, dnr, crd });
                    if dnr {
                        assert!(!matches!(verdict, Verdict::RetryLater(_)), "{code:#x}");
                    }
                }
            }
        }
    }
}

//! Statuses after which the same I/O must never be sent again: the list behind the rule `retried_fatal`.
//!
//! It is written from the vocabularies themselves and not from the core's verdicts, which it judges: NVMe base 2.1
//! (4.2.3) with `nvme_error_status`, SPC-5 with `scsi_check_sense`, and the block layer's `blk_path_error`. Only what
//! is certain is in it: the answer came from the array or the medium and would be the same on every path. Where a core
//! is more cautious than that, it breaks no rule; the tests name each such difference to the project's own core.

use protocol::{NvmeStatus, Op, Sense, Status};

/// Whether this status is final for the I/O that got it. No status known today is final for one operation and not for
/// another: a flush is told its loss by the same medium errors as a write.
pub fn must_not_be_retried(status: Status, _op: Op) -> bool {
    match status {
        Status::Ok | Status::Busy => false,
        Status::Nvme(status) => nvme(status),
        Status::Sense(sense) => scsi(sense),
        Status::Errno(errno) => block(errno),
    }
}

fn nvme(status: NvmeStatus) -> bool {
    // Status code types: 0 generic, 1 command specific, 2 media and data integrity, 3 path related, 7 vendor.
    let (code_type, code) = (status.code >> 8, status.code & 0xff);
    let by_code = match (code_type, code) {
        // The path's trouble, whatever DNR says: it speaks of that path alone.
        (3, _) => return false,
        // Success; aborted with its queue; not attached to this controller. Neither says anything of other paths.
        (0, 0x00 | 0x07 | 0x08 | 0x0b) => return false,
        // Invalid opcode, invalid field.
        (0, 0x01 | 0x02) => true,
        // Namespace write protected; LBA out of range, capacity exceeded, reservation conflict.
        (0, 0x20 | 0x80 | 0x81 | 0x83) => true,
        // Conflicting attributes, invalid protection information, write to read-only range.
        (1, 0x80..=0x82) => true,
        // Write fault, unrecovered read, guard, application tag, reference tag, compare, denied, unwritten block.
        (2, 0x80..=0x87) => true,
        _ => false,
    };
    by_code || status.dnr
}

fn scsi(sense: Sense) -> bool {
    match (sense.key, sense.asc, sense.ascq) {
        // No sense and recovered error are successes.
        (0x0 | 0x1, _, _) => false,
        // Not ready: only depopulation takes hours.
        (0x2, asc, ascq) => asc == 0x04 && (ascq == 0x24 || ascq == 0x25),
        // Unrecovered read, address marks: the kernel repeats other medium errors.
        (0x3, asc, _) => matches!(asc, 0x11 | 0x13 | 0x14),
        (0x4, _, _) => true,
        // Illegal request, but for "logical unit not supported": not behind this port.
        (0x5, asc, _) => asc != 0x25,
        (0x6, _, _) => false,
        // Aborted: protection information, command duration limits.
        (0xb, 0x10, _) => true,
        (0xb, 0x2e, ascq) => (0x01..=0x03).contains(&ascq),
        (0xb, _, _) => false,
        // Data protect, blank check, vendor, copy aborted, overflow, miscompare, completed.
        _ => true,
    }
}

fn block(errno: i32) -> bool {
    const ENOSPC: i32 = 28;
    const EBADE: i32 = 52;
    const ENODATA: i32 = 61;
    const ETIME: i32 = 62;
    const EILSEQ: i32 = 84;
    const EOPNOTSUPP: i32 = 95;
    const EREMOTEIO: i32 = 121;
    matches!(
        errno,
        EOPNOTSUPP | ENOSPC | EREMOTEIO | EBADE | ENODATA | EILSEQ | ETIME
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use datapath::core::verdict::is_fatal;
    use std::collections::BTreeSet;

    fn of(status: Status) -> bool {
        let ops = [Op::Read, Op::Write, Op::Flush, Op::Discard, Op::WriteZeroes];
        let all: BTreeSet<bool> = ops
            .iter()
            .map(|op| must_not_be_retried(status, *op))
            .collect();
        assert_eq!(all.len(), 1, "{status:?}");
        all.contains(&true)
    }

    fn code(code: u16, dnr: bool) -> Status {
        Status::Nvme(NvmeStatus { code, dnr, crd: 0 })
    }

    fn sense(key: u8, asc: u8, ascq: u8) -> Status {
        Status::Sense(Sense { key, asc, ascq })
    }

    #[test]
    fn answers_of_the_medium_and_of_the_array_are_final() {
        for final_code in [
            0x001, 0x002, 0x080, 0x081, 0x083, 0x181, 0x280, 0x281, 0x285, 0x287,
        ] {
            assert!(of(code(final_code, false)), "{final_code:#x}");
        }
        for (key, asc, ascq) in [
            (3, 0x11, 0),
            (4, 0x44, 0),
            (5, 0x21, 0),
            (7, 0x27, 7),
            (0xb, 0x10, 1),
            (0xb, 0x2e, 1),
            (0xe, 0x1d, 0),
        ] {
            assert!(of(sense(key, asc, ascq)), "{key:x}/{asc:02x}/{ascq:02x}");
        }
        for errno in [28, 52, 61, 62, 84, 95, 121] {
            assert!(of(Status::Errno(errno)), "{errno}");
        }
    }

    #[test]
    fn trouble_of_a_path_and_passing_trouble_is_not_final() {
        assert!(!of(Status::Ok) && !of(Status::Busy));
        for passing in [
            0x005, 0x006, 0x021, 0x022, 0x082, 0x301, 0x302, 0x303, 0x360, 0x370, 0x371,
        ] {
            assert!(!of(code(passing, false)), "{passing:#x}");
        }
        for (key, asc, ascq) in [
            (1, 0x17, 0),
            (2, 0x04, 0x0a),
            (2, 0x04, 1),
            (6, 0x29, 0),
            (5, 0x25, 0),
            (0xb, 0x47, 0),
        ] {
            assert!(!of(sense(key, asc, ascq)), "{key:x}/{asc:02x}/{ascq:02x}");
        }
        for errno in [0, 5, 11, 12, 16, 19, 67, 104, 110, 111, 113] {
            assert!(!of(Status::Errno(errno)), "{errno}");
        }
    }

    #[test]
    fn do_not_retry_is_obeyed_except_where_it_speaks_of_one_path() {
        for dnr in [0x004, 0x006, 0x021, 0x082, 0x1ff, 0x2ff, 0x7c0] {
            assert!(of(code(dnr, true)), "{dnr:#x}");
        }
        for path in [0x007, 0x008, 0x00b, 0x301, 0x302, 0x303, 0x360, 0x3ff] {
            assert!(!of(code(path, true)), "{path:#x}");
        }
    }

    /// Every difference to the core's own verdicts, of which only one direction is harmless: the core may be more
    /// cautious than the rule, never bolder.
    #[test]
    fn the_core_differs_only_where_it_is_more_cautious() {
        let mut cautious = BTreeSet::new();
        let mut note = |status: Status, name: String| {
            let (rule, core) = (of(status), is_fatal(status));
            assert!(core || !rule, "the core would retry {name}, which is final");
            if core && !rule {
                cautious.insert(name);
            }
        };
        for c in 0..=0x7ff {
            for dnr in [false, true] {
                note(
                    code(c, dnr),
                    format!("nvme {c:#05x}{}", if dnr { "+dnr" } else { "" }),
                );
            }
        }
        for key in 0..=0xf {
            for asc in 0..=0xff {
                for ascq in 0..=0xff {
                    note(sense(key, asc, ascq), format!("sense {key:x}/{asc:02x}"));
                }
            }
        }
        for errno in 0..=200 {
            note(Status::Errno(errno), format!("errno {errno}"));
        }
        let mut expected: BTreeSet<String> = BTreeSet::new();
        // Missing fused command: the core never sends fused commands and gives up at once.
        expected.insert(String::from("nvme 0x00a"));
        // Medium errors that the kernel repeats: the core gives all of them to the application.
        expected.extend(
            (0..=0xff)
                .filter(|asc| ![0x10, 0x11, 0x13, 0x14].contains(asc))
                .map(|asc| format!("sense 3/{asc:02x}")),
        );
        expected.insert(String::from("sense 3/10"));
        // EPERM and EINVAL: the kernel's multipath would try another path; the core does not.
        expected.extend([String::from("errno 1"), String::from("errno 22")]);
        assert_eq!(cautious, expected);
    }
}

//! What a command's end can be, in the words of the vocabulary it came from.

/// An NVMe completion status: status code type and code in one value (`0x360` is path related, 60h),
/// with the do-not-retry bit and the command retry delay index (NVMe base 2.1, 4.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NvmeStatus {
    pub code: u16,
    pub dnr: bool,
    pub crd: u8,
}

impl NvmeStatus {
    pub const fn new(code: u16) -> Self {
        NvmeStatus {
            code,
            dnr: false,
            crd: 0,
        }
    }
}

/// SCSI sense: key, additional sense code and its qualifier (SPC-5, 4.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Sense {
    pub key: u8,
    pub asc: u8,
    pub ascq: u8,
}

/// How a command ended on one path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Status {
    Ok,
    Nvme(NvmeStatus),
    Sense(Sense),
    /// Queue full or busy (SCSI TASK SET FULL / BUSY, NVMe 0x21).
    Busy,
    /// A Linux errno as a positive number.
    Errno(i32),
}

impl Status {
    /// ANA: persistent loss, inaccessible, transition (NVMe base 2.1, path related status).
    pub const ANA_LOST: Status = Status::Nvme(NvmeStatus::new(0x301));
    pub const ANA_INACCESSIBLE: Status = Status::Nvme(NvmeStatus::new(0x302));
    pub const ANA_TRANSITION: Status = Status::Nvme(NvmeStatus::new(0x303));
    /// Invalid namespace: the volume is not there.
    pub const INVALID_NAMESPACE: Status = Status::Nvme(NvmeStatus {
        code: 0x00b,
        dnr: true,
        crd: 0,
    });
    /// Unrecovered read error: of the medium, not of a path.
    pub const UNRECOVERED_READ: Status = Status::Nvme(NvmeStatus {
        code: 0x281,
        dnr: false,
        crd: 0,
    });
    /// LBA out of range.
    pub const LBA_OUT_OF_RANGE: Status = Status::Nvme(NvmeStatus {
        code: 0x080,
        dnr: true,
        crd: 0,
    });

    pub fn is_ok(self) -> bool {
        self == Status::Ok
    }
}

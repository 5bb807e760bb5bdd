//! CloudPhysics vscsi, binary and little-endian: records of 32 bytes (version 1) or 40 (version 2).
//!
//! Version 1: `u32 sn, u32 len, u32 nSG, u16 cmd, u16 ver, u64 lbn, u64 ts`. Version 2: `u16 cmd, u16 ver, u32 sn, u32 len, u32
//! nSG, u64 lbn, u64 ts, u64 rt`. `ver >> 8` is the version, `len` is in bytes, `lbn` in blocks of 512 bytes, `ts` in microseconds; `cmd` is a SCSI opcode.
//! There is one device, called `0`.

use super::Record;
use super::error::{Bad, Kind};
use super::line::record;
use super::text::{NS_PER_US, SECTOR_BYTES};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    V1,
    V2,
}

/// Records that must agree before a file is believed to be vscsi (fewer where it has fewer).
const PROBED: usize = 2;

impl Version {
    pub fn number(self) -> u16 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }

    pub fn record_bytes(self) -> usize {
        match self {
            Version::V1 => 32,
            Version::V2 => 40,
        }
    }

    fn command_at(self) -> usize {
        match self {
            Version::V1 => 12,
            Version::V2 => 0,
        }
    }

    /// The version that the first records agree on.
    pub fn probe(sample: &[u8]) -> Result<Version, Bad> {
        for version in [Version::V1, Version::V2] {
            let mut records = sample.chunks_exact(version.record_bytes()).take(PROBED);
            let first = records.next();
            if first.is_some_and(|r| version.fits(r)) && records.all(|r| version.fits(r)) {
                return Ok(version);
            }
        }
        if sample.len() < Version::V1.record_bytes() {
            let what = format!(
                "found {} bytes, expected a record of 32 (version 1) or 40 (version 2)",
                sample.len()
            );
            return Err(Bad {
                kind: Kind::Truncated,
                at: 0,
                what,
            });
        }
        Err(Bad::syntax(
            0,
            "the first records are neither of version 1 (bytes 12 to 15 a SCSI opcode and 0x01xx) nor of version 2 (bytes 0 to 3 a SCSI opcode and 0x02xx)",
        ))
    }

    fn fits(self, record: &[u8]) -> bool {
        let command = u16_at(record, self.command_at());
        let version = u16_at(record, self.command_at() + 2) >> 8;
        command <= 0xff && version == self.number()
    }

    /// One record of `record_bytes`; `None` for a command that is no I/O.
    #[inline]
    pub fn parse(self, bytes: &[u8], device: u32) -> Result<Option<Record>, Bad> {
        let at = self.command_at();
        let (command, version) = (u16_at(bytes, at), u16_at(bytes, at + 2));
        if version >> 8 != self.number() {
            let what = format!(
                "found version {} ({version:#06x}), expected {} as in the first record",
                version >> 8,
                self.number()
            );
            return Err(Bad::syntax(at + 2, what));
        }
        let opcode = u8::try_from(command).map_err(|_| {
            let what =
                format!("found command {command:#06x}, expected a SCSI opcode, at most 0xff");
            Bad::syntax(at, what)
        })?;
        let Some(op) = super::scsi::op(opcode) else {
            return Ok(None);
        };
        let (len_at, lbn_at, ts_at) = match self {
            Version::V1 => (4, 16, 24),
            Version::V2 => (8, 16, 24),
        };
        let (lbn, ts_us) = (u64_at(bytes, lbn_at), u64_at(bytes, ts_at));
        let offset_bytes = lbn.checked_mul(SECTOR_BYTES).ok_or_else(|| {
            Bad::range(lbn_at, format!("block number {lbn} lies beyond 2^64 bytes"))
        })?;
        let at_ns = ts_us
            .checked_mul(NS_PER_US)
            .ok_or_else(|| Bad::range(ts_at, format!("timestamp {ts_us} µs is beyond 2^64 ns")))?;
        let len_bytes = u64::from(u32_at(bytes, len_at));
        record(at_ns, op, (offset_bytes, len_bytes), device, lbn_at).map(Some)
    }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    if let Some(from) = bytes.get(at..at + N) {
        out.copy_from_slice(from);
    }
    out
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

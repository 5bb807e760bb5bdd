//! SCSI commands, as far as a trace of them tells an I/O.
//!
//! Commands that move no data of the medium, or whose length does not say which blocks they touch (`UNMAP`, `WRITE SAME`),
//! are counted as others.

use protocol::Op;

/// What a command is; `None` for one that is no I/O here.
pub fn op(opcode: u8) -> Option<Op> {
    match opcode {
        // READ(6), (10), (12), (16).
        0x08 | 0x28 | 0xa8 | 0x88 => Some(Op::Read),
        // WRITE(6), (10), (12), (16); WRITE AND VERIFY(10), (12), (16); COMPARE AND WRITE.
        0x0a | 0x2a | 0xaa | 0x8a | 0x2e | 0xae | 0x8e | 0x89 => Some(Op::Write),
        // SYNCHRONIZE CACHE(10), (16).
        0x35 | 0x91 => Some(Op::Flush),
        _ => None,
    }
}

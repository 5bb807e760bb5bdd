//! One block of a device, past the page cache: a stamp is written, and read back from wherever the truth is wanted.

use crate::error::{Result, at};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// `O_DIRECT` of x86-64 and of every machine that takes its value from asm-generic.
const O_DIRECT: i32 = 0o40000;
pub const BLOCK_BYTES: usize = 4096;

pub fn open(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_DIRECT)
        .open(path);
    at(path, file)
}

/// Memory that is aligned as direct I/O wants it: twice as much, and the part of it that begins on a boundary.
struct Aligned {
    memory: Vec<u8>,
    start: usize,
}

impl Aligned {
    fn new() -> Self {
        let memory = vec![0; 2 * BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        Aligned { memory, start }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + BLOCK_BYTES]
    }
}

/// A short result counts as the error that it hides: the kernel tells the rest of a failed request so.
fn whole(count: usize) -> std::io::Result<()> {
    if count == BLOCK_BYTES {
        return Ok(());
    }
    Err(std::io::Error::other(format!("{count} bytes")))
}

pub fn write(file: &File, block: u64, stamp: u64) -> std::io::Result<()> {
    let mut buffer = Aligned::new();
    for word in buffer.bytes().chunks_exact_mut(8) {
        word.copy_from_slice(&stamp.to_le_bytes());
    }
    whole(file.write_at(buffer.bytes(), block * BLOCK_BYTES as u64)?)
}

/// The stamp of a block; a block of several stamps is torn, and says so as an error.
pub fn read(file: &File, block: u64) -> std::io::Result<u64> {
    let mut buffer = Aligned::new();
    whole(file.read_at(buffer.bytes(), block * BLOCK_BYTES as u64)?)?;
    let mut words = buffer.bytes().chunks_exact(8);
    let first = words.next().unwrap_or_default();
    if words.any(|w| w != first) {
        return Err(std::io::Error::other("the block is torn"));
    }
    Ok(first
        .iter()
        .rev()
        .fold(0, |stamp, byte| stamp << 8 | u64::from(*byte)))
}

/// The name that the table uses for what an I/O ended with.
pub fn outcome<T>(result: &std::io::Result<T>) -> String {
    let Err(error) = result else {
        return "OK".into();
    };
    match error.raw_os_error() {
        Some(5) => "EIO".into(),
        Some(6) => "ENXIO".into(),
        Some(19) => "ENODEV".into(),
        Some(28) => "ENOSPC".into(),
        Some(52) => "EBADE".into(),
        Some(61) => "ENODATA".into(),
        Some(67) => "ENOLINK".into(),
        Some(95) => "EOPNOTSUPP".into(),
        Some(110) => "ETIMEDOUT".into(),
        Some(121) => "EREMOTEIO".into(),
        Some(other) => format!("errno {other}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_whole() {
        let mut buffer = Aligned::new();
        assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK_BYTES), 0);
        assert_eq!(buffer.bytes().len(), BLOCK_BYTES);
    }

    #[test]
    fn a_stamp_comes_back_and_a_torn_block_is_told() {
        let file = tempfile();
        write(&file, 3, 0x0102_0304_0506_0708).unwrap();
        assert_eq!(read(&file, 3).unwrap(), 0x0102_0304_0506_0708);
        assert_eq!(read(&file, 0).unwrap(), 0);
        file.write_at(b"x", 3 * BLOCK_BYTES as u64 + 100).unwrap();
        assert_eq!(read(&file, 3).unwrap_err().to_string(), "the block is torn");
        assert_eq!(read(&file, 9).unwrap_err().to_string(), "0 bytes");
    }

    fn tempfile() -> File {
        tempfile::tempfile().unwrap()
    }
}

//! The block device under test. It is opened exclusively and past the page cache, so that what is measured and judged is the device's
//! own word, and nothing else uses it meanwhile. A regular file serves in tests.

use super::content;
use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};
use std::fs::{File, OpenOptions};
use std::io::{IoSlice, IoSliceMut, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// O_DIRECT wants the memory aligned too; no device asks for more.
const ALIGN: usize = 4096;
/// What is looked at, at both ends, before a device may be written over.
const LOOK: usize = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("{device}: {source}{hint}", device = device.display())]
    Open {
        device: PathBuf,
        source: std::io::Error,
        hint: &'static str,
    },
    #[error(
        "{device}: it holds data ({where_} is neither zero nor of an earlier run), and a run writes over it; --overwrite says that this is meant",
        device = device.display()
    )]
    HoldsData {
        device: PathBuf,
        where_: &'static str,
    },
    #[error("{device}: a device of {bytes} bytes is too small", device = device.display())]
    TooSmall { device: PathBuf, bytes: u64 },
}

/// An open device.
#[derive(Debug)]
pub struct Device {
    file: File,
    pub bytes: u64,
    /// Bytes of a logical block.
    pub block: u32,
    /// It can deallocate and write zeroes.
    pub zeroes: bool,
}

fn hint(e: &std::io::Error) -> &'static str {
    match e.raw_os_error() {
        Some(16) => " (it is mounted, or another program holds it)",
        Some(13 | 1) => " (run as root, or let the user's group open it)",
        Some(2) => " (no such device: is the daemon running?)",
        _ => "",
    }
}

impl Device {
    pub fn open(path: &Path, overwrite: bool) -> Result<Device, DeviceError> {
        let fail = |source: std::io::Error| DeviceError::Open {
            device: path.to_path_buf(),
            hint: hint(&source),
            source,
        };
        let with = |flags: OFlags| {
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(flags.bits() as i32)
                .open(path)
        };
        let is_device = std::fs::metadata(path)
            .map_err(fail)?
            .file_type()
            .is_block_device();
        let mut file = if is_device {
            with(OFlags::DIRECT | OFlags::EXCL).map_err(fail)?
        } else {
            // Some file systems have no O_DIRECT.
            with(OFlags::DIRECT)
                .or_else(|_| with(OFlags::empty()))
                .map_err(fail)?
        };
        let bytes = file.seek(SeekFrom::End(0)).map_err(fail)?;
        let block = if is_device {
            rustix::fs::ioctl_blksszget(&file).map_err(|e| fail(e.into()))?
        } else {
            512
        };
        let device = Device {
            zeroes: !is_device || can_zero(path),
            bytes: bytes - bytes % u64::from(block),
            block,
            file,
        };
        if device.bytes < 2 * LOOK as u64 {
            return Err(DeviceError::TooSmall {
                device: path.to_path_buf(),
                bytes,
            });
        }
        if !overwrite {
            let ends = [
                (0, "its beginning"),
                (device.bytes - LOOK as u64, "its end"),
            ];
            for (at, where_) in ends {
                let mut buf = Buffer::new(LOOK);
                device.read(at, buf.bytes(LOOK)).map_err(fail)?;
                let all = buf.bytes(LOOK).chunks_exact(block as usize);
                for bytes in all {
                    if !content::is_ours(bytes) && bytes.iter().any(|b| *b != 0) {
                        return Err(DeviceError::HoldsData {
                            device: path.to_path_buf(),
                            where_,
                        });
                    }
                }
            }
        }
        Ok(device)
    }

    pub fn read(&self, mut at: u64, mut buf: &mut [u8]) -> std::io::Result<()> {
        while !buf.is_empty() {
            let got = retried(|| {
                preadv2(
                    &self.file,
                    &mut [IoSliceMut::new(buf)],
                    at,
                    ReadWriteFlags::empty(),
                )
            })?;
            if got == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            at += got as u64;
            buf = &mut buf[got..];
        }
        Ok(())
    }

    pub fn write(&self, mut at: u64, mut buf: &[u8], fua: bool) -> std::io::Result<()> {
        let flags = if fua {
            ReadWriteFlags::DSYNC
        } else {
            ReadWriteFlags::empty()
        };
        while !buf.is_empty() {
            let put = retried(|| pwritev2(&self.file, &[IoSlice::new(buf)], at, flags))?;
            if put == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            at += put as u64;
            buf = &buf[put..];
        }
        Ok(())
    }

    /// Both read as zeroes afterwards: the kernel promises it for `fallocate` on a block device.
    pub fn zero(&self, at: u64, bytes: u64, deallocate: bool) -> std::io::Result<()> {
        let mode = if deallocate {
            FallocateFlags::PUNCH_HOLE
        } else {
            FallocateFlags::ZERO_RANGE
        };
        retried(|| fallocate(&self.file, mode | FallocateFlags::KEEP_SIZE, at, bytes))
    }

    pub fn flush(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
}

fn retried<T>(mut call: impl FnMut() -> Result<T, Errno>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other.map_err(Into::into),
        }
    }
}

fn can_zero(device: &Path) -> bool {
    let real = std::fs::canonicalize(device).unwrap_or_else(|_| device.to_path_buf());
    let Some(name) = real.file_name() else {
        return false;
    };
    let file = Path::new("/sys/class/block")
        .join(name)
        .join("queue/write_zeroes_max_bytes");
    std::fs::read_to_string(file).is_ok_and(|text| text.trim() != "0")
}

/// Memory that O_DIRECT accepts, used again and again.
#[derive(Debug)]
pub struct Buffer {
    memory: Vec<u8>,
}

impl Buffer {
    pub fn new(bytes: usize) -> Buffer {
        Buffer {
            memory: vec![0; bytes + ALIGN],
        }
    }

    /// The first `bytes` of it.
    pub fn bytes(&mut self, bytes: usize) -> &mut [u8] {
        if self.memory.len() < bytes + ALIGN {
            self.memory.resize(bytes + ALIGN, 0);
        }
        let offset = self.memory.as_ptr().align_offset(ALIGN);
        &mut self.memory[offset..offset + bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_holds_data_is_not_written_over_unless_that_is_meant() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        assert!(Device::open(file.path(), false).is_ok(), "zeroes only");
        file.write_all(b"a file system").unwrap();
        let said = Device::open(file.path(), false).unwrap_err().to_string();
        assert!(
            said.contains("its beginning") && said.contains("--overwrite"),
            "{said}"
        );
        assert!(Device::open(file.path(), true).is_ok());
    }

    #[test]
    fn a_device_that_is_not_there_is_told_so() {
        let said = Device::open(Path::new("/dev/no-such-device"), false).unwrap_err();
        assert!(
            said.to_string().contains("is the daemon running?"),
            "{said}"
        );
    }
}

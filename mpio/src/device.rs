//! What sysfs says of a block device: size, block, limits, identity. Nothing here does I/O on the device.
#![forbid(unsafe_code)]

use crate::sysfs::Folder;
use protocol::Identity;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Device {
    pub path: PathBuf,
    pub bytes: u64,
    pub limits: Limits,
    pub wwid: Option<String>,
}

/// What a device takes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    pub block_bytes: u32,
    pub physical_bytes: u32,
    /// The transfer that it likes best; 0: none.
    pub io_opt_bytes: u32,
    /// One command moves at most this. The kernel sends what is larger in pieces.
    pub max_bytes: u64,
    /// One command discards at most this; 0: it discards nothing.
    pub discard_bytes: u64,
    pub discard_granularity: u32,
    /// The same for write-zeroes.
    pub zeroes_bytes: u64,
}

impl Limits {
    /// Of what is no device but memory: it discards and writes zeroes of any size.
    pub fn memory(block_bytes: u32) -> Limits {
        Limits {
            block_bytes,
            physical_bytes: block_bytes.max(4096),
            io_opt_bytes: 0,
            max_bytes: u64::MAX,
            discard_bytes: 64 << 20,
            discard_granularity: block_bytes,
            zeroes_bytes: 64 << 20,
        }
    }

    fn of(queue: &Folder) -> Limits {
        let number = |file: &str| queue.number(file).unwrap_or(0);
        Limits {
            block_bytes: number("logical_block_size") as u32,
            physical_bytes: number("physical_block_size") as u32,
            io_opt_bytes: number("optimal_io_size") as u32,
            max_bytes: number("max_sectors_kb") << 10,
            discard_bytes: number("discard_max_bytes"),
            discard_granularity: number("discard_granularity") as u32,
            zeroes_bytes: number("write_zeroes_max_bytes"),
        }
    }

    /// What both take. Block sizes must agree already.
    pub fn stack(self, other: Limits) -> Limits {
        Limits {
            block_bytes: self.block_bytes,
            physical_bytes: self.physical_bytes.max(other.physical_bytes),
            io_opt_bytes: self.io_opt_bytes.max(other.io_opt_bytes),
            max_bytes: self.max_bytes.min(other.max_bytes),
            discard_bytes: self.discard_bytes.min(other.discard_bytes),
            discard_granularity: self.discard_granularity.max(other.discard_granularity),
            zeroes_bytes: self.zeroes_bytes.min(other.zeroes_bytes),
        }
    }
}

/// Whether somebody has the device for himself: it is mounted, swap, part of a map, or opened exclusively.
pub fn is_held(device: &Path) -> bool {
    let open = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_EXCL | libc::O_CLOEXEC | libc::O_NONBLOCK)
        .open(device);
    open.is_err_and(|e| e.raw_os_error() == Some(libc::EBUSY))
}

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("{path}: {source}")]
    Open {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: not a block device")]
    NotBlock { path: PathBuf },
    #[error("{path}: {file} says no number")]
    Sysfs { path: PathBuf, file: PathBuf },
}

impl DeviceError {
    /// There is no such device, now.
    pub fn is_absent(&self) -> bool {
        matches!(self, DeviceError::Open { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
    }
}

impl Device {
    pub fn look(path: &Path) -> Result<Device, DeviceError> {
        let real = std::fs::canonicalize(path).map_err(|source| DeviceError::Open {
            path: path.into(),
            source,
        })?;
        let meta = std::fs::metadata(&real).map_err(|source| DeviceError::Open {
            path: path.into(),
            source,
        })?;
        if !meta.file_type().is_block_device() {
            return Err(DeviceError::NotBlock { path: path.into() });
        }
        let sys = Folder::of_block(&real);
        let number = |file: &str| {
            let number = sys.number(file);
            number.ok_or_else(|| DeviceError::Sysfs {
                path: path.into(),
                file: sys.at(file),
            })
        };
        Ok(Device {
            path: path.into(),
            bytes: number("size")? << 9,
            limits: Limits {
                block_bytes: number("queue/logical_block_size")? as u32,
                ..Limits::of(&sys.below("queue"))
            },
            wwid: crate::identity::of(&sys),
        })
    }
}

/// Where a device sits on its bus: the folder that holds its block device, whatever name that gets. Of SCSI, this is host, channel, target and
/// unit; what was removed there and found again comes back under it.
pub fn address(path: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(path).ok()?;
    let device = Folder::of_block(&real).below("device").real()?;
    let scsi = Path::new("/sys/bus/scsi/devices").join(device.name()?);
    scsi.exists().then_some(scsi)
}

/// The folder of the bus's device that a block device belongs to. It is there until the kernel has nothing of the block device's out any more:
/// `device_del` takes it away after the driver has let go, which waits for every command.
pub fn folder(path: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(path).ok()?;
    std::fs::canonicalize(Folder::of_block(&real).at("device")).ok()
}

/// The place on the bus that such a folder stands for, of SCSI.
pub fn address_of(folder: &Path) -> Option<PathBuf> {
    let name = folder.file_name()?.to_str()?;
    (name.matches(':').count() == 3).then(|| Path::new("/sys/bus/scsi/devices").join(name))
}

/// The device that sits there now.
pub fn at_address(address: &Path) -> Option<PathBuf> {
    let found = Folder::new(address).below("block").names();
    Some(Path::new("/dev").join(found.first()?))
}

/// The core compares numbers: FNV-1a over the text.
pub fn identity(wwid: &str) -> Identity {
    let hash = wwid.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3)
    });
    Identity(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stack_to_what_every_path_takes() {
        let folder = tempfile::tempdir().unwrap();
        let limits = |files: &[(&str, &str)]| {
            for (file, text) in files {
                std::fs::write(folder.path().join(file), text).unwrap();
            }
            Limits::of(&Folder::new(folder.path()))
        };
        let a = limits(&[
            ("logical_block_size", "512\n"),
            ("physical_block_size", "4096\n"),
            ("max_sectors_kb", "64\n"),
            ("discard_max_bytes", "1048576\n"),
            ("discard_granularity", "512\n"),
        ]);
        let b = limits(&[
            ("max_sectors_kb", "1280\n"),
            ("discard_max_bytes", "4096\n"),
            ("discard_granularity", "4096\n"),
            ("write_zeroes_max_bytes", "8192\n"),
        ]);
        let both = a.stack(b);
        // One of them writes no zeroes.
        let zeroes_bytes = 0;
        let max_bytes = 64 << 10;
        assert_eq!(
            both,
            Limits {
                max_bytes,
                zeroes_bytes,
                ..b
            }
        );
        assert_eq!(a.stack(a), a);
    }

    #[test]
    fn what_is_no_device_is_refused_by_name() {
        let error = Device::look(Path::new("/dev/null")).unwrap_err();
        assert_eq!(error.to_string(), "/dev/null: not a block device");
        let error = Device::look(Path::new("/dev/there-is-none")).unwrap_err();
        assert!(
            error.to_string().starts_with("/dev/there-is-none: "),
            "{error}"
        );
    }

    #[test]
    fn a_wwid_is_read_from_either_place() {
        let folder = tempfile::tempdir().unwrap();
        let sys = Folder::new(folder.path());
        let wwid = crate::identity::of;
        assert_eq!(wwid(&sys), None);
        std::fs::write(sys.at("wwid"), "uuid.1\n").unwrap();
        assert_eq!(wwid(&sys).as_deref(), Some("uuid.1"));
        std::fs::create_dir(sys.at("device")).unwrap();
        std::fs::write(sys.at("device/wwid"), "naa.5\n").unwrap();
        assert_eq!(wwid(&sys).as_deref(), Some("naa.5"));
        assert_ne!(identity("naa.5"), identity("naa.6"));
    }
}

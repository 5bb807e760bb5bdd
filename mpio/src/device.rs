//! What sysfs says of a block device: size, block, limits, identity. Nothing here does I/O on the device.
#![forbid(unsafe_code)]

use protocol::Identity;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub struct Device {
    pub path: PathBuf,
    /// `/sys/class/block/NAME`.
    pub sys: PathBuf,
    pub bytes: u64,
    pub block_bytes: u32,
    /// Largest transfer of one command, in bytes.
    pub max_bytes: u64,
    pub wwid: Option<String>,
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
    #[error("{path}: {file} cannot be read: {source}")]
    Sysfs {
        path: PathBuf,
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("{path}: {file} holds \"{text}\", which is no number")]
    NotANumber {
        path: PathBuf,
        file: PathBuf,
        text: String,
    },
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
        let sys = Path::new("/sys/class/block").join(real.file_name().unwrap_or_default());
        let number = |file: &str| number(path, sys.join(file));
        Ok(Device {
            path: path.into(),
            bytes: number("size")? << 9,
            block_bytes: number("queue/logical_block_size")? as u32,
            max_bytes: number("queue/max_sectors_kb")? << 10,
            wwid: wwid(&sys),
            sys,
        })
    }
}

fn number(path: &Path, file: PathBuf) -> Result<u64, DeviceError> {
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(source) => {
            let path = path.into();
            return Err(DeviceError::Sysfs { path, file, source });
        }
    };
    text.trim().parse().map_err(|_| DeviceError::NotANumber {
        path: path.into(),
        file,
        text: text.trim().into(),
    })
}

/// Which volume the device says it is.
pub fn wwid(sys: &Path) -> Option<String> {
    crate::identity::of(sys)
}

/// The size now, in bytes: 0 when the device was deleted.
pub fn size_now(sys: &Path) -> u64 {
    let text = std::fs::read_to_string(sys.join("size")).unwrap_or_default();
    text.trim().parse::<u64>().map_or(0, |sectors| sectors << 9)
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
        assert_eq!(wwid(folder.path()), None);
        std::fs::write(folder.path().join("wwid"), "uuid.1\n").unwrap();
        assert_eq!(wwid(folder.path()).as_deref(), Some("uuid.1"));
        std::fs::create_dir(folder.path().join("device")).unwrap();
        std::fs::write(folder.path().join("device/wwid"), "naa.5\n").unwrap();
        assert_eq!(wwid(folder.path()).as_deref(), Some("naa.5"));
        assert_ne!(identity("naa.5"), identity("naa.6"));
    }
}

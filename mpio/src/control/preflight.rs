//! What the daemon needs of the machine, looked at before anything is touched, so that what is missing is said in words and not as an errno
//! of the seventh system call.
#![forbid(unsafe_code)]

use crate::kernel::{self, Known};
use std::path::Path;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    #[error(
        "this is uid {uid}: `mpio serve` makes block devices and opens others exclusively, which needs root"
    )]
    Root { uid: u32 },
    #[error(
        "no /dev/ublk-control: the kernel has no ublk driver, or it is not loaded; try `modprobe ublk_drv` (Linux 6.12 or newer, CONFIG_BLK_DEV_UBLK)"
    )]
    Ublk,
    #[error(
        "Linux {release} must not be served on: {why}. Boot another kernel, or, where yours is mended, set [daemon] any_kernel = true"
    )]
    Kernel { release: String, why: &'static str },
}

/// What is wrong with the machine; what must only be known is logged.
pub fn look(any_kernel: bool) -> Result<(), Missing> {
    let uid = rustix::process::geteuid().as_raw();
    judge(uid, Path::new("/dev/ublk-control").exists())?;
    let release = kernel::release();
    allowed(&release, any_kernel)
}

fn allowed(release: &str, any_kernel: bool) -> Result<(), Missing> {
    match kernel::known(release) {
        Some(Known::Bad(why)) if !any_kernel => Err(Missing::Kernel {
            release: release.into(),
            why,
        }),
        Some(Known::Bad(why) | Known::Careful(why)) => {
            tracing::warn!("Linux {release}: {why}");
            Ok(())
        }
        None => Ok(()),
    }
}

fn judge(uid: u32, ublk: bool) -> Result<(), Missing> {
    match (uid, ublk) {
        (0, true) => Ok(()),
        (0, false) => Err(Missing::Ublk),
        _ => Err(Missing::Root { uid }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        assert_eq!(judge(0, true), Ok(()));
        let text = |r: Result<(), Missing>| r.unwrap_err().to_string();
        assert!(text(judge(0, false)).contains("modprobe ublk_drv"));
        assert!(text(judge(1000, true)).contains("needs root"));
        let bad = allowed("6.18.4", false);
        assert!(text(bad).contains("any_kernel = true"));
        assert_eq!(allowed("6.18.4", true), Ok(()));
        assert_eq!(allowed("6.12.1", false), Ok(()));
    }
}

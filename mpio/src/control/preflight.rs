//! What the daemon needs of the machine, looked at before anything is touched, so that what is missing is said in words and not as an errno
//! of the seventh system call.
#![forbid(unsafe_code)]

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
}

pub fn look() -> Result<(), Missing> {
    let uid = rustix::process::geteuid().as_raw();
    judge(uid, Path::new("/dev/ublk-control").exists())
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
    }
}

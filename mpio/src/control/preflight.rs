//! What the daemon needs of the machine, looked at before anything is touched, so that what is missing is said in words and not as an errno
//! of the seventh system call.
#![forbid(unsafe_code)]

use crate::kernel::{self, Kernel, Known};
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
        "the ublk driver of Linux {release} lacks {lacks}, without which a daemon that dies takes its devices along; Linux 6.12 or newer has it"
    )]
    Feature { release: String, lacks: String },
    #[error(
        "Linux {release} must not be served on: {why}. Boot another kernel, or, where yours is mended, set [daemon] any_kernel = true"
    )]
    Kernel { release: String, why: &'static str },
}

/// What is wrong with the machine; what must only be known is logged.
pub fn look(any_kernel: bool) -> Result<(), Missing> {
    let uid = rustix::process::geteuid().as_raw();
    judge(uid, Path::new("/dev/ublk-control").exists())?;
    let kernel = Kernel::running();
    has_what_it_needs(&kernel)?;
    allowed(&kernel.release, any_kernel)
}

/// A driver that does not tell its features (before 6.5) is judged by its first device.
fn has_what_it_needs(kernel: &Kernel) -> Result<(), Missing> {
    let lacks = kernel.lacks();
    match lacks.is_empty() {
        true => Ok(()),
        false => Err(Missing::Feature {
            release: kernel.release.clone(),
            lacks: lacks.join(" and "),
        }),
    }
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
        let poor = has_what_it_needs(&Kernel {
            release: "6.0.1".into(),
            features: Some(vec!["user_recovery".into()]),
        });
        assert!(text(poor).contains("6.0.1 lacks reissue"));
        assert_eq!(has_what_it_needs(&Kernel::default()), Ok(()));
        let bad = allowed("6.18.4", false);
        assert!(text(bad).contains("any_kernel = true"));
        assert_eq!(allowed("6.18.4", true), Ok(()));
        assert_eq!(allowed("6.12.1", false), Ok(()));
    }
}

//! What the running kernel gives the daemon, and what is known of it that a daemon should not find out by itself. What a feature is for, and
//! from which Linux on: `UBLK_F_…` in `linux/ublk_cmd.h`; asked of the driver by GET_FEATURES (6.5), and read back from each device, because the
//! kernel drops flags that it does not know without a word.
#![forbid(unsafe_code)]

use libublk::sys;
use serde::{Deserialize, Serialize};

/// The first of `FEATURES`: those that the daemon cannot be without.
const NEEDED: usize = 2;

/// What the daemon has a use for: name, bit, what it is for.
pub const FEATURES: [(&str, u32, &str); 4] = [
    (
        "user_recovery",
        sys::UBLK_F_USER_RECOVERY,
        "devices outlive a daemon that dies (6.1)",
    ),
    (
        "reissue",
        sys::UBLK_F_USER_RECOVERY_REISSUE,
        "what was not answered is asked of the next daemon (6.1)",
    ),
    (
        "update_size",
        sys::UBLK_F_UPDATE_SIZE,
        "a volume's size changes while it is served (6.16)",
    ),
    (
        "quiesce",
        sys::UBLK_F_QUIESCE,
        "hand-over to another daemon, `mpio serve --take-over` (6.16)",
    ),
];

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    pub release: String,
    /// Of `FEATURES`, those that the driver has, by name; `None`: the driver was not asked, or does not know the question.
    pub features: Option<Vec<String>>,
}

impl Kernel {
    pub fn running() -> Kernel {
        Kernel::of(&release(), crate::front::features())
    }

    fn of(release: &str, features: Option<u64>) -> Kernel {
        let names = |has: u64| {
            let has = FEATURES
                .iter()
                .filter(|(_, bit, _)| has & u64::from(*bit) != 0);
            has.map(|(name, ..)| (*name).to_string()).collect()
        };
        Kernel {
            release: release.into(),
            features: features.map(names),
        }
    }

    /// What the daemon cannot be without.
    pub fn lacks(&self) -> Vec<&'static str> {
        let needed = FEATURES[..NEEDED].iter().map(|(name, ..)| *name);
        let has = |name: &str| {
            self.features
                .as_ref()
                .is_none_or(|f| f.iter().any(|h| h == name))
        };
        needed.filter(|name| !has(name)).collect()
    }

    /// For people, in a line.
    pub fn line(&self) -> String {
        let has = self.features.as_ref().map(|f| f.join(", "));
        let has = has.unwrap_or_else(|| "features not known".into());
        format!("Linux {}: {has}", self.release)
    }

    /// For people, a line for each feature.
    pub fn text(&self) -> String {
        let mut text = format!("Linux {}\n", self.release);
        let Some(has) = &self.features else {
            return text + "  features: not known, the driver ublk_drv does not answer\n";
        };
        for (name, _, what) in FEATURES {
            let word = if has.iter().any(|h| h == name) {
                "yes"
            } else {
                "NO"
            };
            text += &format!("  {name:13} {word:3}  {what}\n");
        }
        text
    }
}

/// As `uname -r` has it.
pub fn release() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    release.unwrap_or_default().trim().into()
}

/// What is known of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It panics, or never comes back, when the daemon does what it must.
    Bad(&'static str),
    /// It may be served on, with care.
    Careful(&'static str),
}

/// As `uname -r` has it. What distributions have mended under the same number is not known here.
pub fn known(release: &str) -> Option<Known> {
    use Known::{Bad, Careful};
    let version = version(release)?;
    match version {
        _ if release.starts_with("6.17.0-1017-aws") => Some(Bad(
            "it panics when a ublk device is added (ublk_init_queues)",
        )),
        (6, 18, 4) => Some(Bad(
            "its driver makes devices in a wrong order and panics or refuses (add_tag_set before init_queues); 6.18.5 is right",
        )),
        (6, 7, _) => Some(Bad(
            "it panics when a dead daemon's devices are recovered (ublk_quiesce_work_fn)",
        )),
        (major, minor, _) if (major, minor) < (6, 12) => Some(Careful(
            "older than 6.12, the oldest that the daemon was tried on",
        )),
        (6, 18, 40) => Some(Careful(STARTS)),
        (7, 0, 0) if release.starts_with("7.0.0-28") => Some(Careful(STARTS)),
        (6, 12..15, _) => Some(Careful(
            "a daemon that is killed under load may crash it (CVE-2025-37906, mended in 6.15 and by some distributions)",
        )),
        _ => None,
    }
}

const STARTS: &str = "after some ten starts and stops a device may never start, and only a reboot helps: restart the daemon by hand-over, not by stop and start";

fn version(release: &str) -> Option<(u32, u32, u32)> {
    let end = release.find(|c: char| !(c.is_ascii_digit() || c == '.'));
    let mut numbers = release[..end.unwrap_or(release.len())].split('.');
    let mut next = || numbers.next().map_or(Some(0), |n| n.parse().ok());
    Some((next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_kernels_are_known_and_good_ones_left_alone() {
        let word = |release| match known(release) {
            Some(Known::Bad(_)) => "bad",
            Some(Known::Careful(_)) => "careful",
            None => "good",
        };
        for (release, is) in [
            ("6.17.0-1017-aws", "bad"),
            ("6.17.0-1018-aws", "good"),
            ("6.18.4", "bad"),
            ("6.18.4-zabbly+", "bad"),
            ("6.18.40", "careful"),
            ("6.18.41", "good"),
            ("6.7.12-amd64", "bad"),
            ("6.1.0-13-amd64", "careful"),
            ("6.12.117+deb12-cloud-amd64", "careful"),
            ("6.16.3+deb13-cloud-amd64", "good"),
            ("7.0.0-28-generic", "careful"),
            ("7.0.0-29-generic", "good"),
            ("7.3.4+deb13-cloud-amd64", "good"),
            ("7.3", "good"),
            ("", "good"),
        ] {
            assert_eq!(word(release), is, "{release}");
        }
        assert_eq!(version("unknown.release"), None);
    }

    #[test]
    fn what_the_driver_has_is_named() {
        let k = Kernel::of("7.3.4", Some(u64::MAX));
        assert_eq!(k.features.as_ref().unwrap().len(), FEATURES.len());
        assert!(k.text().contains("quiesce       yes"), "{}", k.text());
        // What 6.12 answers.
        let k = Kernel::of("6.12.1", Some(0x1fe));
        assert_eq!(k.features.as_ref().unwrap(), &["user_recovery", "reissue"]);
        assert!(k.text().contains("update_size   NO"), "{}", k.text());
        assert!(Kernel::of("6.1", None).text().contains("not known"));
    }
}

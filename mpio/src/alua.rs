//! Access states of a device, as the kernel knows them (`access_state`, `ana_state` in sysfs) or as the array tells them (SCSI
//! REPORT TARGET PORT GROUPS, SPC-5 6.38; the ANA log page of NVMe). The second is a command on the path, and may take as long as the
//! path does.
#![forbid(unsafe_code)]

use crate::sysfs::Folder;
use crate::{nvme, sys};
use protocol::Access;
use std::fs::File;

/// A command for the states is given up after this long.
const TIMEOUT_MS: u32 = 2_000;

/// How this device tells its access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// It has no such states.
    None,
    /// The kernel keeps them, in this file below the device's folder.
    Sysfs(&'static str),
    /// The array is asked; the device is in this target port group.
    Array { group: u16 },
    /// The controller is asked for this namespace.
    Controller { nsid: u32 },
}

impl Source {
    /// `file` is the open device: whether a controller has such states only it can say.
    pub fn of(sys: &Folder, file: &File) -> Source {
        for file in ["device/access_state", "ana_state"] {
            if sys
                .text(file)
                .is_some_and(|text| access_of(&text).is_some())
            {
                return Source::Sysfs(file);
            }
        }
        if let Some(nsid) = sys.number("nsid") {
            return match nvme::has_ana(file) {
                true => Source::Controller { nsid: nsid as u32 },
                false => Source::None,
            };
        }
        let inquiry = sys.bytes("device/inquiry").unwrap_or_default();
        // TPGS: implicit, explicit, or both.
        if inquiry.get(5).is_none_or(|flags| flags & 0x30 == 0) {
            return Source::None;
        }
        let page = sys.bytes("device/vpd_pg83").unwrap_or_default();
        match group_of(&page) {
            Some(group) => Source::Array { group },
            None => Source::None,
        }
    }

    /// The state now; `None`: it has none, or does not tell.
    pub fn read(self, sys: &Folder, file: &File) -> Option<Access> {
        match self {
            Source::None => None,
            Source::Sysfs(name) => access_of(&sys.text(name)?),
            Source::Controller { nsid } => nvme::access(file, nsid),
            Source::Array { group } => {
                let mut command = [0u8; 12];
                command[0] = 0xa3;
                command[1] = 0x0a;
                let mut data = [0u8; 4096];
                command[6..10].copy_from_slice(&(data.len() as u32).to_be_bytes());
                let came = sys::scsi_read(file, &command, &mut data, TIMEOUT_MS).ok()?;
                state_of(&data[..came], group)
            }
        }
    }
}

/// `drivers/scsi/scsi.c`, `sdev_access_states`; `drivers/nvme/host/multipath.c`, `nvme_ana_state_names`.
fn access_of(text: &str) -> Option<Access> {
    Some(match text {
        "active/optimized" | "optimized" => Access::Optimized,
        "active/non-optimized" | "non-optimized" | "lba-dependent" => Access::NonOptimized,
        "standby" | "unavailable" | "offline" | "inaccessible" => Access::Inaccessible,
        "transitioning" | "change" => Access::Transitioning,
        "persistent-loss" => Access::Lost,
        _ => return None,
    })
}

/// The target port group of the port that a device identification page came from (SPC-5, 7.7.6: designator type 5).
fn group_of(page: &[u8]) -> Option<u16> {
    let length = usize::from(u16::from_be_bytes([*page.get(2)?, *page.get(3)?]));
    let mut rest = page.get(4..)?;
    rest = &rest[..rest.len().min(length)];
    while let [_, kind, _, n, ..] = *rest {
        let body = rest.get(4..4 + usize::from(n))?;
        // Associated with the target port.
        if kind & 0x3f == 0x15 {
            return Some(u16::from_be_bytes([*body.get(2)?, *body.get(3)?]));
        }
        rest = &rest[4 + usize::from(n)..];
    }
    None
}

/// The state of one group in the answer of REPORT TARGET PORT GROUPS.
fn state_of(data: &[u8], group: u16) -> Option<Access> {
    let length = u32::from_be_bytes(data.get(..4)?.try_into().ok()?) as usize;
    let mut rest = data.get(4..)?;
    rest = &rest[..rest.len().min(length)];
    while rest.len() >= 8 {
        if u16::from_be_bytes([rest[2], rest[3]]) == group {
            return match rest[0] & 0x0f {
                0x0 => Some(Access::Optimized),
                0x1 | 0x4 => Some(Access::NonOptimized),
                0x2 | 0x3 | 0xe => Some(Access::Inaccessible),
                0xf => Some(Access::Transitioning),
                _ => None,
            };
        }
        rest = rest.get(8 + 4 * usize::from(rest[7])..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_in_the_identification_page() {
        let page = [
            0, 0x83, 0, 20, // NAA of the logical unit, then the port's group
            0x01, 0x03, 0, 8, 0x50, 0, 0, 0, 0, 0, 0, 1, 0x61, 0x15, 0, 4, 0, 0, 0x12, 0x34,
        ];
        assert_eq!(group_of(&page), Some(0x1234));
        for n in 0..page.len() {
            assert_eq!(group_of(&page[..n]), None, "cut off after {n}");
        }
        assert_eq!(group_of(&[0, 0x83, 0xff, 0xff, 0x61, 0x15, 0, 0xff]), None);
    }

    #[test]
    fn the_state_of_the_right_group_is_taken() {
        let mut data = vec![0, 0, 0, 24];
        data.extend([0x80, 0x0f, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
        data.extend([0x02, 0x0f, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(state_of(&data, 1), Some(Access::Optimized), "preferred");
        assert_eq!(state_of(&data, 2), Some(Access::Inaccessible));
        assert_eq!(state_of(&data, 3), None);
        for n in 0..data.len() {
            state_of(&data[..n], 2);
        }
        data[16] = 0x0f;
        assert_eq!(state_of(&data, 2), Some(Access::Transitioning));
        data[11] = 0xff;
        assert_eq!(state_of(&data, 2), None, "more ports than there are bytes");
    }

    #[test]
    fn what_sysfs_says_is_taken_before_the_array_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let sys = &Folder::new(folder.path());
        let any = tempfile::tempfile().unwrap();
        assert_eq!(Source::of(sys, &any), Source::None);
        std::fs::create_dir(sys.at("device")).unwrap();
        let mut inquiry = [0u8; 36];
        inquiry[5] = 0x10;
        std::fs::write(sys.at("device/inquiry"), inquiry).unwrap();
        assert_eq!(Source::of(sys, &any), Source::None, "no group is known");
        let page = [0, 0x83, 0, 8, 0x61, 0x15, 0, 4, 0, 0, 0, 7];
        std::fs::write(sys.at("device/vpd_pg83"), page).unwrap();
        assert_eq!(Source::of(sys, &any), Source::Array { group: 7 });
        std::fs::write(sys.at("device/access_state"), "standby\n").unwrap();
        let source = Source::of(sys, &any);
        assert_eq!(source, Source::Sysfs("device/access_state"));
        assert_eq!(source.read(sys, &any), Some(Access::Inaccessible));
    }
}

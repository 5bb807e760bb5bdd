//! What the kernel tells of its devices as it happens: uevents, from its own netlink group, so that nothing else (no udev) need run. Only what
//! may concern a path is kept: disks that come, change and go, and what a SCSI device reports of itself.
//!
//! The kernel drops what a slow reader has no room for, and says so once: then whoever listens must look at everything.
#![forbid(unsafe_code)]

use crate::sys;
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// The group that the kernel sends to; udev sends to the next one.
const FROM_KERNEL: u32 = 1;
/// `UEVENT_BUFFER_SIZE` (`linux/kobject.h`) is 2 KiB, and the first line comes on top.
const MESSAGE_MAX: usize = 8 << 10;
/// Some thousand events: a fabric that comes back brings all its disks at once.
const ROOM: usize = 4 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uevent {
    /// A whole disk, by its name in sysfs.
    Disk {
        what: Change,
        name: String,
        number: (u32, u32),
    },
    /// A SCSI device reported a unit attention (`scsi_evt_emit`, `drivers/scsi/scsi_lib.c`); its folder below `/sys`.
    Attention { what: Attention, folder: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Changed,
    Removed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Its size is another one; the kernel does not look by itself.
    Capacity,
    /// The access states of its ports are.
    Access,
    /// Who it is may be. The kernel does not look by itself.
    Inquiry,
    /// The array's units may lead elsewhere now; told once, by one of them.
    Units,
}

impl Uevent {
    /// `ACTION@DEVPATH`, then `KEY=VALUE`, each ended by a zero byte.
    pub fn parse(message: &[u8]) -> Option<Uevent> {
        let text = std::str::from_utf8(message).ok()?;
        let mut parts = text.split('\0');
        // What has no such line is udev's, or nobody's.
        parts.next()?.split_once('@')?;
        let of: BTreeMap<&str, &str> = parts.filter_map(|p| p.split_once('=')).collect();
        let action = *of.get("ACTION")?;
        let path = *of.get("DEVPATH")?;
        match (*of.get("SUBSYSTEM")?, of.get("DEVTYPE").copied()) {
            ("block", Some("disk")) => {
                let number = |key: &str| of.get(key)?.parse().ok();
                let what = match action {
                    "add" => Change::Added,
                    "change" => Change::Changed,
                    "remove" => Change::Removed,
                    _ => return None,
                };
                Some(Uevent::Disk {
                    what,
                    name: path.rsplit('/').next()?.to_string(),
                    number: (number("MAJOR")?, number("MINOR")?),
                })
            }
            ("scsi", Some("scsi_device")) if action == "change" => {
                let what = match *of.get("SDEV_UA")? {
                    "CAPACITY_DATA_HAS_CHANGED" => Attention::Capacity,
                    "ASYMMETRIC_ACCESS_STATE_CHANGED" => Attention::Access,
                    "INQUIRY_DATA_HAS_CHANGED" => Attention::Inquiry,
                    "REPORTED_LUNS_DATA_HAS_CHANGED" => Attention::Units,
                    _ => return None,
                };
                let folder = path.to_string();
                Some(Uevent::Attention { what, folder })
            }
            _ => None,
        }
    }
}

/// What came of waiting for the kernel's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Uevent(Uevent),
    /// Some were lost.
    Overflow,
}

pub struct Socket {
    fd: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
}

impl Socket {
    /// On the runtime that will wait for it.
    pub fn open() -> io::Result<Socket> {
        let fd = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::KOBJECT_UEVENT),
        )?;
        // Beyond the system's limit where that is allowed.
        if set_socket_recv_buffer_size_force(&fd, ROOM).is_err() {
            set_socket_recv_buffer_size(&fd, ROOM)?;
        }
        bind(&fd, &SocketAddrNetlink::new(0, FROM_KERNEL))?;
        Ok(Socket {
            fd: sys::watched(fd)?,
            buffer: vec![0; MESSAGE_MAX],
        })
    }

    /// The next that may concern a path.
    pub async fn next(&mut self) -> io::Result<Heard> {
        loop {
            let mut ready = self.fd.readable().await?;
            let came = recvfrom(ready.get_inner(), &mut self.buffer[..], RecvFlags::empty());
            let (bytes, from) = match came {
                Ok((_, bytes, from)) => (bytes.min(self.buffer.len()), from),
                Err(Errno::NOBUFS) => return Ok(Heard::Overflow),
                Err(Errno::AGAIN) => {
                    ready.clear_ready();
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(e) => return Err(e.into()),
            };
            // Any program may send to the group, but only the kernel has this address.
            let from = from.and_then(|a| SocketAddrNetlink::try_from(a).ok());
            if from.is_none_or(|a| a.pid() != 0) {
                continue;
            }
            if let Some(uevent) = Uevent::parse(&self.buffer[..bytes]) {
                return Ok(Heard::Uevent(uevent));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(lines: &[&str]) -> Option<Uevent> {
        Uevent::parse(&(lines.join("\0") + "\0").into_bytes())
    }

    const DISK: [&str; 8] = [
        "add@/devices/pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda",
        "ACTION=add",
        "DEVPATH=/devices/pseudo_0/adapter0/host0/target0:0:0/0:0:0:0/block/sda",
        "SUBSYSTEM=block",
        "MAJOR=8",
        "MINOR=16",
        "DEVTYPE=disk",
        "SEQNUM=1234",
    ];

    #[test]
    fn a_disk_that_comes_changes_or_goes_is_told() {
        for (action, what) in [
            ("ACTION=add", Change::Added),
            ("ACTION=change", Change::Changed),
            ("ACTION=remove", Change::Removed),
        ] {
            let mut lines = DISK;
            lines[1] = action;
            let told = Uevent::Disk {
                what,
                name: "sda".into(),
                number: (8, 16),
            };
            assert_eq!(parse(&lines), Some(told));
        }
    }

    #[test]
    fn what_is_no_disk_is_nothing() {
        for (at, line) in [
            (0, "libudev"),
            (1, "ACTION=bind"),
            (2, "NO=path"),
            (3, "SUBSYSTEM=net"),
            (4, "MAJOR=eight"),
            (6, "DEVTYPE=partition"),
        ] {
            let mut lines = DISK;
            lines[at] = line;
            assert_eq!(parse(&lines), None, "{line}");
        }
        assert_eq!(Uevent::parse(b""), None);
        assert_eq!(Uevent::parse(&[0xff, 0, 0xfe]), None);
    }

    #[test]
    fn a_unit_attention_names_its_device() {
        let of = |ua: &str| {
            parse(&[
                "change@/devices/x/host0/target0:0:0/0:0:0:0",
                "ACTION=change",
                "DEVPATH=/devices/x/host0/target0:0:0/0:0:0:0",
                "SUBSYSTEM=scsi",
                &format!("SDEV_UA={ua}"),
                "DEVTYPE=scsi_device",
            ])
        };
        let told = |what| {
            let folder = "/devices/x/host0/target0:0:0/0:0:0:0".into();
            Some(Uevent::Attention { what, folder })
        };
        assert_eq!(of("CAPACITY_DATA_HAS_CHANGED"), told(Attention::Capacity));
        assert_eq!(
            of("ASYMMETRIC_ACCESS_STATE_CHANGED"),
            told(Attention::Access)
        );
        assert_eq!(of("INQUIRY_DATA_HAS_CHANGED"), told(Attention::Inquiry));
        assert_eq!(of("SOFT_THRESHOLD_REACHED"), None);
    }
}

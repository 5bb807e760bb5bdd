//! The kernel's own timers of a path. The daemon leaves a silent path within milliseconds, but a write that is stuck in the kernel keeps the
//! blocks that it is for waiting until the kernel gives it back: nothing else proves that it is over. How long that takes is for these
//! timers to say, whose defaults are for hosts without multipath.
#![forbid(unsafe_code)]

use crate::sysfs::Folder;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Longer than this is worth a word, in seconds: what a storage array takes for a failover of its own, and some.
const LONG: u64 = 15;
/// What is advised in its place.
const BETTER: u64 = 10;

/// One timer that is long, of those devices that have it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Long {
    what: &'static str,
    value: String,
    devices: Vec<PathBuf>,
    /// Files that would have it shorter, and what to write there.
    files: Vec<PathBuf>,
    better: u64,
}

impl fmt::Display for Long {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.devices[0].display())?;
        match self.devices.len() - 1 {
            0 => {}
            n => write!(f, " and {n} more")?,
        }
        write!(f, ": {} is {}", self.what, self.value)?;
        write!(
            f,
            ", and a stuck write keeps its blocks waiting for as long; "
        )?;
        let files: Vec<_> = self.files.iter().map(|p| p.display().to_string()).collect();
        let shown = files[..files.len().min(4)].join(" ");
        let more = if files.len() > 4 { " …" } else { "" };
        write!(f, "better: echo {} | tee {shown}{more}", self.better)
    }
}

/// The timers of these devices that are long, each once.
pub fn long<'a>(root: &Path, devices: impl IntoIterator<Item = &'a Path>) -> Vec<Long> {
    let mut found: BTreeMap<(&'static str, String), Long> = BTreeMap::new();
    for device in devices {
        for (what, value, file, better) in of(root, device).into_iter().flatten() {
            let key = (what, value.clone());
            let entry = found.entry(key).or_insert_with(|| Long {
                what,
                value,
                devices: Vec::new(),
                files: Vec::new(),
                better,
            });
            entry.devices.push(device.into());
            if !entry.files.contains(&file) {
                entry.files.push(file);
            }
        }
    }
    found.into_values().collect()
}

/// Logs them.
pub fn warn<'a>(root: &Path, devices: impl IntoIterator<Item = &'a Path>) {
    for timer in long(root, devices) {
        tracing::warn!("{timer}");
    }
}

type Timer = (&'static str, String, PathBuf, u64);

fn of(root: &Path, device: &Path) -> Option<Vec<Timer>> {
    let real = std::fs::canonicalize(device).unwrap_or_else(|_| device.into());
    let sys = Folder::new(root.join("sys/class/block").join(real.file_name()?));
    let below = sys.below("device").real()?;
    let class =
        |class: &str, name: &str| Folder::new(root.join("sys/class").join(class).join(name));
    let mut found = Vec::new();
    let mut look = |what, folder: &Folder, file: &str, unit: u64| {
        let Some(text) = folder.text(file) else {
            return;
        };
        // What is no number, or below zero, is "off" or "for ever".
        let seconds = text.parse::<u64>().ok().map(|n| n.div_ceil(unit));
        if seconds.is_none_or(|n| n > LONG) {
            let value = seconds.map_or("for ever".into(), |n| format!("{n} s"));
            found.push((what, value, folder.at(file), BETTER * unit));
        }
    };
    if sys.has("nsid") {
        look("the time for one command", &sys, "queue/io_timeout", 1000);
        for (what, file) in [
            (
                "the time that commands wait for a reconnection",
                "fast_io_fail_tmo",
            ),
            (
                "the time that a lost controller is waited for",
                "ctrl_loss_tmo",
            ),
        ] {
            // Commands fail after the first; with it, the second holds nothing up.
            if file == "fast_io_fail_tmo" || below.text("fast_io_fail_tmo").is_none() {
                look(what, &below, file, 1);
            }
        }
        return Some(found);
    }
    look("the time for one command", &below, "timeout", 1);
    // Its host, its port and its session are folders above it.
    let part = |prefix: &str| {
        let parts = below.parts();
        let mut numbered = parts.into_iter().filter_map(|p| {
            let rest = p.strip_prefix(prefix)?.to_string();
            rest.starts_with(|c: char| c.is_ascii_digit()).then_some(p)
        });
        numbered.next()
    };
    if let Some(host) = part("host") {
        let host = class("scsi_host", &host);
        look(
            "the time for the host's error handling",
            &host,
            "eh_deadline",
            1,
        );
    }
    if let Some(port) = part("rport-") {
        let port = class("fc_remote_ports", &port);
        look(
            "the time that a lost port is waited for",
            &port,
            "fast_io_fail_tmo",
            1,
        );
    }
    if let Some(session) = part("session") {
        let session = class("iscsi_session", &session);
        look(
            "the time that a lost session is waited for",
            &session,
            "recovery_tmo",
            1,
        );
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::disks::tests::Host;

    fn scsi(host: &Host, name: &str, path: &str) {
        host.write(&format!("sys/class/block/{name}/size"), "8\n");
        host.write(&format!("sys/devices/{path}/timeout"), "30\n");
        let link = host.root().join(format!("sys/class/block/{name}/device"));
        std::os::unix::fs::symlink(host.root().join("sys/devices").join(path), link).unwrap();
    }

    fn shown(host: &Host, devices: &[&str]) -> Vec<String> {
        let root = host.root().display().to_string();
        let all = long(host.root(), devices.iter().map(Path::new));
        all.iter()
            .map(|t| t.to_string().replace(&root, ""))
            .collect()
    }

    #[test]
    fn long_timers_are_told_once_with_what_to_do() {
        let host = Host::new();
        scsi(&host, "sda", "pci0/host3/rport-3:0-1/target3:0:0/3:0:0:0");
        scsi(&host, "sdb", "pci0/host3/rport-3:0-1/target3:0:0/3:0:0:1");
        host.write("sys/class/scsi_host/host3/eh_deadline", "off\n");
        host.write(
            "sys/class/fc_remote_ports/rport-3:0-1/fast_io_fail_tmo",
            "5\n",
        );
        assert_eq!(
            shown(&host, &["/dev/sda", "/dev/sdb", "/dev/none"]),
            [
                "/dev/sda and 1 more: the time for one command is 30 s, and a stuck write keeps its blocks waiting for as long; better: \
                 echo 10 | tee /sys/devices/pci0/host3/rport-3:0-1/target3:0:0/3:0:0:0/timeout \
                 /sys/devices/pci0/host3/rport-3:0-1/target3:0:0/3:0:0:1/timeout",
                "/dev/sda and 1 more: the time for the host's error handling is for ever, and a stuck write keeps its blocks waiting for as \
                 long; better: echo 10 | tee /sys/class/scsi_host/host3/eh_deadline",
            ]
        );
    }

    #[test]
    fn sessions_and_controllers_have_timers_of_their_own() {
        let host = Host::new();
        scsi(&host, "sdc", "platform/host8/session2/target8:0:0/8:0:0:0");
        host.write("sys/class/iscsi_session/session2/recovery_tmo", "120\n");
        let told = shown(&host, &["/dev/sdc"]);
        assert!(
            told[1].starts_with("/dev/sdc: the time that a lost session is waited for is 120 s")
        );
        host.write("sys/class/block/nvme1n1/nsid", "1\n");
        host.write("sys/class/block/nvme1n1/queue/io_timeout", "30000\n");
        host.write("sys/devices/nvme1/fast_io_fail_tmo", "off\n");
        host.write("sys/devices/nvme1/ctrl_loss_tmo", "600\n");
        let link = host.root().join("sys/class/block/nvme1n1/device");
        std::os::unix::fs::symlink(host.root().join("sys/devices/nvme1"), link).unwrap();
        let told = shown(&host, &["/dev/nvme1n1"]);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("echo 10000 | tee /sys/class/block/nvme1n1/queue/io_timeout"));
        assert!(
            told[1].contains("wait for a reconnection is for ever"),
            "{told:?}"
        );
        host.write("sys/devices/nvme1/fast_io_fail_tmo", "5\n");
        host.write("sys/class/block/nvme1n1/queue/io_timeout", "10000\n");
        assert_eq!(shown(&host, &["/dev/nvme1n1"]), [""; 0]);
    }
}

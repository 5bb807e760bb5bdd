//! What a host says of its block devices, read from files alone: nothing here opens a device. Every function takes the folder that stands for
//! `/`, so that a test can lay out a host of its own.
#![forbid(unsafe_code)]

use crate::identity;
use crate::sysfs::{Folder, names};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One whole disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// `sda`.
    pub name: String,
    pub bytes: u64,
    pub block_bytes: u64,
    pub identity: Option<String>,
    /// Vendor and model.
    pub model: String,
    /// SCSI: host:channel:target:lun; NVMe: transport and address of its controller.
    pub address: String,
    /// Why nobody may take it as a path.
    pub in_use: Option<String>,
}

impl Disk {
    pub fn device(&self) -> PathBuf {
        node(&self.name)
    }
}

/// The node of a device by its name in sysfs, where a slash is an exclamation mark.
pub fn node(name: &str) -> PathBuf {
    Path::new("/dev").join(name.replace('!', "/"))
}

/// What is mounted or swapped on, by device number and by name of the device.
#[derive(Debug, Default)]
pub struct Used {
    by_number: BTreeMap<String, String>,
    by_name: BTreeMap<PathBuf, String>,
}

impl Used {
    pub fn of(root: &Path) -> Used {
        let mut used = Used::default();
        let proc = Folder::new(root.join("proc"));
        let mounts = proc.text("self/mountinfo").unwrap_or_default();
        for line in mounts.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let (Some(number), Some(at)) = (words.get(2), words.get(4)) else {
                continue;
            };
            let how = format!("mounted on {at}");
            used.by_number
                .entry(number.to_string())
                .or_insert(how.clone());
            // Behind " - " come the type and the source: some file systems have numbers of their own.
            let behind = words.iter().position(|w| *w == "-");
            if let Some(source) = behind.and_then(|at| words.get(at + 2)) {
                used.by_name.entry(source.into()).or_insert(how);
            }
        }
        for line in proc.text("swaps").unwrap_or_default().lines() {
            if let Some(device) = line.split_whitespace().next() {
                used.by_name.insert(device.into(), "used as swap".into());
            }
        }
        used
    }

    fn how(&self, sys: &Folder, name: &str) -> Option<String> {
        let number = sys.text("dev");
        let by_number = number.and_then(|n| self.by_number.get(&n));
        by_number.or_else(|| self.by_name.get(&node(name))).cloned()
    }
}

/// Every disk that may be a path of something: real devices, whole, of this host.
pub fn disks(root: &Path) -> Vec<Disk> {
    let used = Used::of(root);
    let all = all(root);
    all.iter()
        .filter_map(|name| disk(root, name, &used, &all))
        .collect()
}

/// One of them, by its name in sysfs.
pub fn one(root: &Path, name: &str) -> Option<Disk> {
    disk(root, name, &Used::of(root), &all(root))
}

fn all(root: &Path) -> Vec<String> {
    names(&root.join("sys/class/block"))
}

fn disk(root: &Path, name: &str, used: &Used, all: &[String]) -> Option<Disk> {
    let sys = Folder::new(root.join("sys/class/block").join(name));
    // Made of others (dm, md, loop, ublk), a part of one, or hidden by the kernel: no path.
    let real = sys.has("device") && !sys.has("partition");
    if !real || sys.number("hidden") == Some(1) || name.starts_with("sr") {
        return None;
    }
    let bytes = sys.number("size")? << 9;
    let words = ["device/vendor", "device/model"].map(|f| sys.text(f));
    let address = sys.below("device").real();
    let address = address.and_then(|a| Some(a.name()?.to_string()));
    let transport = ["device/transport", "device/address"].map(|f| sys.text(f));
    let transport: Vec<String> = transport.into_iter().flatten().collect();
    Some(Disk {
        name: name.into(),
        bytes,
        block_bytes: sys.number("queue/logical_block_size").unwrap_or(512),
        identity: identity::of(&sys),
        model: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        address: match transport.is_empty() {
            true => address.unwrap_or_default(),
            false => transport.join(" "),
        },
        in_use: in_use(root, &sys, name, bytes, used, all),
    })
}

/// The first reason against taking a disk.
fn in_use(
    root: &Path,
    sys: &Folder,
    name: &str,
    bytes: u64,
    used: &Used,
    all: &[String],
) -> Option<String> {
    if bytes == 0 {
        return Some("has no medium, or no size".into());
    }
    if sys.number("ro") == Some(1) {
        return Some("is read-only".into());
    }
    if let Some(below) = native_multipath(name, all) {
        return Some(format!(
            "is made by the kernel's own multipath of {below}; boot with nvme_core.multipath=N to have its paths"
        ));
    }
    if let Some(how) = used.how(sys, name) {
        return Some(how);
    }
    if let Some(by) = holder(root, sys) {
        return Some(format!("held by {by}"));
    }
    for part in sys.names() {
        let below = sys.below(&part);
        if !below.has("partition") {
            continue;
        }
        if let Some(how) = used.how(&below, &part) {
            return Some(format!("its partition {part} is {how}"));
        }
        if let Some(by) = holder(root, &below) {
            return Some(format!("its partition {part} is held by {by}"));
        }
    }
    None
}

fn holder(root: &Path, sys: &Folder) -> Option<String> {
    let by = sys.below("holders").names().into_iter().next()?;
    let holder = Folder::new(root.join("sys/class/block").join(&by));
    Some(match holder.text("dm/name") {
        Some(known) => format!("{by} ({known})"),
        None => by,
    })
}

/// `nvme0n1` is a head where its paths are `nvme0c0n1` and the like.
fn native_multipath(name: &str, all: &[String]) -> Option<String> {
    let (controller, namespace) = name.strip_prefix("nvme")?.split_once('n')?;
    let is_path = |other: &&String| {
        let other = other.strip_prefix("nvme").and_then(|o| o.split_once('c'));
        other.is_some_and(|(c, rest)| {
            let number = rest.split_once('n').map(|(_, number)| number);
            c == controller && number == Some(namespace)
        })
    };
    let paths: Vec<&str> = all.iter().filter(is_path).map(String::as_str).collect();
    (!paths.is_empty()).then(|| paths.join(", "))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A host made of files.
    pub struct Host(pub tempfile::TempDir);

    impl Host {
        pub fn new() -> Host {
            Host(tempfile::tempdir().unwrap())
        }

        pub fn root(&self) -> &Path {
            self.0.path()
        }

        pub fn write(&self, file: &str, text: &str) {
            let file = self.root().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }

        pub fn disk(&self, name: &str, wwid: &str, mib: u64) -> &Host {
            let at = |file: &str| format!("sys/class/block/{name}/{file}");
            self.write(&at("size"), &format!("{}\n", mib << 11));
            self.write(&at("queue/logical_block_size"), "512\n");
            self.write(&at("device/wwid"), wwid);
            self.write(&at("device/vendor"), "ACME    \n");
            self.write(&at("device/model"), "array\n");
            self
        }
    }

    #[test]
    fn what_is_in_use_is_told_by_name() {
        let host = Host::new();
        for name in ["sda", "sdb", "sdc", "sdd", "sde", "sdf", "sdg"] {
            host.disk(name, &format!("naa.{name}"), 100);
        }
        host.write("sys/class/block/sda/dev", "8:0\n");
        host.write(
            "proc/self/mountinfo",
            "29 1 8:0 / /srv rw - ext4 /dev/sda rw\n30 1 8:17 / / rw shared:1 - ext4 /dev/sdb1 rw\n31 1 0:44 / /b rw - btrfs /dev/sdg rw\n",
        );
        host.write("sys/class/block/sdb/sdb1/partition", "1\n");
        host.write("sys/class/block/sdb/sdb1/dev", "8:17\n");
        host.write("sys/class/block/sdc/holders/dm-0", "");
        host.write("sys/class/block/dm-0/dm/name", "mpatha\n");
        host.write("sys/class/block/dm-0/size", "8\n");
        host.write(
            "proc/swaps",
            "Filename Type Size Used Priority\n/dev/sdd partition 1 0 -2\n",
        );
        host.write("sys/class/block/sde/ro", "1\n");
        host.write("sys/class/block/sdf/size", "0\n");
        let shown = disks(host.root()).into_iter();
        let shown: Vec<String> = shown
            .map(|d| format!("{}: {}", d.name, d.in_use.unwrap_or_default()))
            .collect();
        assert_eq!(
            shown,
            [
                "sda: mounted on /srv",
                "sdb: its partition sdb1 is mounted on /",
                "sdc: held by dm-0 (mpatha)",
                "sdd: used as swap",
                "sde: is read-only",
                "sdf: has no medium, or no size",
                "sdg: mounted on /b",
            ]
        );
    }

    #[test]
    fn the_kernels_own_multipath_is_recognised() {
        let host = Host::new();
        host.disk("nvme0n1", "uuid.1", 10);
        host.disk("nvme0c0n1", "uuid.1", 10);
        host.write("sys/class/block/nvme0c0n1/hidden", "1\n");
        host.disk("nvme0n2", "uuid.2", 10);
        host.disk("nvme1n1", "uuid.3", 10);
        let all = disks(host.root());
        let names: Vec<&str> = all.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["nvme0n1", "nvme0n2", "nvme1n1"]);
        let why = all[0].in_use.as_deref().unwrap();
        assert!(why.contains("multipath of nvme0c0n1"), "{why}");
        assert_eq!((&all[1].in_use, &all[2].in_use), (&None, &None));
    }

    #[test]
    fn a_host_without_anything_has_no_disks() {
        assert_eq!(disks(Host::new().root()), []);
    }
}

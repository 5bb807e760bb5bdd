//! Devices that come, change and go while the daemon serves. What the kernel tells of a path's device is looked at at once; a free disk that
//! shows the identity of a volume which finds its paths by it becomes a path.
//!
//! Nothing here is on the way of I/O: a device that is gone is also noticed by what it answers, and a path that comes back at its old
//! place is found by its next attempt to connect. What is new here are devices that no volume has, and words that no command brings.
#![forbid(unsafe_code)]

use super::Control;
use super::disks::{self, Disk};
use super::timers;
use super::uevent::{Attention, Change, Heard, Socket, Uevent};
use crate::plane::Notice;
use crate::sysfs::Folder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A disk may become free without a word of its own (another program closes it): everything is looked at this often.
const AGAIN: Duration = Duration::from_secs(60);
/// And this often where the kernel's word cannot be heard.
const DEAF: Duration = Duration::from_secs(2);

pub struct Watch {
    control: Arc<Control>,
    root: PathBuf,
    /// What was last said of a disk that cannot be a path yet: said once.
    said: BTreeMap<PathBuf, String>,
}

impl Watch {
    pub fn new(control: Arc<Control>, root: &Path) -> Watch {
        Watch {
            control,
            root: root.into(),
            said: BTreeMap::new(),
        }
    }

    /// For ever, on the control plane's runtime.
    pub async fn run(mut self) {
        let mut socket = match Socket::open() {
            Ok(socket) => Some(socket),
            Err(e) => {
                tracing::warn!(
                    "the kernel's words on devices cannot be heard: {e}; new paths are looked for every {DEAF:?}"
                );
                None
            }
        };
        let paths: Vec<PathBuf> = {
            let names = self.control.names();
            let all = names.volumes.iter().flat_map(|v| v.paths.iter().flatten());
            all.cloned().collect()
        };
        timers::warn(&self.root, paths.iter().map(PathBuf::as_path));
        // What came while nobody listened.
        self.look_at_all();
        loop {
            let Some(open) = &mut socket else {
                tokio::time::sleep(DEAF).await;
                self.look_at_all();
                continue;
            };
            match tokio::time::timeout(AGAIN, open.next()).await {
                Ok(Ok(Heard::Uevent(uevent))) => self.heard(&uevent),
                Ok(Ok(Heard::Overflow)) => {
                    tracing::warn!("words of the kernel on devices were lost: all are looked at");
                    self.control.devices.notice(None, Notice::Size);
                    self.look_at_all();
                }
                Ok(Err(e)) => {
                    tracing::warn!("the kernel's words on devices are not heard any more: {e}");
                    socket = None;
                }
                Err(_) => self.look_at_all(),
            }
        }
    }

    pub fn heard(&mut self, uevent: &Uevent) {
        let devices = &self.control.devices;
        match uevent {
            Uevent::Disk { what, name, number } => {
                if *what != Change::Added {
                    devices.notice(Some(*number), Notice::Look);
                }
                match what {
                    Change::Removed => {
                        self.said.remove(&disks::node(name));
                    }
                    Change::Added | Change::Changed => {
                        if let Some(disk) = disks::one(&self.root, name) {
                            self.consider(&disk, *what == Change::Added);
                        }
                    }
                }
            }
            Uevent::Attention {
                what: Attention::Units,
                ..
            } => devices.notice(None, Notice::Size),
            Uevent::Attention { what, folder } => {
                let sys = self.root.join("sys").join(folder.trim_start_matches('/'));
                let block = Folder::new(sys).below("block");
                for name in block.names() {
                    let notice = match what {
                        Attention::Access => Notice::Access,
                        // The kernel remembers both, and asks anew when it is told to.
                        Attention::Capacity | Attention::Inquiry | Attention::Units => Notice::Size,
                    };
                    if let Some(number) = block.below(&name).device_number() {
                        devices.notice(Some(number), notice);
                    }
                }
            }
        }
    }

    pub fn look_at_all(&mut self) {
        if !self.control.names().volumes.iter().any(|v| v.finds_paths) {
            return;
        }
        for disk in disks::disks(&self.root) {
            self.consider(&disk, false);
        }
    }

    /// Whether the disk is, or may be, a path of a volume that finds its own. `new`: the kernel has just found it; one that the operator took
    /// away is taken back only then.
    fn consider(&mut self, disk: &Disk, new: bool) {
        let device = disk.device();
        let Some(identity) = &disk.identity else {
            return;
        };
        let shows = |v: &super::directory::Entry| v.finds_paths && v.identity == *identity;
        let found = {
            let names = self.control.names();
            let at = names.volumes.iter().position(shows);
            at.map(|at| (at as u16, names.volumes[at].name.clone()))
        };
        let Some((volume, name)) = found else {
            return;
        };
        let refused = match &disk.in_use {
            Some(why) => Some(format!("{} {why}", device.display())),
            None => match self.control.devices.found(volume, &device, new) {
                Ok(None) => None,
                Ok(Some(place)) => {
                    self.control.name_path(volume, place, &device);
                    tracing::info!(volume = name, "{name}: {} is a path", device.display());
                    timers::warn(&self.root, [device.as_path()]);
                    None
                }
                Err(e) => Some(e.to_string()),
            },
        };
        match refused {
            None => {
                self.said.remove(&device);
            }
            Some(why) => {
                if self.said.get(&device) != Some(&why) {
                    tracing::warn!(volume = name, "{name}: not taken as a path: {why}");
                    self.said.insert(device, why);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::disks::tests::Host;
    use crate::control::tests::{Asked, control};

    fn added(name: &str, number: (u32, u32)) -> Uevent {
        told(Change::Added, name, number)
    }

    fn told(what: Change, name: &str, number: (u32, u32)) -> Uevent {
        let name = name.into();
        Uevent::Disk { what, name, number }
    }

    #[test]
    fn a_free_disk_of_a_volume_that_finds_its_paths_is_added() {
        let host = Host::new();
        let (control, asked) = control();
        host.disk("sdx", "naa.50001\n", 64);
        host.disk("sdy", "naa.other\n", 64);
        host.disk("sdz", "naa.50001\n", 64);
        host.write("sys/class/block/sdz/holders/dm-0", "");
        let mut watch = Watch::new(control.clone(), host.root());
        for name in ["sdx", "sdy", "sdz"] {
            watch.heard(&added(name, (8, 0)));
        }
        assert_eq!(asked.take(), [], "its paths are given by name");
        control.names.write().unwrap().volumes[0].finds_paths = true;
        for name in ["sdx", "sdy", "sdz"] {
            watch.heard(&added(name, (8, 0)));
        }
        let found = |new| Asked::Found(0, "/dev/sdx".into(), new);
        assert_eq!(asked.take(), [found(true)]);
        assert!(watch.said[Path::new("/dev/sdz")].contains("held by dm-0"));
        let names = control.names().volumes[0].paths.clone();
        assert_eq!(names[2].as_deref(), Some(Path::new("/dev/sdx")));
        // After words were lost, what is there is not new.
        watch.look_at_all();
        assert_eq!(asked.take(), [found(false)]);
    }

    #[test]
    fn what_happens_to_a_device_is_looked_at() {
        let host = Host::new();
        let (control, asked) = control();
        let mut watch = Watch::new(control, host.root());
        watch.heard(&told(Change::Removed, "sda", (8, 0)));
        watch.heard(&told(Change::Changed, "sdb", (8, 16)));
        let folder = "/devices/host0/target0:0:0/0:0:0:0";
        host.write(&format!("sys{folder}/block/sdc/dev"), "8:32\n");
        for what in [
            Attention::Capacity,
            Attention::Access,
            Attention::Inquiry,
            Attention::Units,
        ] {
            let folder = folder.into();
            watch.heard(&Uevent::Attention { what, folder });
        }
        let notice = |number, notice| Asked::Notice(Some(number), notice);
        assert_eq!(
            asked.take(),
            [
                notice((8, 0), Notice::Look),
                notice((8, 16), Notice::Look),
                notice((8, 32), Notice::Size),
                notice((8, 32), Notice::Access),
                notice((8, 32), Notice::Size),
                Asked::Notice(None, Notice::Size),
            ]
        );
    }
}

//! Host registration. A new path of a host has to be registered with many an array before it may be used fully; how is the array's
//! business. An NVMe controller that takes host metadata is told who the host is and which of its volumes the namespace is a path of; for
//! every other array the daemon says that there is a new path, and runs what it is given (`[hooks] path_added`).
//!
//! Metadata do not survive a reset of the controller, which to a path is a lost connection and a new one: they are told again then. A
//! controller that does not take them is left as it is.
#![forbid(unsafe_code)]

use super::directory::Directory;
use super::hooks::{self, Hooks};
use crate::nvme::{self, Host};
use crate::seen::Note;
use crate::sysfs::Folder;
use datapath::core::Event;
use datapath::core::path::Link;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A path that flaps is not told of the host more often.
const AGAIN: Duration = Duration::from_secs(10);

/// What is known of the registrations.
#[derive(Debug)]
pub struct Registrar {
    hooks: Hooks,
    host: Host,
    root: PathBuf,
    /// Every shard tells of a path; the host has it once. A place may get another device.
    paths: BTreeMap<(u16, u16), (String, Instant)>,
}

/// The controller of a path's device, and the namespace in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Controller {
    name: String,
    nsid: u32,
}

impl Controller {
    /// `None`: the device is none of NVMe.
    fn of(root: &Path, device: &Path) -> Option<Controller> {
        let real = std::fs::canonicalize(device).unwrap_or_else(|_| device.into());
        let sys = Folder::new(root.join("sys/class/block").join(real.file_name()?));
        let nsid = sys.number("nsid")? as u32;
        let name = sys.below("device").real()?.name()?.to_string();
        Some(Controller { name, nsid })
    }

    /// Blocks for as long as the controller does.
    fn tell(&self, host: &Host) -> Result<(), String> {
        let device = Path::new("/dev").join(&self.name);
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .open(&device);
        let file = file.map_err(|e| format!("{}: {e}", device.display()))?;
        nvme::register(&file, self.nsid, host).map_err(|e| e.to_string())
    }
}

impl Registrar {
    pub fn new(hooks: Hooks, root: &Path) -> Registrar {
        let kernel = Folder::new(root.join("proc/sys/kernel"));
        let text = |file: &str| kernel.text(file).unwrap_or_default();
        let machine = Folder::new(root.join("sys/class/dmi/id"));
        Registrar {
            hooks,
            host: Host {
                controller: text("hostname"),
                system: format!("Linux {}", text("osrelease")),
                product: machine.text("product_name").unwrap_or_default(),
                driver: "mpio".into(),
                driver_version: env!("CARGO_PKG_VERSION").into(),
                namespace: String::new(),
            },
            root: root.into(),
            paths: BTreeMap::new(),
        }
    }

    /// On the control thread's runtime.
    pub fn note(&mut self, now: Instant, names: &Directory, note: &Note) {
        let path = match note.event {
            Event::Register { path }
            | Event::Link {
                path, to: Link::Up, ..
            } => path.0,
            _ => return,
        };
        let Some(v) = names.volumes.get(usize::from(note.volume)) else {
            return;
        };
        let device = v.path_name(path);
        let before = self.paths.get(&(note.volume, path));
        let new = before.is_none_or(|(known, _)| *known != device);
        if !new && before.is_some_and(|(_, at)| now.saturating_duration_since(*at) < AGAIN) {
            return;
        }
        self.paths
            .insert((note.volume, path), (device.clone(), now));
        let controller = Controller::of(&self.root, Path::new(&device));
        let hook = self.hooks.path_added.clone().filter(|_| new);
        if controller.is_none() && hook.is_none() {
            return;
        }
        let mut host = self.host.clone();
        if let Some(controller) = &controller {
            host.controller = format!("{}:{}", host.controller, controller.name);
        }
        host.namespace = v.name.clone();
        let (volume, identity, front) = (v.name.clone(), v.identity.clone(), v.device.clone());
        tokio::spawn(async move {
            let what = format!("{volume}: {device}: ");
            let metadata = match controller {
                None => "none",
                Some(controller) => tell(controller, host, &what).await,
            };
            let Some(hook) = hook else { return };
            let variables = [
                ("MPIO_EVENT", "path_added"),
                ("MPIO_VOLUME", &volume),
                ("MPIO_PATH", &device),
                ("MPIO_IDENTITY", &identity),
                ("MPIO_DEVICE", &front),
                ("MPIO_METADATA", metadata),
            ];
            hooks::run(&hook, &variables, what + "hook path_added").await;
        });
    }
}

/// Beside everything else: a controller may take its time.
async fn tell(controller: Controller, host: Host, what: &str) -> &'static str {
    let done = tokio::task::spawn_blocking(move || controller.tell(&host)).await;
    match done {
        Ok(Ok(())) => {
            tracing::info!("{what}host metadata are told to the controller");
            "taken"
        }
        Ok(Err(why)) => {
            tracing::info!("{what}host metadata are not taken: {why}");
            "refused"
        }
        Err(e) => {
            tracing::warn!("{what}host metadata: {e}");
            "refused"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::directory::example;
    use crate::control::disks::tests::Host as Files;
    use protocol::PathId;

    fn up(shard: u16) -> Note {
        let event = Event::Link {
            path: PathId(1),
            from: Link::Connecting,
            to: Link::Up,
        };
        note(shard, event)
    }

    fn note(shard: u16, event: Event) -> Note {
        Note {
            shard,
            volume: 0,
            event,
        }
    }

    #[test]
    fn a_hook_runs_once_for_each_device_and_knows_which() {
        let host = Files::new();
        let out = host.root().join("out");
        let path_added = format!(
            "echo $MPIO_EVENT $MPIO_VOLUME $MPIO_PATH $MPIO_IDENTITY $MPIO_DEVICE $MPIO_METADATA >>{}",
            out.display()
        );
        let hooks = Hooks {
            path_added: Some(path_added),
        };
        // A controller that cannot be opened is one that refuses.
        host.write("sys/devices/nvme-none-of-this-name/x", "");
        host.write("sys/class/block/sdz/nsid", "1\n");
        let link = host.root().join("sys/class/block/sdz/device");
        std::os::unix::fs::symlink("../../../devices/nvme-none-of-this-name", link).unwrap();
        let mut registrar = Registrar::new(hooks, host.root());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let lines = |n: usize| {
            runtime.block_on(async {
                for _ in 0..500 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    if std::fs::read_to_string(&out).is_ok_and(|t| t.lines().count() >= n) {
                        break;
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            });
            std::fs::read_to_string(&out).unwrap()
        };
        let mut names = example();
        let now = Instant::now();
        let _in = runtime.enter();
        registrar.note(now, &names, &up(0));
        let path = PathId(1);
        registrar.note(now, &names, &note(0, Event::Register { path }));
        registrar.note(now + AGAIN, &names, &up(1));
        let first = "path_added db /dev/sdb naa.50001 /dev/ublkb0 none\n";
        assert_eq!(lines(1), first);
        // Its place has another device.
        names.volumes[0].paths[1] = Some("/dev/sdz".into());
        registrar.note(now, &names, &up(0));
        let second = "path_added db /dev/sdz naa.50001 /dev/ublkb0 refused\n";
        assert_eq!(lines(2), format!("{first}{second}"));
    }

    #[test]
    fn the_controller_of_a_device_is_found() {
        let host = Files::new();
        host.write("sys/devices/ctl/nvme7/transport", "tcp\n");
        host.write("sys/class/block/nvme7n2/nsid", "2\n");
        let link = host.root().join("sys/class/block/nvme7n2/device");
        std::os::unix::fs::symlink("../../../devices/ctl/nvme7", link).unwrap();
        let of = |device: &str| Controller::of(host.root(), Path::new(device));
        let (name, nsid) = ("nvme7".into(), 2);
        assert_eq!(of("/dev/nvme7n2"), Some(Controller { name, nsid }));
        assert_eq!(of("/dev/sda"), None);
    }
}

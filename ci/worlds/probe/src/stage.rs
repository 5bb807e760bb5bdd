//! The kernel's half of the stage: media, a layer that can be suspended, an `nvmet` subsystem with one namespace behind two
//! addresses, and the kernel's own initiator connected to both with native multipath off. So there are two block devices for one
//! namespace, and the media can be read beneath all of them.

use crate::error::{Error, Result, at};
use crate::shell::{must, put, run};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const CONFIG: &str = "/sys/kernel/config";
const SUBSYSTEM: &str = "nqn.2025-01.worlds:volume";
pub const PORT: &str = "4420";
/// The address that is cut, and the other one.
pub const ADDRESSES: [&str; 2] = ["127.0.0.1", "127.0.0.2"];
const LAYER: &str = "layer";
const MEDIA_MIB: u64 = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `null_blk`, which keeps what is written in memory.
    Memory,
    /// `scsi_debug`, which can have an unreadable range.
    Scsi,
}

pub struct Stage {
    media: PathBuf,
    memory: bool,
    controllers: Vec<String>,
}

impl Stage {
    /// `fast_io_fail` in seconds: how long the kernel holds I/O of a path that is not connected. None: as long as it takes.
    pub fn build(media: Media, fast_io_fail: Option<u32>) -> Result<Stage> {
        let mut stage = Stage {
            media: match media {
                Media::Memory => memory()?,
                Media::Scsi => scsi()?,
            },
            memory: media == Media::Memory,
            controllers: Vec::new(),
        };
        match stage.set(fast_io_fail) {
            Ok(()) => Ok(stage),
            Err(error) => {
                // The first error is the one to be told: what is only half there may well not go.
                let _ = stage.strike();
                Err(error)
            }
        }
    }

    fn set(&mut self, fast_io_fail: Option<u32>) -> Result<()> {
        let sectors = MEDIA_MIB * 2048;
        let table = format!("0 {sectors} linear {} 0", self.media.display());
        dmsetup(&["create", LAYER, "--table", &table])?;
        self.export()?;
        for address in ADDRESSES {
            let controller = connect(address, fast_io_fail)?;
            self.controllers.push(controller);
        }
        Ok(())
    }

    fn export(&self) -> Result<()> {
        let subsystem = subsystem();
        make(&subsystem)?;
        put(&subsystem.join("attr_allow_any_host"), "1")?;
        let namespace = subsystem.join("namespaces/1");
        make(&namespace)?;
        put(&namespace.join("device_path"), &layer()?)?;
        put(&namespace.join("enable"), "1")?;
        for (index, address) in ADDRESSES.iter().enumerate() {
            let port = port(index);
            make(&port)?;
            put(&port.join("addr_trtype"), "tcp")?;
            put(&port.join("addr_adrfam"), "ipv4")?;
            put(&port.join("addr_traddr"), address)?;
            put(&port.join("addr_trsvcid"), PORT)?;
            link(index)?;
        }
        Ok(())
    }

    pub fn media(&self) -> &Path {
        &self.media
    }

    pub fn controller(&self, path: usize) -> PathBuf {
        Path::new("/sys/class/nvme").join(&self.controllers[path])
    }

    /// The block device of a path, if it has one now.
    pub fn device(&self, path: usize) -> Option<PathBuf> {
        device_of(&self.controller(path))
    }

    /// Takes everything away again, so that the next case finds a clean machine. All is tried; the first error is told.
    pub fn strike(self) -> Result<()> {
        let mut first = Ok(());
        let mut keep = |result: Result<()>| {
            if first.is_ok() {
                first = result;
            }
        };
        for index in 0..self.controllers.len() {
            let controller = self.controller(index);
            if controller.exists() {
                keep(delete(&controller));
            }
        }
        for index in 0..ADDRESSES.len() {
            if linked(index).exists() {
                keep(unlink(index));
            }
            keep(at(&port(index), fs::remove_dir(port(index))));
        }
        let namespace = subsystem().join("namespaces/1");
        keep(put(&namespace.join("enable"), "0"));
        keep(at(&namespace, fs::remove_dir(&namespace)));
        keep(at(&subsystem(), fs::remove_dir(subsystem())));
        keep(dmsetup(&["remove", "--retry", LAYER]));
        if self.memory {
            let item = Path::new(CONFIG).join("nullb/media");
            keep(put(&item.join("power"), "0"));
            keep(at(&item, fs::remove_dir(&item)));
        }
        first
    }
}

fn make(path: &Path) -> Result<()> {
    at(path, fs::create_dir(path))
}

pub fn subsystem() -> PathBuf {
    Path::new(CONFIG).join("nvmet/subsystems").join(SUBSYSTEM)
}

pub fn port(index: usize) -> PathBuf {
    Path::new(CONFIG).join(format!("nvmet/ports/{}", index + 1))
}

fn linked(index: usize) -> PathBuf {
    port(index).join("subsystems").join(SUBSYSTEM)
}

pub fn link(index: usize) -> Result<()> {
    let link = linked(index);
    at(&link, std::os::unix::fs::symlink(subsystem(), &link))
}

pub fn unlink(index: usize) -> Result<()> {
    at(&linked(index), fs::remove_file(linked(index)))
}

pub fn dmsetup(arguments: &[&str]) -> Result<()> {
    run("dmsetup", arguments)
}

/// The layer's device, as the kernel calls it: nobody else in the machine makes names.
fn layer() -> Result<String> {
    must("the device of the layer", 10, || {
        let found = fs::read_dir("/sys/block").ok()?.flatten().find(|disk| {
            fs::read_to_string(disk.path().join("dm/name")).is_ok_and(|name| name.trim() == LAYER)
        })?;
        let node = Path::new("/dev").join(found.file_name());
        node.exists().then(|| node.display().to_string())
    })
}

pub fn suspend() -> Result<()> {
    dmsetup(&["suspend", "--noflush", "--nolockfs", LAYER])
}

pub fn resume() -> Result<()> {
    dmsetup(&["resume", LAYER])
}

pub fn delete(controller: &Path) -> Result<()> {
    put(&controller.join("delete_controller"), "1")
}

fn memory() -> Result<PathBuf> {
    let item = Path::new(CONFIG).join("nullb/media");
    make(&item)?;
    for (key, value) in [
        ("memory_backed", "1".to_string()),
        ("blocksize", "4096".into()),
        ("size", MEDIA_MIB.to_string()),
        ("power", "1".into()),
    ] {
        put(&item.join(key), &value)?;
    }
    // Newer kernels call the disk as the item is called, older ones count.
    must("the disk of null_blk", 10, || {
        ["/dev/media", "/dev/nullb0"]
            .iter()
            .map(PathBuf::from)
            .find(|p| p.exists())
    })
}

fn scsi() -> Result<PathBuf> {
    must("the disk of scsi_debug", 10, || {
        let found = fs::read_dir("/sys/block").ok()?.flatten().find(|disk| {
            fs::read_to_string(disk.path().join("device/model"))
                .is_ok_and(|model| model.trim() == "scsi_debug")
        })?;
        let node = Path::new("/dev").join(found.file_name());
        node.exists().then_some(node)
    })
}

/// Asks the kernel's initiator for a connection; its answer names the controller.
fn connect(address: &str, fast_io_fail: Option<u32>) -> Result<String> {
    let fabrics = Path::new("/dev/nvme-fabrics");
    let mut options = format!(
        "nqn={SUBSYSTEM},transport=tcp,traddr={address},trsvcid={PORT},nr_io_queues=1,reconnect_delay=1,\
         ctrl_loss_tmo=120,keep_alive_tmo=5,hostnqn=nqn.2025-01.worlds:host,\
         hostid=5b0bb5a1-93a5-4b2f-8f0e-6a4f9d0c1e77"
    );
    if let Some(seconds) = fast_io_fail {
        options.push_str(&format!(",fast_io_fail_tmo={seconds}"));
    }
    let mut file = at(
        fabrics,
        fs::OpenOptions::new().read(true).write(true).open(fabrics),
    )?;
    at(fabrics, file.write_all(options.as_bytes()))?;
    let mut answer = [0; 128];
    let count = at(fabrics, file.read(&mut answer))?;
    let answer = String::from_utf8_lossy(&answer[..count]);
    let instance = answer
        .trim()
        .split(',')
        .find_map(|pair| pair.strip_prefix("instance="))
        .ok_or_else(|| Error::Unexpected(format!("{}: answered {answer:?}", fabrics.display())))?;
    let controller = format!("nvme{instance}");
    let folder = Path::new("/sys/class/nvme").join(&controller);
    must(&format!("a namespace of {controller}"), 20, || {
        device_of(&folder)
    })?;
    Ok(controller)
}

fn device_of(controller: &Path) -> Option<PathBuf> {
    let name = controller.file_name()?.to_str()?.to_string();
    let found = fs::read_dir(controller).ok()?.flatten().find_map(|entry| {
        let entry = entry.file_name().into_string().ok()?;
        (entry.starts_with(&format!("{name}n"))).then_some(entry)
    })?;
    let node = Path::new("/dev").join(found);
    node.exists().then_some(node)
}

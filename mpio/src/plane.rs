//! Paths that come and go while a volume is served: a device that shows the volume's identity takes a place among its paths on every
//! shard, and leaves it. What a successor must fear is written down before a path is used.
#![forbid(unsafe_code)]

use crate::config::NO_IDENTITY;
use crate::device::{self, Device, DeviceError};
use crate::front::{self, FrontError};
use crate::shard::{Keeper, Message, Outbox, Standing, Want};
use crate::state::{State, StateError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What the control side asks of the devices, of a volume by its number.
pub trait Devices: Send + Sync {
    /// The device becomes a path; its place among the volume's. It is verified and opened by the shards as any other; one that is there already stays
    /// as it is.
    fn add(&self, volume: u16, device: &Path) -> Result<u16, PlaneError>;

    /// The path is given up and its device closed; the place it had.
    fn remove(&self, volume: u16, device: &Path) -> Result<u16, PlaneError>;

    /// A free device shows the volume. `None`: it is a path already, or the operator took it away, and it is not `new` since.
    fn found(&self, volume: u16, device: &Path, new: bool) -> Result<Option<u16>, PlaneError>;

    /// Something of a device is to be looked at, or of every one; nothing happens where no path has it.
    fn notice(&self, device: Option<(u32, u32)>, what: Notice);

    /// The volume has another size from now on.
    fn resized(&self, volume: u16, blocks: u64);
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Whether it is there, who it is, how large the kernel knows it to be.
    Look,
    /// How large the array says that it is, and who: the kernel has to ask.
    Size,
    /// Its access states.
    Access,
}

impl From<Notice> for Want {
    fn from(notice: Notice) -> Want {
        match notice {
            Notice::Look => Want::Look,
            Notice::Size => Want::Rescan,
            Notice::Access => Want::Sweep,
        }
    }
}

/// A volume as its paths must show it.
#[derive(Clone, Debug)]
pub struct Served {
    pub wwid: String,
    pub bytes: u64,
    pub block_bytes: u32,
    /// Its paths are whatever shows its identity.
    pub finds_paths: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{device} is \"{shown}\", and the volume \"{wanted}\": it is no path to it")]
    Other {
        device: PathBuf,
        shown: String,
        wanted: String,
    },
    #[error(
        "{device} has {bytes} bytes in blocks of {block}, and the volume {wanted} in {wanted_block}: a path has all of it"
    )]
    Size {
        device: PathBuf,
        bytes: u64,
        block: u32,
        wanted: u64,
        wanted_block: u32,
    },
    #[error("no place for {device}: remove a path first, and wait until its last command is back")]
    NoPlace { device: PathBuf },
    #[error("{device} is no path of the volume")]
    NoPath { device: PathBuf },
}

pub struct Plane {
    keeper: Arc<Keeper>,
    shards: Vec<Outbox>,
    volumes: Vec<Served>,
    /// The bytes of each volume now.
    sizes: Vec<AtomicU64>,
    state: Arc<Mutex<State>>,
    file: PathBuf,
}

impl Plane {
    pub fn new(
        keeper: Arc<Keeper>,
        shards: Vec<Outbox>,
        volumes: Vec<Served>,
        state: State,
        file: PathBuf,
    ) -> Plane {
        Plane {
            keeper,
            shards,
            sizes: volumes.iter().map(|v| v.bytes.into()).collect(),
            volumes,
            state: Arc::new(Mutex::new(state)),
            file,
        }
    }

    fn verify(&self, volume: u16, device: &Path) -> Result<(), PlaneError> {
        let wanted = &self.volumes[usize::from(volume)];
        let found = Device::look(device)?;
        let device = device.to_path_buf();
        let shown = found.wwid.unwrap_or_else(|| NO_IDENTITY.into());
        if shown != wanted.wwid {
            let wanted = wanted.wwid.clone();
            return Err(PlaneError::Other {
                device,
                shown,
                wanted,
            });
        }
        // More is what a volume that grows shows on one path before another.
        let (bytes, block) = (found.bytes, found.limits.block_bytes);
        let least = self.sizes[usize::from(volume)].load(Ordering::Relaxed);
        if bytes < least || block != wanted.block_bytes {
            return Err(PlaneError::Size {
                device,
                bytes,
                block,
                wanted: least,
                wanted_block: wanted.block_bytes,
            });
        }
        Ok(())
    }

    /// Names are given anew: a path of another volume that had this one has lost its device, and must not hold what is ours.
    fn take_from_others(&self, volume: u16, device: &Path) {
        for (other, v) in self.volumes.iter().enumerate() {
            let other = other as u16;
            if other != volume
                && v.finds_paths
                && let Some(path) = self.keeper.vacate(other, device)
            {
                self.tell(|| Message::RemovePath {
                    volume: other,
                    path,
                });
            }
        }
    }

    fn tell(&self, message: impl Fn() -> Message) {
        for shard in &self.shards {
            shard.send(message());
        }
    }
}

impl Devices for Plane {
    fn add(&self, volume: u16, device: &Path) -> Result<u16, PlaneError> {
        self.verify(volume, device)?;
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        self.take_from_others(volume, device);
        let place = self.keeper.slot_for(volume, device);
        let path = place.ok_or_else(|| PlaneError::NoPlace {
            device: device.into(),
        })?;
        let left = &mut state.volumes[usize::from(volume)];
        let folder = device::folder(device);
        if !left.paths.iter().any(|p| p == device) || left.folders.get(device) != folder.as_ref() {
            left.paths.retain(|p| p != device);
            left.paths.push(device.into());
            left.folders.extend(folder.map(|f| (device.into(), f)));
            state.write(&self.file)?;
        }
        self.tell(|| Message::AddPath { volume, path });
        Ok(path)
    }

    /// It stays written down: its last commands may still be out when the daemon dies.
    fn remove(&self, volume: u16, device: &Path) -> Result<u16, PlaneError> {
        let place = self.keeper.remove(volume, device);
        let path = place.ok_or_else(|| PlaneError::NoPath {
            device: device.into(),
        })?;
        self.tell(|| Message::RemovePath { volume, path });
        Ok(path)
    }

    fn found(&self, volume: u16, device: &Path, new: bool) -> Result<Option<u16>, PlaneError> {
        match self.keeper.standing(volume, device) {
            Standing::Path => Ok(None),
            Standing::Removed if !new => Ok(None),
            Standing::Removed | Standing::Unknown => self.add(volume, device).map(Some),
        }
    }

    fn notice(&self, device: Option<(u32, u32)>, what: Notice) {
        self.keeper.notice(device, what.into());
    }

    fn resized(&self, volume: u16, blocks: u64) {
        let at = usize::from(volume);
        let bytes = blocks * u64::from(self.volumes[at].block_bytes);
        // Every shard tells of it.
        if self.sizes[at].swap(bytes, Ordering::Relaxed) == bytes {
            return;
        }
        let (state, file) = (self.state.clone(), self.file.clone());
        let resize = move || resize(&state, &file, at, bytes, front::resize);
        let thread = std::thread::Builder::new().name("resize".into());
        if let Err(e) = thread.spawn(resize) {
            tracing::error!("starting a thread that resizes a device: {e}");
        }
    }
}
/// `/dev/ublkbN` gets the volume's size, and a successor is told which one it has. A device that is not started yet is asked again.
fn resize(
    state: &Mutex<State>,
    file: &Path,
    at: usize,
    bytes: u64,
    set: impl Fn(i32, u64) -> Result<(), FrontError>,
) {
    let lock = || state.lock().unwrap_or_else(|e| e.into_inner());
    let (id, was) = {
        let left = &lock().volumes[at];
        (left.id, left.bytes)
    };
    if was == bytes {
        return;
    }
    for _ in 0..RESIZE_TRIES {
        match set(id, bytes) {
            Ok(()) => {
                tracing::info!("/dev/ublkb{id} has {bytes} bytes now, {was} before");
                let mut state = lock();
                state.volumes[at].bytes = bytes;
                if let Err(e) = state.write(file) {
                    tracing::error!("{e}; a successor will not know the new size");
                }
                return;
            }
            Err(e @ FrontError::NoResize) => return tracing::warn!("/dev/ublkb{id}: {e}"),
            Err(e) => {
                tracing::warn!("/dev/ublkb{id} does not get the new size yet: {e}");
                std::thread::sleep(RESIZE_AGAIN);
            }
        }
    }
    tracing::error!("/dev/ublkb{id} keeps its {was} bytes");
}

const RESIZE_TRIES: u32 = 10;
const RESIZE_AGAIN: std::time::Duration = std::time::Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_new_size_is_set_and_written_down_where_the_kernel_can() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let volumes = vec![crate::state::left(7)];
        let state = Mutex::new(State { volumes });
        let (large, tries) = (2u64 << 30, Cell::new(0));
        resize(&state, &file, 0, large, |_, _| Err(FrontError::NoResize));
        assert_eq!(state.lock().unwrap().volumes[0].bytes, 1 << 30);
        assert!(!file.exists());
        // Not started yet at the first try.
        resize(&state, &file, 0, large, |id, bytes| {
            assert_eq!((id, bytes), (7, large));
            tries.set(tries.get() + 1);
            let source = std::io::Error::from_raw_os_error(libc::ENODEV);
            let step = "resizing the device";
            (tries.get() > 1)
                .then_some(())
                .ok_or(FrontError::Ublk { step, source })
        });
        assert_eq!(tries.get(), 2);
        assert_eq!(state.lock().unwrap().volumes[0].bytes, large);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("2147483648"), "{text}");
        resize(&state, &file, 0, large, |_, _| panic!("it has that size"));
    }
}

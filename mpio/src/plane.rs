//! Paths that come and go while a volume is served: a device that shows the volume's identity takes a place among its paths on every
//! shard, and leaves it. What a successor must fear is written down before a path is used.
#![forbid(unsafe_code)]

use crate::device::{Device, DeviceError};
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
    /// How large the array says that it is: the kernel has to ask.
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
    state: Mutex<State>,
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
            state: Mutex::new(state),
            file,
        }
    }

    fn verify(&self, volume: u16, device: &Path) -> Result<(), PlaneError> {
        let wanted = &self.volumes[usize::from(volume)];
        let found = Device::look(device)?;
        let device = device.to_path_buf();
        let shown = found.wwid.unwrap_or_else(|| "without an identity".into());
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
        if !left.paths.iter().any(|p| p == device) {
            left.paths.push(device.into());
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
        self.sizes[at].store(bytes, Ordering::Relaxed);
    }
}

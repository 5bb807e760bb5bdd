//! Paths that come and go while a volume is served: a device that shows the volume's identity takes a place among its paths on every
//! shard, and leaves it. What a successor must fear is written down before a path is used.
#![forbid(unsafe_code)]

use crate::device::{Device, DeviceError};
use crate::shard::{Keeper, Message, Outbox};
use crate::state::{State, StateError};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What is wanted, of a volume by its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Add { volume: u16, device: PathBuf },
    Remove { volume: u16, device: PathBuf },
}

/// A volume as its paths must show it.
#[derive(Clone, Debug)]
pub struct Served {
    pub wwid: String,
    pub bytes: u64,
    pub block_bytes: u32,
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
        "{device} has {bytes} bytes in blocks of {block}, and the volume {wanted} in {wanted_block}"
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
            volumes,
            state: Mutex::new(state),
            file,
        }
    }

    /// The place of the device among the volume's paths. A path that is added is verified and opened by the shards as any other;
    /// one that is there already stays as it is.
    pub fn change(&self, change: Change) -> Result<u16, PlaneError> {
        match change {
            Change::Add { volume, device } => {
                self.verify(volume, &device)?;
                let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
                let place = self.keeper.slot_for(volume, &device);
                let path = place.ok_or_else(|| PlaneError::NoPlace {
                    device: device.clone(),
                })?;
                let left = &mut state.volumes[usize::from(volume)];
                if !left.paths.contains(&device) {
                    left.paths.push(device);
                    state.write(&self.file)?;
                }
                self.tell(|| Message::AddPath { volume, path });
                Ok(path)
            }
            // It stays written down: its last commands may still be out when the daemon dies.
            Change::Remove { volume, device } => {
                let place = self.keeper.remove(volume, &device);
                let path = place.ok_or(PlaneError::NoPath { device })?;
                self.tell(|| Message::RemovePath { volume, path });
                Ok(path)
            }
        }
    }

    fn verify(&self, volume: u16, device: &std::path::Path) -> Result<(), PlaneError> {
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
        let block = found.limits.block_bytes;
        if (found.bytes, block) != (wanted.bytes, wanted.block_bytes) {
            return Err(PlaneError::Size {
                device,
                bytes: found.bytes,
                block,
                wanted: wanted.bytes,
                wanted_block: wanted.block_bytes,
            });
        }
        Ok(())
    }

    fn tell(&self, message: impl Fn() -> Message) {
        for shard in &self.shards {
            shard.send(message());
        }
    }
}

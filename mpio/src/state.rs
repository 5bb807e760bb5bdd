//! What a daemon leaves for its successor: the ublk device of each volume, the generation, and the paths that it had open. Written
//! before the first I/O, removed by an orderly end: a file that is there was left by a crash.
#![forbid(unsafe_code)]

use crate::front::Copy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub volumes: Vec<Left>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    pub name: String,
    /// N of `/dev/ublkcN`.
    pub id: i32,
    /// How many daemons had it before.
    pub generation: u32,
    pub wwid: String,
    pub queues: u16,
    pub depth: u16,
    pub buffer_bytes: u32,
    #[serde(default)]
    pub copy: Copy,
    pub bytes: u64,
    pub paths: Vec<PathBuf>,
    /// Where each path's device sat (`device::folder`), as far as is known: a device may have another name, and a name another device, when the
    /// successor looks.
    #[serde(default)]
    pub folders: BTreeMap<PathBuf, PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{file}: {source}")]
    Io { file: PathBuf, source: io::Error },
    #[error(
        "{file}: not the state of a daemon ({source}); if no daemon of this file runs any more, delete its ublk devices and it"
    )]
    Json {
        file: PathBuf,
        source: serde_json::Error,
    },
}

/// Beside the socket: one daemon, one socket, one state.
pub fn file(socket: &Path) -> PathBuf {
    beside(socket, "state.json")
}

/// `/run/mpio.sock` becomes `/run/mpio.NAME`; one that is called otherwise keeps its extension, so that `mpio.a` and `mpio.b` have two.
pub fn beside(socket: &Path, name: &str) -> PathBuf {
    if socket.extension().is_some_and(|e| e == "sock") {
        return socket.with_extension(name);
    }
    let mut all = socket.as_os_str().to_owned();
    all.push(".");
    all.push(name);
    all.into()
}

impl State {
    pub fn read(file: &Path) -> Result<State, StateError> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(State::default()),
            Err(source) => {
                let file = file.into();
                return Err(StateError::Io { file, source });
            }
        };
        let mut state: State = serde_json::from_str(&text).map_err(|source| StateError::Json {
            file: file.into(),
            source,
        })?;
        // After a boot there are no devices, whatever the file says.
        state
            .volumes
            .retain(|v| Path::new(&format!("/dev/ublkc{}", v.id)).exists());
        Ok(state)
    }

    /// Whole or not at all: a crash in the middle leaves the old one.
    pub fn write(&self, file: &Path) -> Result<(), StateError> {
        let part = file.with_extension("part");
        let write = || {
            std::fs::write(&part, serde_json::to_string(self)?)?;
            std::fs::File::open(&part)?.sync_all()?;
            std::fs::rename(&part, file)
        };
        write().map_err(|source| {
            // Half of one, on a full disk.
            let _ = std::fs::remove_file(&part);
            StateError::Io {
                file: file.into(),
                source,
            }
        })
    }

    pub fn of(&self, name: &str) -> Option<&Left> {
        self.volumes.iter().find(|v| v.name == name)
    }
}

#[cfg(test)]
pub fn left(id: i32) -> Left {
    Left {
        name: "db".into(),
        id,
        generation: 3,
        wwid: "naa.5".into(),
        queues: 2,
        depth: 64,
        buffer_bytes: 1 << 17,
        copy: Copy::User,
        bytes: 1 << 30,
        paths: vec!["/dev/sda".into()],
        folders: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_are_gone_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder.path().join("mpio.sock"));
        assert_eq!(State::read(&file).unwrap(), State::default());
        let state = State {
            volumes: vec![left(40_000)],
        };
        state.write(&file).unwrap();
        assert_eq!(State::read(&file).unwrap(), State::default());
        assert_eq!(state.of("db").unwrap().generation, 3);
    }

    #[test]
    fn each_socket_has_a_state_of_its_own() {
        let of = |socket: &str| file(Path::new(socket)).display().to_string();
        assert_eq!(of("/run/mpio.sock"), "/run/mpio.state.json");
        assert_eq!(of("/run/mpio.a"), "/run/mpio.a.state.json");
        assert_eq!(of("/run/mpio"), "/run/mpio.state.json");
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.json");
        std::fs::write(&file, "{\"volumes\": 1}").unwrap();
        let error = State::read(&file).unwrap_err().to_string();
        assert!(error.contains("not the state of a daemon"), "{error}");
    }
}

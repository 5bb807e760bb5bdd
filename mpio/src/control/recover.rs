//! `mpio recover`: what a daemon that ended without order left behind. The next `mpio serve` with the same socket takes it over by itself; this
//! shows what there is to take over, and gives up what nobody will.
#![forbid(unsafe_code)]

use super::links;
use super::status::{Table, size};
use crate::front::{self, FrontError};
use crate::state::{self, Left, State, StateError};
use crate::untold;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{socket}: its daemon lives; stop it with `mpio stop --socket {socket}`")]
    Lives { socket: PathBuf },
    #[error("{file}: nothing of a volume \"{volume}\" was left behind")]
    Unknown { file: PathBuf, volume: String },
    #[error("volume \"{volume}\": {source}")]
    Front { volume: String, source: FrontError },
}

impl RecoverError {
    pub fn exit_code(&self) -> u8 {
        match self {
            RecoverError::Unknown { .. } => 2,
            _ => 1,
        }
    }
}

fn lives(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

/// What is left, for people or as JSON.
pub fn show(socket: &Path, json: bool) -> Result<String, RecoverError> {
    let left = State::read(&state::file(socket))?;
    Ok(text(&left.volumes, lives(socket), socket, json))
}

fn text(left: &[Left], lives: bool, socket: &Path, json: bool) -> String {
    if json {
        let shown = serde_json::json!({ "daemon_lives": lives, "volumes": left });
        return format!("{shown}\n");
    }
    if lives {
        let socket = socket.display();
        return format!("{socket}: its daemon lives: nothing is to be recovered\n");
    }
    if left.is_empty() {
        return "nothing was left behind\n".into();
    }
    let mut table = Table::new(&["volume", "device", "size", "identity", "paths"]);
    for v in left {
        let paths = v.paths.iter().map(|p| p.display().to_string());
        table.row([
            v.name.clone(),
            format!("/dev/ublkb{}", v.id),
            size(v.bytes),
            v.wwid.clone(),
            paths.collect::<Vec<_>>().join(" "),
        ]);
    }
    format!(
        "{}I/O on these devices waits. `mpio serve` with this socket and these volumes takes them over;\n`mpio recover --give-up VOLUME` deletes one, and what waits on it fails.\n",
        table.text("")
    )
}

/// Deletes the device of a volume that nobody will serve again.
pub fn give_up(socket: &Path, volume: &str, json: bool) -> Result<String, RecoverError> {
    if lives(socket) {
        let socket = socket.into();
        return Err(RecoverError::Lives { socket });
    }
    let file = state::file(socket);
    let mut left = State::read(&file)?;
    let Some(v) = left.of(volume).cloned() else {
        let volume = volume.into();
        return Err(RecoverError::Unknown { file, volume });
    };
    front::give_up(v.id).map_err(|source| RecoverError::Front {
        volume: volume.into(),
        source,
    })?;
    let _ = std::fs::remove_file(Path::new(links::FOLDER).join(volume));
    let _ = std::fs::remove_file(untold::file(&file, volume));
    left.volumes.retain(|v| v.name != volume);
    if left.volumes.is_empty() {
        let _ = std::fs::remove_file(&file);
    } else {
        left.write(&file)?;
    }
    Ok(match json {
        true => format!(
            "{}\n",
            serde_json::json!({ "done": "given up", "volume": volume })
        ),
        false => format!("{volume}: /dev/ublkb{} is deleted\n", v.id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_shown_with_what_to_do() {
        let socket = Path::new("/run/none.sock");
        assert_eq!(text(&[], false, socket, false), "nothing was left behind\n");
        let left = Left {
            name: "db".into(),
            id: 3,
            generation: 1,
            wwid: "naa.5".into(),
            queues: 1,
            depth: 64,
            buffer_bytes: 1 << 17,
            copy: crate::front::Copy::Copy,
            bytes: 1 << 30,
            paths: vec!["/dev/sda".into(), "/dev/sdb".into()],
            folders: Default::default(),
        };
        insta::assert_snapshot!(text(std::slice::from_ref(&left), false, socket, false));
        let json = text(&[left], true, socket, true);
        assert!(json.contains("\"daemon_lives\":true") && json.contains("\"name\":\"db\""));
    }

    #[test]
    fn nothing_is_given_up_by_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mpio.sock");
        let error = give_up(&socket, "db", false).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("nothing of a volume \"db\""));
        let _daemon = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = give_up(&socket, "db", false).unwrap_err();
        assert!(error.to_string().contains("its daemon lives"), "{error}");
    }
}

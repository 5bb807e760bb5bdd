//! The admin socket: one line asks, one line of JSON answers. It reads the shard's latest snapshot, and so never waits for I/O.
#![forbid(unsafe_code)]

use crate::shard::Snapshot;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A client that says nothing for so long is left.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{socket}: a daemon answers there already; stop it with `mpio stop --socket {socket}`")]
    Busy { socket: PathBuf },
    #[error("{socket}: {source}")]
    Bind { socket: PathBuf, source: io::Error },
    #[error(
        "{socket}: no daemon answers there ({source}); is `mpio serve` running with this socket?"
    )]
    NoDaemon { socket: PathBuf, source: io::Error },
    #[error("{socket}: the daemon's answer is not whole ({source})")]
    Answer { socket: PathBuf, source: io::Error },
}

pub struct Admin {
    socket: PathBuf,
    listener: UnixListener,
}

impl Admin {
    /// Only its owner may open the socket. One that a dead daemon left behind is taken over; a live one is refused.
    pub fn bind(socket: &Path) -> Result<Admin, AdminError> {
        if UnixStream::connect(socket).is_ok() {
            return Err(AdminError::Busy {
                socket: socket.into(),
            });
        }
        let bind = || {
            match std::fs::remove_file(socket) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
            let listener = UnixListener::bind(socket)?;
            std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = bind().map_err(|source| AdminError::Bind {
            socket: socket.into(),
            source,
        })?;
        Ok(Admin {
            socket: socket.into(),
            listener,
        })
    }

    /// Answers on a thread of its own, until the process ends; `stop` sends a word.
    pub fn serve(&self, snapshot: Arc<Mutex<Snapshot>>, stop: Sender<()>) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        std::thread::Builder::new()
            .name("admin".into())
            .spawn(move || {
                for client in listener.incoming().flatten() {
                    // One at a time: a client that hangs is left after a moment.
                    let _ = answer(client, &snapshot, &stop);
                }
            })?;
        Ok(())
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn answer(client: UnixStream, snapshot: &Mutex<Snapshot>, stop: &Sender<()>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(io::Read::take(&client, 1 << 12)).read_line(&mut line)?;
    let text = match line.trim() {
        "status" => {
            let shown = snapshot.lock().map(|s| s.clone()).unwrap_or_default();
            serde_json::to_string(&shown)?
        }
        "stop" => {
            let _ = stop.send(());
            "{\"stopping\":true}".into()
        }
        other => {
            serde_json::json!({ "error": format!("unknown request \"{other}\": status, stop") })
                .to_string()
        }
    };
    writeln!(&client, "{text}")
}

/// Asks the daemon behind a socket.
pub fn ask(socket: &Path, request: &str) -> Result<serde_json::Value, AdminError> {
    let mut stream = UnixStream::connect(socket).map_err(|source| AdminError::NoDaemon {
        socket: socket.into(),
        source,
    })?;
    let mut talk = || {
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{request}")?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    talk().map_err(|source| AdminError::Answer {
        socket: socket.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_asked_and_a_second_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mpio.sock");
        let none = ask(&socket, "status").unwrap_err().to_string();
        assert!(none.contains("no daemon answers there"), "{none}");
        // What a dead daemon left behind is taken over.
        drop(UnixListener::bind(&socket).unwrap());
        let admin = Admin::bind(&socket).unwrap();
        let (send, stops) = std::sync::mpsc::channel();
        admin.serve(Arc::default(), send).unwrap();
        assert_eq!(
            ask(&socket, "status").unwrap()["volumes"],
            serde_json::json!([])
        );
        assert!(
            ask(&socket, "dance").unwrap()["error"]
                .as_str()
                .unwrap()
                .contains("unknown request")
        );
        let second = Admin::bind(&socket).err().unwrap().to_string();
        assert!(second.contains("answers there already"), "{second}");
        ask(&socket, "stop").unwrap();
        stops.recv_timeout(PATIENCE).unwrap();
        drop(admin);
        assert!(!socket.exists());
    }
}

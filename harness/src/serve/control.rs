//! Live faults: a socket beside the served device. One request a connection, one line of JSON each way; the loop that serves the device
//! answers between two batches of requests.

use super::Served;
use crate::world::live::FaultState;
use protocol::Instant;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Where the socket is if nothing else is said.
pub const SOCKET: &str = "/run/mpio-harness.sock";
/// No request is longer.
const LINE_MAX: u64 = 64 << 10;
/// The device's loop answers sooner; a client that says nothing is left.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Wish {
    /// What a `[[fault]]` holds, without its time.
    Add(String),
    List,
    Clear(usize),
    ClearAll,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Added(usize),
    Faults(Vec<FaultState>),
    /// How many faults ended.
    Cleared(usize),
    Error(String),
}

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("{socket}: {source}{hint}", socket = socket.display())]
    Socket {
        socket: PathBuf,
        source: io::Error,
        hint: &'static str,
    },
    #[error("{socket}: another harness serve listens there", socket = socket.display())]
    Taken { socket: PathBuf },
    #[error("{socket}: no answer that can be read: {text}", socket = socket.display())]
    Answer { socket: PathBuf, text: String },
}

/// The served side. The socket's file goes with it.
#[derive(Debug)]
pub struct Control {
    socket: PathBuf,
    wishes: Receiver<(Wish, Sender<Reply>)>,
}

impl Control {
    pub fn listen(socket: &Path) -> Result<Control, ControlError> {
        let fail = |source| ControlError::Socket {
            socket: socket.to_path_buf(),
            source,
            hint: "",
        };
        if UnixStream::connect(socket).is_ok() {
            return Err(ControlError::Taken {
                socket: socket.to_path_buf(),
            });
        }
        // Of one that died. Anything else that has the name stays, and is told by `bind`.
        let is_socket = |m: std::fs::Metadata| m.file_type().is_socket();
        if std::fs::symlink_metadata(socket).is_ok_and(is_socket) {
            std::fs::remove_file(socket).map_err(fail)?;
        }
        let listener = UnixListener::bind(socket).map_err(fail)?;
        let (send, wishes) = channel();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that goes away does no harm.
                let _ = answer(&client, &send);
            }
        });
        Ok(Control {
            socket: socket.to_path_buf(),
            wishes,
        })
    }

    /// Grants what was wished since the last call.
    pub fn grant(&self, now: Instant, served: &mut Served) {
        while let Ok((wish, reply)) = self.wishes.try_recv() {
            let _ = reply.send(grant(now, served, wish));
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn answer(client: &UnixStream, to: &Sender<(Wish, Sender<Reply>)>) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(io::Read::take(client, LINE_MAX)).read_line(&mut line)?;
    let (send, receive) = channel();
    let reply = match serde_json::from_str(&line) {
        Err(e) => Reply::Error(format!("no request: {e}")),
        Ok(wish) if to.send((Wish::clone(&wish), send)).is_ok() => receive
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| Reply::Error("the device's loop does not answer".into())),
        Ok(_) => Reply::Error("the device goes away".into()),
    };
    let mut client = client;
    writeln!(client, "{}", serde_json::to_string(&reply)?)
}

/// What a wish comes to.
pub fn grant(now: Instant, served: &mut Served, wish: Wish) -> Reply {
    match wish {
        Wish::Add(text) => match served.add_fault(now, &text) {
            Ok(id) => Reply::Added(id),
            Err(said) => Reply::Error(said),
        },
        Wish::List => Reply::Faults(served.faults()),
        Wish::Clear(id) => match served.clear_fault(now, id) {
            Ok(true) => Reply::Cleared(1),
            Ok(false) => Reply::Error(format!("no fault {id} is active")),
            Err(said) => Reply::Error(said),
        },
        Wish::ClearAll => {
            let active: Vec<usize> = served
                .faults()
                .iter()
                .filter(|f| f.active)
                .map(|f| f.id)
                .collect();
            let mut cleared = 0;
            for id in active {
                match served.clear_fault(now, id) {
                    Ok(was) => cleared += usize::from(was),
                    Err(said) => return Reply::Error(said),
                }
            }
            Reply::Cleared(cleared)
        }
    }
}

/// The asking side.
pub fn ask(socket: &Path, wish: &Wish) -> Result<Reply, ControlError> {
    let fail = |source: io::Error| ControlError::Socket {
        socket: socket.to_path_buf(),
        hint: match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                " (is harness serve running? --socket says where)"
            }
            _ => "",
        },
        source,
    };
    let mut stream = UnixStream::connect(socket).map_err(fail)?;
    stream.set_read_timeout(Some(PATIENCE * 2)).map_err(fail)?;
    let line = serde_json::to_string(wish).unwrap_or_default();
    writeln!(stream, "{line}").map_err(fail)?;
    let mut said = String::new();
    BufReader::new(stream).read_line(&mut said).map_err(fail)?;
    serde_json::from_str(&said).map_err(|e| ControlError::Answer {
        socket: socket.to_path_buf(),
        text: e.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_adds_lists_and_clears() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let said = ask(&socket, &Wish::List).unwrap_err().to_string();
        assert!(said.contains("is harness serve running?"), "{said}");
        std::fs::write(&socket, "somebody's").unwrap();
        assert!(Control::listen(&socket).is_err());
        assert!(socket.exists());
        std::fs::remove_file(&socket).unwrap();
        let control = Control::listen(&socket).unwrap();
        assert!(matches!(
            Control::listen(&socket),
            Err(ControlError::Taken { .. })
        ));
        let asking = std::thread::spawn({
            let socket = socket.clone();
            move || {
                let ask = |wish| ask(&socket, &wish).unwrap();
                let added = ask(Wish::Add("do = \"stall\"\non = \"array\"".into()));
                let refused = ask(Wish::Add("do = \"stahl\"\non = \"array\"".into()));
                let listed = ask(Wish::List);
                let cleared = ask(Wish::ClearAll);
                let again = ask(Wish::Clear(0));
                (added, refused, listed, cleared, again)
            }
        });
        let mut served = super::super::tests::served("");
        while !asking.is_finished() {
            control.grant(Instant::ZERO, &mut served);
            std::thread::sleep(Duration::from_millis(1));
        }
        let (added, refused, listed, cleared, again) = asking.join().unwrap();
        assert!(matches!(added, Reply::Added(0)), "{added:?}");
        assert!(
            matches!(&refused, Reply::Error(e) if e.contains("stall")),
            "{refused:?}"
        );
        assert!(
            matches!(&listed, Reply::Faults(f) if f.len() == 1 && f[0].active && f[0].fault == "stall on array"),
            "{listed:?}"
        );
        assert!(matches!(cleared, Reply::Cleared(1)), "{cleared:?}");
        assert!(matches!(again, Reply::Error(_)), "{again:?}");
        drop(control);
        assert!(!socket.exists());
    }
}

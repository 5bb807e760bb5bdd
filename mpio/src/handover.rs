//! One daemon gives its volumes to the next, and no application sees an error: `mpio serve --take-over`.
//!
//! The successor looks at everything that can be looked at while the other still serves: configuration, kernel, paths, memory. Only
//! then it asks, over the admin socket. The daemon that is asked ends what it has begun: the kernel holds new requests back (QUIESCE); every command that is out
//! comes back; the paths are closed, so that the successor can open them exclusively. Then it lets go, with a word on what no state file has (`Handed`), and waits. The successor takes the
//! devices by the kernel's user recovery and says so; the other one ends. Where the successor fails, hangs up or says nothing, the other one
//! takes its own devices back as it would a dead daemon's.
//!
//! A kernel that cannot quiesce (before 6.16) is no place for it: on 6.12 a daemon closed its queues while requests came, with nothing of its own out, and in
//! the second or third of such hand-overs the recovery never began (START_USER_RECOVERY waited for the driver). There a hand-over is refused.
//!
//! What a successor must know is versioned (`PROTOCOL`); it asks for the version that it speaks and is refused where the other one speaks another.
#![forbid(unsafe_code)]

use crate::control::client::{ClientError, Talk};
use crate::control::protocol::{Answer, Refusal, Request, Wish, refused};
use crate::state::Left;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const PROTOCOL: u32 = 1;

/// The successor has this long to serve; it takes some tenths of a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the main thread is told.
#[derive(Debug)]
pub enum Word {
    /// An operator, or a signal, wants the daemon to end.
    Stop,
    /// A shard of this generation has ended.
    Ended(u32),
    HandOver(Asked),
}

/// What a daemon lets go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    pub protocol: u32,
    pub version: String,
    pub volumes: Vec<HandedVolume>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedVolume {
    pub left: Left,
    /// Paths on which a write may still be out: it is fenced as after a crash. Most often none.
    pub feared: Vec<PathBuf>,
    /// By shard: the array has said that a flush failed, and no application was told.
    pub untold: Vec<bool>,
    /// What an operator wanted of a path, where it is not "enabled".
    pub operator: Vec<(PathBuf, Wish)>,
}

/// A successor that waits for an answer.
#[derive(Debug)]
pub struct Asked {
    pub stream: UnixStream,
    pub protocol: u32,
    pub version: String,
    /// What it will serve.
    pub volumes: Vec<String>,
}

impl Asked {
    pub fn refuse(mut self, what: impl Into<String>) {
        let _ = say(&mut self.stream, &refused(Refusal::Busy, what));
    }

    /// It has not hung up.
    pub fn waits(&self) -> bool {
        let mut byte = [0];
        let looked = self.stream.set_nonblocking(true).is_ok();
        let read = (&self.stream).read(&mut byte);
        let _ = self.stream.set_nonblocking(false);
        looked && read.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// Everything is let go; whether the successor serves now.
    pub fn give(mut self, handed: Handed) -> bool {
        let told = say(&mut self.stream, &Answer::LetGo(handed));
        let waits = self.stream.set_read_timeout(Some(PATIENCE));
        let mut line = String::new();
        told.and(waits).is_ok()
            && BufReader::new(self.stream).read_line(&mut line).is_ok()
            && matches!(serde_json::from_str(&line), Ok(Request::Taken))
    }
}

fn say(stream: &mut UnixStream, answer: &Answer) -> std::io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    stream.write_all(line.as_bytes())
}

#[derive(Debug, thiserror::Error)]
pub enum TakeOverError {
    #[error(transparent)]
    Client(ClientError),
    #[error(
        "{socket}: the daemon there does not know how to hand over ({what}): stop it with `mpio stop --socket {socket}`, and start the new one"
    )]
    Unknown { socket: PathBuf, what: String },
    #[error("{socket}: an answer to another question")]
    Odd { socket: PathBuf },
}

/// The successor's end.
#[derive(Debug)]
pub struct TakeOver(Talk);

impl TakeOver {
    /// The daemon behind the socket ends what it does. From here on its applications wait.
    pub fn ask(socket: &Path, volumes: Vec<String>) -> Result<(TakeOver, Handed), TakeOverError> {
        let request = Request::TakeOver {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            volumes,
        };
        let socket_of = || socket.to_path_buf();
        let mut talk = Talk::begin(socket, &request).map_err(TakeOverError::Client)?;
        match talk.next() {
            Ok(Some(Answer::LetGo(handed))) => Ok((TakeOver(talk), handed)),
            Ok(_) => Err(TakeOverError::Odd {
                socket: socket_of(),
            }),
            Err(ClientError::Refused {
                kind: Refusal::Request,
                what,
            }) => Err(TakeOverError::Unknown {
                socket: socket_of(),
                what,
            }),
            Err(e) => Err(TakeOverError::Client(e)),
        }
    }

    /// The volumes are served: the other one may end. It does so too where it cannot hear this any more, since the devices are not its own.
    pub fn taken(mut self) -> Result<(), ClientError> {
        self.0.say(&Request::Taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::tests::daemon;

    fn handed() -> Handed {
        Handed {
            protocol: PROTOCOL,
            version: "0.0.1".into(),
            volumes: vec![HandedVolume {
                left: crate::state::left(3),
                feared: vec!["/dev/sdb".into()],
                untold: vec![false, true],
                operator: vec![("/dev/sda".into(), Wish::Standby)],
            }],
        }
    }

    fn successor(socket: &Path) -> std::thread::JoinHandle<Result<(TakeOver, Handed), String>> {
        let socket = socket.to_path_buf();
        std::thread::spawn(move || {
            TakeOver::ask(&socket, vec!["db".into()]).map_err(|e| e.to_string())
        })
    }

    #[test]
    fn a_successor_is_given_what_is_let_go_and_says_that_it_serves() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mpio.sock");
        let d = daemon(&socket);
        for serves in [true, false] {
            let asking = successor(&socket);
            let Word::HandOver(asked) = d.stops.recv_timeout(PATIENCE).unwrap() else {
                panic!("another word")
            };
            assert_eq!(asked.volumes, ["db"]);
            assert_eq!(asked.protocol, PROTOCOL);
            assert!(asked.waits());
            let giving = std::thread::spawn(move || asked.give(handed()));
            let (take_over, given) = asking.join().unwrap().unwrap();
            assert_eq!(given, handed());
            if serves {
                take_over.taken().unwrap();
            } else {
                drop(take_over);
            }
            assert_eq!(giving.join().unwrap(), serves);
        }
    }

    #[test]
    fn a_refusal_says_why_and_one_that_hung_up_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mpio.sock");
        let d = daemon(&socket);
        let asking = successor(&socket);
        let Word::HandOver(asked) = d.stops.recv_timeout(PATIENCE).unwrap() else {
            panic!("another word")
        };
        asked.refuse("db: not now");
        assert_eq!(asking.join().unwrap().unwrap_err(), "db: not now");
        let (near, far) = UnixStream::pair().unwrap();
        let asked = Asked {
            stream: near,
            protocol: PROTOCOL,
            version: String::new(),
            volumes: Vec::new(),
        };
        assert!(asked.waits());
        drop(far);
        assert!(!asked.waits());
        assert!(!asked.give(handed()));
    }

    #[test]
    fn a_daemon_that_does_not_know_the_request_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("old.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let asking = successor(&socket);
        let (mut client, _) = listener.accept().unwrap();
        let answer = refused(Refusal::Request, "not a request: unknown variant");
        say(&mut client, &answer).unwrap();
        let error = asking.join().unwrap().unwrap_err();
        assert!(error.contains("does not know how to hand over"), "{error}");
        assert!(error.contains("mpio stop --socket"), "{error}");
    }
}

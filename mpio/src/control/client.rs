//! The asking end of the admin socket. What stands between an operator and the daemon is said by name, with what to do about it.
#![forbid(unsafe_code)]

use super::protocol::{Answer, LINE_MAX, Refusal, Request};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The daemon's control side answers at once, whatever its paths do: so long a silence is a defect.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "{socket}: no daemon: there is no such socket. Start one with `mpio serve`, or name its socket with --socket"
    )]
    NoSocket { socket: PathBuf },
    #[error(
        "{socket}: no daemon: the socket is dead, its daemon ended without order. What it left is taken over by `mpio serve`; `mpio recover` shows it"
    )]
    Dead { socket: PathBuf },
    #[error(
        "{socket}: permission denied: the daemon belongs to uid {owner}; ask as that user or as root"
    )]
    Permission { socket: PathBuf, owner: String },
    #[error(
        "{socket}: this is no socket; --socket names the daemon's, as [daemon] socket in its configuration"
    )]
    NotSocket { socket: PathBuf },
    #[error("{socket}: {source}")]
    Talk { socket: PathBuf, source: io::Error },
    #[error("{socket}: the daemon has not answered for {PATIENCE:?}; is its process stopped?")]
    Silent { socket: PathBuf },
    #[error("{socket}: not an answer of mpio's ({source}); is the daemon of another version?")]
    Answer {
        socket: PathBuf,
        source: serde_json::Error,
    },
    #[error("{what}")]
    Refused { kind: Refusal, what: String },
}

impl ClientError {
    /// 4: there is nobody to ask. 2: what was asked is wrong. 1: the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            ClientError::NoSocket { .. } | ClientError::Dead { .. } => 4,
            ClientError::NotSocket { .. } => 2,
            ClientError::Refused {
                kind: Refusal::Name | Refusal::Request,
                ..
            } => 2,
            _ => 1,
        }
    }
}

/// A connection on which one request was sent.
#[derive(Debug)]
pub struct Talk {
    socket: PathBuf,
    lines: BufReader<UnixStream>,
}

impl Talk {
    pub fn begin(socket: &Path, request: &Request) -> Result<Talk, ClientError> {
        let stream = UnixStream::connect(socket).map_err(|e| cannot_connect(socket, e))?;
        let talk = |source| ClientError::Talk {
            socket: socket.into(),
            source,
        };
        stream.set_read_timeout(Some(PATIENCE)).map_err(talk)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(talk)?;
        let mut talk = Talk {
            socket: socket.into(),
            lines: BufReader::new(stream),
        };
        talk.say(request)?;
        Ok(talk)
    }

    pub fn say(&mut self, request: &Request) -> Result<(), ClientError> {
        let talk = |source| ClientError::Talk {
            socket: self.socket.clone(),
            source,
        };
        let mut line = serde_json::to_string(request).map_err(|e| talk(e.into()))?;
        line.push('\n');
        let stream = self.lines.get_mut();
        stream.write_all(line.as_bytes()).map_err(talk)
    }

    /// The next answer; `None` when the daemon has said all.
    pub fn next(&mut self) -> Result<Option<Answer>, ClientError> {
        let socket = self.socket.clone();
        let mut line = String::new();
        let read = (&mut self.lines).take(LINE_MAX).read_line(&mut line);
        match read {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(ClientError::Silent { socket });
            }
            Err(source) => return Err(ClientError::Talk { socket, source }),
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Refused { kind, what }) => Err(ClientError::Refused { kind, what }),
            Ok(answer) => Ok(Some(answer)),
            Err(source) => Err(ClientError::Answer { socket, source }),
        }
    }
}

/// Asks the daemon behind a socket, and hears one answer.
pub fn ask(socket: &Path, request: &Request) -> Result<Answer, ClientError> {
    let answer = Talk::begin(socket, request)?.next()?;
    answer.ok_or_else(|| ClientError::Talk {
        socket: socket.into(),
        source: io::Error::new(ErrorKind::UnexpectedEof, "the daemon hung up"),
    })
}

fn cannot_connect(socket: &Path, e: io::Error) -> ClientError {
    let socket = socket.to_path_buf();
    let other = std::fs::metadata(&socket).is_ok_and(|m| !m.file_type().is_socket());
    match e.kind() {
        _ if other => ClientError::NotSocket { socket },
        ErrorKind::NotFound => ClientError::NoSocket { socket },
        ErrorKind::ConnectionRefused => ClientError::Dead { socket },
        ErrorKind::PermissionDenied => {
            let owner = std::fs::metadata(&socket);
            let owner = owner.map_or_else(|_| "0".into(), |m| m.uid().to_string());
            ClientError::Permission { socket, owner }
        }
        _ => ClientError::Talk { socket, source: e },
    }
}

//! The answering end of the admin socket: one client, one request, one answer. It reads the shards' latest snapshots and leaves word for
//! them, and so never waits for I/O.
#![forbid(unsafe_code)]

use super::Control;
use super::protocol::{Answer, Refusal, Request, Wish, refused};
use super::sockets;
use super::trace::say;
use super::view::View;
use crate::device;
use crate::handover::{Asked, Word};
use crate::plane::PlaneError;
use crate::state;
use datapath::core::Input;
use datapath::core::path::Admin as PathAdmin;
use protocol::{PathId, VolumeId};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// A client that says nothing, or takes nothing, for so long is left.
const PATIENCE: Duration = Duration::from_secs(5);
/// A shard looks at what was left for it at least ten times a second; one that has not for so long hangs.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
/// Whether a volume is held is known at once, where its paths answer.
const HELD_WITHIN: Duration = Duration::from_secs(1);
const REQUEST_MAX: u64 = 1 << 16;
const CLIENTS_MAX: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{socket}: a daemon answers there already; stop it with `mpio stop --socket {socket}`")]
    Busy { socket: PathBuf },
    #[error("{socket}: {source}{}", hint(source))]
    Bind { socket: PathBuf, source: io::Error },
}

fn hint(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::PermissionDenied => {
            "; the daemon runs as root, or name a [daemon] socket in a folder of your own"
        }
        io::ErrorKind::NotFound => "; make its folder, or name another [daemon] socket",
        _ => "",
    }
}

/// The socket as long as it stands.
pub struct Admin {
    /// Where it stands; `None`: another daemon has put its own there.
    file: Option<PathBuf>,
    listener: std::os::unix::net::UnixListener,
}

impl Admin {
    /// Only its owner may open the socket. One that a dead daemon left behind is taken over; a live one is refused.
    pub fn bind(socket: &Path) -> Result<Admin, AdminError> {
        if StdStream::connect(socket).is_ok() {
            return Err(AdminError::Busy {
                socket: socket.into(),
            });
        }
        Admin::stand(socket)
    }

    /// One that stands beside the socket of a daemon that serves, until it takes its place (`publish`).
    pub fn beside(socket: &Path) -> Result<Admin, AdminError> {
        Admin::stand(&state::beside(socket, "next"))
    }

    fn stand(file: &Path) -> Result<Admin, AdminError> {
        let bind = || {
            sockets::make_room(file)?;
            let listener = std::os::unix::net::UnixListener::bind(file)?;
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = bind().map_err(|source| AdminError::Bind {
            socket: file.into(),
            source,
        })?;
        Ok(Admin {
            file: Some(file.into()),
            listener,
        })
    }

    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whoever asks at the socket is answered here from now on.
    pub fn publish(&mut self, socket: &Path) -> Result<(), AdminError> {
        if let Some(file) = &self.file {
            std::fs::rename(file, socket).map_err(|source| AdminError::Bind {
                socket: socket.into(),
                source,
            })?;
        }
        self.file = Some(socket.into());
        Ok(())
    }

    /// Another daemon has put its own in its place.
    pub fn leave(mut self) {
        self.file = None;
    }

    pub fn listener(&self) -> io::Result<std::os::unix::net::UnixListener> {
        self.listener.try_clone()
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Answers for ever. A client that hangs costs one of many places, for a moment.
pub async fn serve(listener: UnixListener, control: Arc<Control>) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((client, _)) => {
                let control = control.clone();
                tokio::spawn(async move {
                    let _ = attend(client, &control).await;
                    drop(place);
                });
            }
            // No descriptors left, say: not a reason to spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn attend(client: UnixStream, control: &Control) -> io::Result<()> {
    let peer = client.peer_cred()?.uid();
    let (read, mut write) = client.into_split();
    let mut line = String::new();
    let mut read = BufReader::new(read.take(REQUEST_MAX));
    tokio::time::timeout(PATIENCE, read.read_line(&mut line)).await??;
    let owner = rustix::process::geteuid().as_raw();
    if peer != 0 && peer != owner {
        let what = format!("uid {peer} may not ask this daemon: it belongs to uid {owner}");
        return say(&mut write, &refused(Refusal::Permission, what)).await;
    }
    let answer = match serde_json::from_str(&line) {
        Ok(Request::TakeOver {
            protocol,
            version,
            volumes,
        }) => {
            let stream = read.into_inner().into_inner().reunite(write);
            let stream = stream.map_err(io::Error::other)?.into_std()?;
            stream.set_nonblocking(false)?;
            // The main thread speaks with it.
            let _ = control.words.send(Word::HandOver(Asked {
                stream,
                protocol,
                version,
                volumes,
            }));
            return Ok(());
        }
        Ok(Request::Trace { volume }) => {
            return control.trace(&volume, &mut read, &mut write).await;
        }
        Ok(request) => control.carry_out(request).await,
        Err(e) => refused(Refusal::Request, format!("not a request: {e}")),
    };
    say(&mut write, &answer).await
}

fn refuse(e: PlaneError) -> Box<Answer> {
    Box::new(refused(Refusal::Device, e.to_string()))
}

impl Control {
    pub(super) async fn carry_out(&self, request: Request) -> Answer {
        let done = match request {
            Request::Status => return Answer::Status(self.view()),
            Request::Stop { force } => self.stop(force).await,
            Request::Path { volume, path, to } => self.wish(&volume, &path, to).await,
            Request::AddPath { volume, device } => self.add_path(&volume, &device),
            Request::RemovePath { volume, device } => self.remove_path(&volume, &device),
            Request::FailQueued { volume } => self.fail_queued(&volume).await,
            // Those that are more than a question and an answer.
            Request::Trace { .. } | Request::TakeOver { .. } | Request::Taken => {
                return refused(Refusal::Request, "no such request here");
            }
            Request::TakeSize { volume } => self.take_size(&volume).await,
        };
        match done {
            Ok(what) => Answer::Done { what },
            Err(answer) => *answer,
        }
    }

    /// A device that goes fails what is written to it: not while a file system is mounted on it.
    async fn stop(&self, force: bool) -> Result<String, Box<Answer>> {
        if !force && let Some(held) = self.held().await {
            let what = format!(
                "{held} is mounted, or held by another program or map: it would lose what is still to be written. Unmount it first, or use --force"
            );
            return Err(Box::new(refused(Refusal::Busy, what)));
        }
        let _ = self.words.send(Word::Stop);
        Ok("stopping".into())
    }

    /// A volume that somebody has for himself. An open may wait for I/O, so it does on another thread; what cannot be told in time is not.
    async fn held(&self) -> Option<String> {
        let volumes = self.names().volumes.clone();
        let look = tokio::task::spawn_blocking(move || {
            let held = volumes
                .iter()
                .find(|v| device::is_held(Path::new(&v.device)));
            held.map(|v| format!("\"{}\" ({})", v.name, v.device))
        });
        tokio::time::timeout(HELD_WITHIN, look).await.ok()?.ok()?
    }

    pub fn view(&self) -> View {
        let names = self.names();
        View::of(&names, &self.snapshots())
    }

    fn volume(&self, name: &str) -> Result<(u16, String), Box<Answer>> {
        let names = self.names();
        let found = names.volume(name).map(|(at, v)| (at, v.device.clone()));
        found.map_err(|e| Box::new(refused(Refusal::Name, e.to_string())))
    }

    /// Where the device is a path already, nothing changes.
    fn add_path(&self, volume: &str, device: &Path) -> Result<String, Box<Answer>> {
        let (at, _) = self.volume(volume)?;
        let place = self.devices.add(at, device).map_err(refuse)?;
        self.name_path(at, place, device);
        Ok(format!("{}: {} is a path", volume, device.display()))
    }

    fn remove_path(&self, volume: &str, device: &Path) -> Result<String, Box<Answer>> {
        let (at, _) = self.volume(volume)?;
        self.devices.remove(at, device).map_err(refuse)?;
        let device = device.display();
        Ok(format!("{volume}: {device} is no path any more"))
    }

    async fn wish(&self, volume: &str, path: &str, to: Wish) -> Result<String, Box<Answer>> {
        let (at, place, name) = {
            let names = self.names();
            let unknown =
                |e: super::directory::NameError| Box::new(refused(Refusal::Name, e.to_string()));
            let (at, entry) = names.volume(volume).map_err(unknown)?;
            let place = entry.path(path).map_err(unknown)?;
            (at, place, entry.path_name(place))
        };
        let admin = PathAdmin::from(to);
        let path = PathId(place);
        self.tell(at, Input::Admin { path, admin });
        let word = crate::seen::spelled(admin);
        let seen = |s: &crate::seen::Snapshot| {
            let v = s.volumes.get(usize::from(at));
            v.and_then(|v| v.paths.get(usize::from(place)))
                .is_some_and(|p| p.admin == admin)
        };
        self.wait_for(seen, || {
            format!("{volume}: {name} is not {word} yet: a removed path is added again first, and a shard that hangs does nothing")
        })
        .await?;
        Ok(format!("{volume}: {name} is {word}"))
    }

    async fn fail_queued(&self, volume: &str) -> Result<String, Box<Answer>> {
        let (at, _) = self.volume(volume)?;
        let volume_id = VolumeId(0);
        self.tell(at, Input::FailQueued { volume: volume_id });
        let seen = |s: &crate::seen::Snapshot| {
            let v = s.volumes.get(usize::from(at));
            v.is_some_and(|v| v.waits.is_none_or(|w| w.queued == 0))
        };
        self.wait_for(seen, || {
            format!("{volume}: what had been waiting was failed, but more has come and waits")
        })
        .await?;
        Ok(format!("{volume}: nothing waits for a path any more"))
    }

    async fn take_size(&self, volume: &str) -> Result<String, Box<Answer>> {
        let (at, device) = self.volume(volume)?;
        let volume_id = VolumeId(0);
        self.tell(at, Input::TakeSize { volume: volume_id });
        Ok(format!(
            "{volume}: asked to take the size that its paths show; `mpio volume show {volume}` shows what came of it ({device})"
        ))
    }

    /// Until every shard shows it in a snapshot that was taken after now.
    async fn wait_for(
        &self,
        seen: impl Fn(&crate::seen::Snapshot) -> bool,
        late: impl Fn() -> String,
    ) -> Result<(), Box<Answer>> {
        let before: Vec<u64> = self.snapshots().iter().map(|s| s.beat).collect();
        let until = tokio::time::Instant::now() + SEEN_WITHIN;
        loop {
            let now = self.snapshots();
            // The one in the making may have been looked at before the word came.
            let fresh = now.iter().zip(&before).all(|(s, was)| s.beat > was + 1);
            if fresh && now.iter().all(&seen) {
                return Ok(());
            }
            if tokio::time::Instant::now() >= until {
                return Err(Box::new(refused(Refusal::Late, late())));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::client::{ClientError, ask};
    use crate::control::tests::daemon;

    #[test]
    fn a_daemon_is_asked_and_a_second_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mpio.sock");
        let none = ask(&socket, &Request::Status).unwrap_err();
        assert!(none.to_string().contains("Start one with `mpio serve`"));
        assert_eq!(none.exit_code(), 4);
        std::fs::write(&socket, "").unwrap();
        let other = ask(&socket, &Request::Status).unwrap_err();
        assert!(other.to_string().contains("no socket"), "{other}");
        assert!(Admin::bind(&socket).is_err(), "it is somebody's");
        std::fs::remove_file(&socket).unwrap();
        // What a dead daemon left behind is said to be so, and taken over.
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let dead = ask(&socket, &Request::Status).unwrap_err();
        assert!(matches!(dead, ClientError::Dead { .. }), "{dead}");
        let d = daemon(&socket);
        let Answer::Status(view) = ask(&socket, &Request::Status).unwrap() else {
            panic!("no status")
        };
        assert_eq!(view.volumes[0].paths[1].path, "/dev/sdb");
        let second = Admin::bind(&socket).err().unwrap().to_string();
        assert!(second.contains("answers there already"), "{second}");
        ask(&socket, &Request::Stop { force: false }).unwrap();
        d.stops.recv_timeout(PATIENCE).unwrap();
        drop(d);
        assert!(!socket.exists());
    }

    #[test]
    fn an_operators_word_reaches_every_shard() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mpio.sock");
        let d = daemon(&socket);
        let wish = |volume: &str, path: &str, to| {
            let (volume, path) = (volume.into(), path.into());
            ask(&socket, &Request::Path { volume, path, to })
        };
        let Ok(Answer::Done { what }) = wish("db", "sdb", Wish::Standby) else {
            panic!("refused")
        };
        assert_eq!(what, "db: /dev/sdb is standby");
        let (path, admin) = (PathId(1), PathAdmin::Standby);
        let told = Input::Admin { path, admin };
        assert_eq!(d.heard(), [(0, 0, told), (1, 0, told)]);
        for (volume, path, why) in [("db", "sdx", "has no path sdx"), ("x", "sda", "no volume")] {
            let refused = wish(volume, path, Wish::Failed).unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
            assert_eq!(refused.exit_code(), 2);
        }
        let volume = || "db".to_string();
        let device = || PathBuf::from("/dev/sdz");
        let add = |volume: &str| Request::AddPath {
            volume: volume.into(),
            device: device(),
        };
        let Ok(Answer::Done { what }) = ask(&socket, &add("db")) else {
            panic!("it is not added")
        };
        assert_eq!(what, "db: /dev/sdz is a path");
        assert!(ask(&socket, &add("none")).is_err());
        let remove = Request::RemovePath {
            volume: "db".into(),
            device: device(),
        };
        assert!(ask(&socket, &remove).is_err(), "the other side refuses");
        ask(&socket, &Request::FailQueued { volume: volume() }).unwrap();
        ask(&socket, &Request::TakeSize { volume: volume() }).unwrap();
        assert_eq!(d.heard().len(), 6);
    }

    #[test]
    fn what_is_no_request_is_refused_and_a_silent_client_left() {
        use std::io::{BufRead, Write};
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("mpio.sock");
        let _d = daemon(&socket);
        let _silent = StdStream::connect(&socket).unwrap();
        for text in ["dance\n", "{\"do\":\"dance\"}\n", "\n"] {
            let mut s = StdStream::connect(&socket).unwrap();
            s.write_all(text.as_bytes()).unwrap();
            let mut line = String::new();
            std::io::BufReader::new(s).read_line(&mut line).unwrap();
            assert!(line.contains("\"kind\":\"request\""), "{text}: {line}");
        }
    }
}

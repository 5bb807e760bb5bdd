//! The control plane: everything that talks to people and to the system around the daemon, on one thread of its own. It reads what the shards
//! show and leaves word for them; a stuck path, a full log or a slow client never reaches a shard from here, and a shard's trouble never
//! keeps it from answering.
#![forbid(unsafe_code)]

pub mod admin;
pub mod client;
pub mod directory;
pub mod discover;
pub mod disks;
pub mod hooks;
pub mod http;
pub mod links;
pub mod log;
pub mod metrics;
pub mod preflight;
pub mod process;
pub mod protocol;
pub mod recover;
pub mod register;
pub mod sockets;
pub mod status;
pub mod timers;
pub mod trace;
pub mod uevent;
pub mod view;
pub mod watch;

use crate::handover::Word;
use crate::plane::Devices;
use crate::record::Recorder;
use crate::seen::{Notebook, Shown, Snapshot};
use datapath::core::{Event, Input};
use directory::{Directory, NameError, Names};
use http::Listen;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, RwLockReadGuard};
use std::time::Duration;

/// How often notes of the shards are looked for.
const NOTES_EVERY: Duration = Duration::from_millis(50);

/// One shard, from the control side.
pub struct ShardEnd {
    pub shown: Shown,
    /// Leaves word for the shard's core of a volume. Never waits.
    pub tell: Box<dyn Fn(u16, Input) + Send + Sync>,
}

/// The control plane as long as it runs, and what it has put into the file system.
#[derive(Debug)]
pub struct Guard {
    files: Vec<PathBuf>,
    end: Option<tokio::sync::oneshot::Sender<()>>,
    ended: Receiver<()>,
}

/// Nothing in it waits for I/O; what does for longer than this is left to the end of the process.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.ended.recv_timeout(ENDS_WITHIN);
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

pub struct Control {
    pub names: Names,
    pub shards: Vec<ShardEnd>,
    pub hooks: hooks::Hooks,
    /// Whoever traces has it.
    pub recorder: tokio::sync::Mutex<Recorder>,
    pub words: Sender<Word>,
    /// The devices behind the volumes.
    pub devices: Arc<dyn Devices>,
}

impl Control {
    pub fn names(&self) -> RwLockReadGuard<'_, Directory> {
        self.names
            .read()
            .unwrap_or_else(|broken| broken.into_inner())
    }

    /// The latest of every shard.
    pub fn snapshots(&self) -> Vec<Snapshot> {
        let latest = |s: &ShardEnd| match s.shown.lock() {
            Ok(shown) => shown.clone(),
            Err(broken) => broken.into_inner().clone(),
        };
        self.shards.iter().map(latest).collect()
    }

    /// The volume's path at this place has this device from now on.
    pub fn name_path(&self, volume: u16, place: u16, device: &Path) {
        let mut names = self.names.write().unwrap_or_else(|e| e.into_inner());
        let paths = &mut names.volumes[usize::from(volume)].paths;
        let place = usize::from(place);
        if paths.len() <= place {
            paths.resize(place + 1, None);
        }
        paths[place] = Some(device.into());
    }

    pub fn tell(&self, volume: u16, input: Input) {
        for shard in &self.shards {
            (shard.tell)(volume, input);
        }
    }

    /// Answers, logs and watches on a thread of its own, for as long as the guard lives.
    pub fn start(
        self,
        admin: &admin::Admin,
        book: Notebook,
        listen: Option<&Listen>,
    ) -> io::Result<Guard> {
        let listener = admin.listener()?;
        let named = |e: io::Error| io::Error::new(e.kind(), format!("[metrics] listen: {e}"));
        let scrapes = listen.map(http::bind).transpose().map_err(named)?;
        let (end, over) = tokio::sync::oneshot::channel();
        let (tell, ended) = mpsc::channel();
        let guard = Guard {
            files: match listen {
                Some(Listen::Unix(path)) => vec![path.clone()],
                _ => Vec::new(),
            },
            end: Some(end),
            ended,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let run = async move {
            let listener = match tokio::net::UnixListener::from_std(listener) {
                Ok(listener) => listener,
                Err(e) => return tracing::error!("the admin socket does not work: {e}"),
            };
            let control = Arc::new(self);
            tokio::spawn(admin::serve(listener, control.clone()));
            if let Some(bound) = scrapes {
                tokio::spawn(http::serve(bound, control.clone()));
            }
            tokio::spawn(watch::Watch::new(control.clone(), Path::new("/")).run());
            control.attend(book).await;
        };
        std::thread::Builder::new()
            .name("control".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = run => {}
                        _ = over => {}
                    }
                });
                drop(runtime);
                let _ = tell.send(());
            })?;
        Ok(guard)
    }

    /// What the shards have to tell.
    async fn attend(&self, book: Notebook) {
        let mut log = log::Log::default();
        let mut registrar = register::Registrar::new(self.hooks.clone(), Path::new("/"));
        let mut watchdog = process::Watchdog::new(std::time::Instant::now());
        let mut every = tokio::time::interval(NOTES_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = every.tick().await.into_std();
            while let Some(note) = book.next() {
                log.tell(now, &self.names(), &note);
                registrar.note(now, &self.names(), &note);
                if let Event::Resized { to, .. } = note.event {
                    self.devices.resized(note.volume, to);
                }
            }
            log.dropped(book.dropped());
            log.due(now);
            let beats = || self.snapshots().iter().map(|s| s.beat).collect();
            if let Some(w) = &mut watchdog
                && w.due(now, beats)
            {
                process::tell(sd_notify::NotifyState::Watchdog);
            }
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::plane::{Notice, PlaneError};
    use crate::seen::Notes;
    use std::sync::Mutex;

    type Heard = Arc<Mutex<Vec<(usize, u16, Input)>>>;

    /// A control plane with the example's volume and two shards, which do what they are told.
    pub struct Daemon {
        pub stops: Receiver<Word>,
        pub notes: Notes,
        heard: Heard,
        _admin: admin::Admin,
        _guard: Guard,
    }

    impl Daemon {
        pub fn heard(&self) -> Vec<(usize, u16, Input)> {
            self.heard.lock().unwrap().clone()
        }
    }

    /// Obeys, and takes snapshots for as long as the other end lives.
    fn shard(at: usize, snapshot: Snapshot, heard: Heard) -> ShardEnd {
        let shown: Shown = Arc::new(Mutex::new(snapshot));
        let beats = Arc::downgrade(&shown);
        std::thread::spawn(move || {
            while let Some(shown) = beats.upgrade() {
                shown.lock().unwrap().beat += 1;
                drop(shown);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let mine = shown.clone();
        let tell = move |volume: u16, input: Input| {
            heard.lock().unwrap().push((at, volume, input));
            if let Input::Admin { path, admin } = input {
                let mut shown = mine.lock().unwrap();
                let v = &mut shown.volumes[usize::from(volume)];
                v.paths[usize::from(path.0)].admin = admin;
            }
        };
        ShardEnd {
            shown,
            tell: Box::new(tell),
        }
    }

    /// What was asked of the devices.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Asked {
        Found(u16, PathBuf, bool),
        Notice(Option<(u32, u32)>, Notice),
        Resized(u16, u64),
    }

    /// Devices that do what they are told: a path that is added has the third place.
    #[derive(Clone, Debug, Default)]
    pub struct Fake(Arc<Mutex<Vec<Asked>>>);

    impl Fake {
        pub fn take(&self) -> Vec<Asked> {
            std::mem::take(&mut *self.0.lock().unwrap())
        }

        fn note(&self, asked: Asked) {
            self.0.lock().unwrap().push(asked);
        }
    }

    impl Devices for Fake {
        fn add(&self, _volume: u16, _device: &Path) -> Result<u16, PlaneError> {
            Ok(2)
        }

        fn remove(&self, _volume: u16, device: &Path) -> Result<u16, PlaneError> {
            let device = device.into();
            Err(PlaneError::NoPath { device })
        }

        fn found(&self, volume: u16, device: &Path, new: bool) -> Result<Option<u16>, PlaneError> {
            self.note(Asked::Found(volume, device.into(), new));
            Ok(Some(2))
        }

        fn notice(&self, device: Option<(u32, u32)>, what: Notice) {
            self.note(Asked::Notice(device, what));
        }

        fn resized(&self, volume: u16, blocks: u64) {
            self.note(Asked::Resized(volume, blocks));
        }
    }

    /// One that nobody runs, and its devices.
    pub fn control() -> (Arc<Control>, Fake) {
        let devices = Fake::default();
        let control = Control {
            names: Arc::new(directory::example().into()),
            shards: Vec::new(),
            hooks: hooks::Hooks::default(),
            recorder: crate::record::pair().1.into(),
            words: mpsc::channel().0,
            devices: Arc::new(devices.clone()),
        };
        (Arc::new(control), devices)
    }

    pub fn daemon(socket: &Path) -> Daemon {
        daemon_with(socket, None)
    }

    pub fn daemon_with(socket: &Path, listen: Option<&Listen>) -> Daemon {
        let admin = admin::Admin::bind(socket).unwrap();
        let (stop, stops) = mpsc::channel();
        let (tap, recorder) = crate::record::pair();
        let (notes, book) = Notes::new(16, tap);
        let heard = Heard::default();
        let two = view::tests::shards(view::tests::path());
        let shards = two.into_iter().enumerate();
        let control = Control {
            names: Arc::new(directory::example().into()),
            shards: shards.map(|(at, s)| shard(at, s, heard.clone())).collect(),
            hooks: hooks::Hooks::default(),
            recorder: recorder.into(),
            words: stop,
            devices: Arc::new(Fake::default()),
        };
        let guard = control.start(&admin, book, listen).unwrap();
        Daemon {
            stops,
            notes,
            heard,
            _admin: admin,
            _guard: guard,
        }
    }
}

//! `mpio serve`: from the configuration to running devices, and back to none.
#![forbid(unsafe_code)]

mod crew;
mod plan;

use crate::config::{self, Config};
use crate::control::admin::{Admin, AdminError};
use crate::control::directory::{Directory, Entry};
use crate::control::links::{self, Links as Names};
use crate::control::{Control, process};
use crate::device::DeviceError;
use crate::front::{Front, FrontError, Wanted};
use crate::plane::{self, Plane};
use crate::record;
use crate::seen::Notes;
use crate::state::{self, State, StateError};
use crew::{Running, spawn, start};
use plan::{Plan, Shape, free, plan};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

/// Events that may wait for the control side.
const NOTES: usize = 4096;
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("volume \"{volume}\": {source}")]
    Device { volume: String, source: DeviceError },
    #[error("volume \"{volume}\": {source}")]
    Front { volume: String, source: FrontError },
    #[error("volume \"{volume}\": {what}")]
    Volume { volume: String, what: String },
    #[error("{doing}: {source}")]
    System {
        doing: &'static str,
        source: io::Error,
    },
}

fn system(doing: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |source| ServeError::System { doing, source }
}

/// Serves until it is told to stop, by a signal or over the socket.
pub fn serve(config: &Config) -> Result<(), ServeError> {
    let admin = Admin::bind(&config.daemon.socket)?;
    let state_file = state::file(&config.daemon.socket);
    let before = State::read(&state_file)?;
    if let Some(lost) = before
        .volumes
        .iter()
        .find(|v| !config.volumes.iter().any(|c| c.name == v.name))
    {
        return Err(ServeError::Volume {
            volume: lost.name.clone(),
            what: format!(
                "/dev/ublkb{} of a daemon that ended without order serves it, and the configuration has no such volume",
                lost.id
            ),
        });
    }
    let continued = |v: &config::Volume| match before.of(&v.name) {
        Some(left) => {
            let mut v = v.clone();
            // Those that were added while the dead daemon served.
            let added = left.paths.iter().filter(|p| p.exists());
            let added: Vec<_> = added.filter(|p| !v.paths.contains(p)).cloned().collect();
            v.paths.extend(added);
            plan(&v)?.continuing(left)
        }
        None => plan(v),
    };
    let plans = config
        .volumes
        .iter()
        .map(continued)
        .collect::<Result<Vec<_>, _>>()?;
    let shape = Shape::of(config, &plans)?;
    free(&plans)?;
    if let Err(e) = crate::sys::lock_memory() {
        eprintln!(
            "the memory is not locked: {e}; under memory pressure the daemon may wait for its own devices"
        );
    }
    recover(&plans)?;
    let mut fronts = Vec::new();
    for p in &plans {
        let added = add(p, shape);
        match added {
            Ok(front) => fronts.push(front),
            Err(e) => {
                // What is to be recovered stays for the next attempt.
                end(fronts, &before);
                return Err(e);
            }
        }
    }
    let left = plans.iter().zip(&fronts).map(|(p, f)| p.left(f, shape));
    let state = State {
        volumes: left.collect(),
    };
    if let Err(e) = state.write(&state_file) {
        end(fronts, &before);
        return Err(e.into());
    }
    let (stop, stops) = mpsc::channel();
    signals(stop.clone())?;
    let names = Arc::new(directory(config, &plans, &fronts).into());
    let volumes = plans.iter().map(|p| plane::Served {
        wwid: p.wwid.clone(),
        bytes: p.bytes,
        block_bytes: p.limits.block_bytes,
        finds_paths: p.finds_paths,
    });
    let volumes = volumes.collect();
    let (tap, recorder) = record::pair();
    let (notes, book) = Notes::new(NOTES, tap);
    let spawned = spawn(config, plans, &fronts, shape, &notes, &stop);
    let (shards, keeper) = match spawned {
        Ok(made) => made,
        Err(e) => {
            end(fronts, &before);
            return Err(e);
        }
    };
    let control = Control {
        names,
        shards: shards.iter().map(Running::end).collect(),
        devices: {
            let outboxes = shards.iter().map(|s| s.outbox.clone()).collect();
            let file = state_file.clone();
            Arc::new(Plane::new(keeper.clone(), outboxes, volumes, state, file))
        },
        hooks: config.hooks.clone(),
        recorder: recorder.into(),
        stop: stop.clone(),
    };
    let _guard = control
        .start(&admin, book, config.metrics.listen.as_ref())
        .map_err(system("starting the control plane's thread"))?;
    let started = start(&fronts, config, &shards);
    if started.is_err() && !before.volumes.is_empty() {
        // Nothing was served yet, and what was to be recovered still is: it stays for the next attempt, as this process ends.
        return started;
    }
    if started.is_ok() {
        let devices: Vec<String> = fronts.iter().map(Front::path).collect();
        let named = config.volumes.iter().zip(&devices);
        let named = named.map(|(v, device)| (v.name.as_str(), device.as_str()));
        let links = Names::make(Path::new(links::FOLDER), named);
        if let Err(e) = &links {
            tracing::warn!("{}: {e}; the volumes have no names there", links::FOLDER);
        }
        println!("ready");
        process::tell(NotifyState::Ready);
        let _ = stops.recv();
        process::tell(NotifyState::Stopping);
        tracing::info!("stopping");
    }
    for front in &fronts {
        let _ = front.stop();
    }
    let mut ran = Ok(());
    for shard in shards {
        let panicked = || io::Error::other("a shard's thread panicked");
        let done = shard.thread.join();
        let done = done.unwrap_or_else(|_| Err(system("running a shard")(panicked())));
        ran = ran.and(done);
    }
    keeper.end();
    end(fronts, &State::default());
    let _ = std::fs::remove_file(&state_file);
    started.and(ran)
}

/// The names of what the shards know by index.
fn directory(config: &Config, plans: &[Plan], fronts: &[Front]) -> Directory {
    let entry = |(p, front): (&Plan, &Front)| Entry {
        name: p.name.clone(),
        device: front.path(),
        identity: p.wwid.clone(),
        finds_paths: p.finds_paths,
        paths: p.names(),
    };
    Directory {
        policy: crate::config::policy_name(config.datapath.policy).into(),
        volumes: plans.iter().zip(fronts).map(entry).collect(),
    }
}

/// All devices that are left, at once: each may have to be waited for.
fn recover(plans: &[Plan]) -> Result<(), ServeError> {
    let one = |p: &Plan| {
        let done = p.left.map_or(Ok(()), Front::recover);
        done.map_err(|source| ServeError::Front {
            volume: p.name.clone(),
            source,
        })
    };
    std::thread::scope(|s| {
        let begin = |p| s.spawn(move || one(p));
        let begun: Vec<_> = plans.iter().map(begin).collect();
        let ends = begun.into_iter().map(|t| {
            let panicked = |_| system("recovering")(io::Error::other("a thread panicked"));
            t.join().map_err(panicked).and_then(|done| done)
        });
        ends.collect()
    })
}

fn add(p: &Plan, shape: Shape) -> Result<Front, ServeError> {
    let wanted = Wanted {
        queues: shape.shards,
        depth: p.depth,
        bytes: p.bytes,
        limits: p.limits,
        buffer_bytes: p.buffer_bytes.unwrap_or(shape.buffer_bytes),
        recover: p.left,
    };
    Front::add(&wanted).map_err(|source| ServeError::Front {
        volume: p.name.clone(),
        source,
    })
}

fn signals(stop: Sender<()>) -> Result<(), ServeError> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .map_err(system("watching for signals"))?;
    let watch = move || {
        for _ in signals.forever() {
            let _ = stop.send(());
        }
    };
    let thread = std::thread::Builder::new()
        .name("signals".into())
        .spawn(watch);
    thread
        .map(|_| ())
        .map_err(system("starting the signals' thread"))
}

/// No device is left behind, but those in `kept`.
fn end(fronts: Vec<Front>, kept: &State) {
    for front in fronts {
        if kept.volumes.iter().any(|v| v.id == front.id()) {
            continue;
        }
        let path = front.path();
        if let Err(e) = front.delete() {
            tracing::error!("{path}: {e}");
        }
    }
}

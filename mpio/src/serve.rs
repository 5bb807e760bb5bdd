//! `mpio serve`: from the configuration to running devices, and back to none.
#![forbid(unsafe_code)]

use crate::config::{self, Config};
use crate::control::admin::{Admin, AdminError};
use crate::control::directory::{Directory, Entry};
use crate::control::{Control, ShardEnd};
use crate::device::{self, Device, DeviceError};
use crate::front::{Front, FrontError, Queue, Wanted};
use crate::seen::{Notes, Shown};
use crate::shard::{BlockPath, Pool, Served, Shard, VolumeIo};
use crate::state::{self, Left, State, StateError};
use datapath::core::{self as dp, Core};
use protocol::{Duration, Instant, PathId};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

/// Bytes of one request at most; smaller where a path takes less, since a request is never sent in pieces.
const BUFFER_BYTES: u64 = 128 << 10;
/// Buffers of a queue beside those of its tags: for probes, and in place of those that a stuck command may touch.
const SPARES_PER_PATH: usize = 4;
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

/// What is known of a volume's paths before anything is opened.
struct Plan {
    name: String,
    depth: u16,
    devices: Vec<Device>,
    wwid: String,
    bytes: u64,
    block_bytes: u32,
    buffer_bytes: u32,
    /// The device that a dead daemon left.
    left: Option<i32>,
    generation: u32,
}

/// Epochs of one daemon's associations; each generation has a range of its own.
const EPOCHS: u32 = 1 << 16;

impl Plan {
    fn first_epoch(&self) -> dp::Epoch {
        dp::Epoch(self.generation * EPOCHS)
    }

    /// What the dead daemon may have left on each path.
    fn prior(&self) -> Option<dp::Epoch> {
        self.left.map(|_| dp::Epoch(self.generation * EPOCHS - 1))
    }

    fn left(&self, front: &Front) -> Left {
        Left {
            name: self.name.clone(),
            id: front.id(),
            generation: self.generation,
            wwid: self.wwid.clone(),
            depth: self.depth,
            buffer_bytes: self.buffer_bytes,
            bytes: self.bytes,
            paths: self.devices.iter().map(|d| d.path.clone()).collect(),
        }
    }

    /// The plan for a device that is there already: its depth and its buffers are what they were, the volume must be the same, and
    /// every path that may still carry a command of the dead daemon must be among those that are opened, and so proven free.
    fn continuing(self, left: &Left) -> Result<Plan, ServeError> {
        let volume = self.name.clone();
        let wrong = |what: String| {
            let volume = volume.clone();
            Err(ServeError::Volume { volume, what })
        };
        let device = format!("/dev/ublkb{} of a daemon that ended without order", left.id);
        if (&self.wwid, self.bytes) != (&left.wwid, left.bytes) {
            return wrong(format!(
                "{device} is \"{}\" with {} bytes, the paths now show \"{}\" with {}",
                left.wwid, left.bytes, self.wwid, self.bytes
            ));
        }
        let has = |p: &PathBuf| self.devices.iter().any(|d| d.path == *p);
        if let Some(missing) = left.paths.iter().find(|p| !has(p)) {
            return wrong(format!(
                "{device} had the path {}, which is not configured: nothing proves that its writes are over",
                missing.display()
            ));
        }
        if left.generation + 1 >= u32::MAX / EPOCHS {
            return wrong(format!(
                "{device} was recovered {} times: stop and start it in order once",
                left.generation
            ));
        }
        Ok(Plan {
            depth: left.depth,
            buffer_bytes: left.buffer_bytes,
            left: Some(left.id),
            generation: left.generation + 1,
            ..self
        })
    }
}

fn plan(v: &config::Volume) -> Result<Plan, ServeError> {
    let wrong = |what: String| ServeError::Volume {
        volume: v.name.clone(),
        what,
    };
    let look = |p: &PathBuf| {
        Device::look(p).map_err(|source| ServeError::Device {
            volume: v.name.clone(),
            source,
        })
    };
    let devices = v.paths.iter().map(look).collect::<Result<Vec<_>, _>>()?;
    let wwid = match (&v.identity, devices.iter().find_map(|d| d.wwid.clone())) {
        (Some(given), _) => given.clone(),
        (None, Some(shown)) => shown,
        (None, None) => return Err(wrong("no path shows a wwid, and identity is not given: nothing tells that they are one volume".into())),
    };
    for d in &devices {
        match &d.wwid {
            Some(shown) if *shown != wwid => {
                return Err(wrong(format!(
                    "{} is \"{shown}\", not \"{wwid}\": the paths show different volumes",
                    d.path.display()
                )));
            }
            Some(_) => {}
            None => {
                return Err(wrong(format!(
                    "{} shows no wwid: its identity cannot be verified",
                    d.path.display()
                )));
            }
        }
    }
    let first = &devices[0];
    for d in &devices {
        if (d.bytes, d.block_bytes) != (first.bytes, first.block_bytes) {
            return Err(wrong(format!(
                "{} has {} bytes in blocks of {}, {} has {} in {}: paths of one volume agree",
                d.path.display(),
                d.bytes,
                d.block_bytes,
                first.path.display(),
                first.bytes,
                first.block_bytes
            )));
        }
    }
    let limit = devices
        .iter()
        .map(|d| d.max_bytes)
        .min()
        .unwrap_or(BUFFER_BYTES);
    let buffer = limit.min(BUFFER_BYTES) / 4096 * 4096;
    if buffer < 4096 || first.bytes == 0 {
        return Err(wrong(format!(
            "{} takes {limit} bytes at once and has {}: too little to be served",
            first.path.display(),
            first.bytes
        )));
    }
    Ok(Plan {
        name: v.name.clone(),
        depth: v.depth,
        wwid,
        bytes: first.bytes,
        block_bytes: first.block_bytes,
        buffer_bytes: buffer as u32,
        left: None,
        generation: 0,
        devices,
    })
}

fn core(config: &Config, plan: &Plan) -> dp::Config {
    let time = |t: std::time::Duration| {
        Duration::from_nanos(t.as_nanos().min(u128::from(u64::MAX)) as u64)
    };
    let all = 0..plan.devices.len() as u16;
    let prior = plan
        .prior()
        .into_iter()
        .flat_map(|epoch| all.clone().map(move |p| (PathId(p), epoch)));
    dp::Config {
        shard: 0,
        shards: 1,
        policy: config.datapath.policy,
        io_timeout: time(config.datapath.io_timeout),
        queue_for: time(config.datapath.no_path.queue_for),
        fence: config.datapath.fence.into(),
        // On a kernel block path time proves nothing: only a command that has come back does.
        quiesce: Duration::MAX,
        anatt: Duration::from_secs(60),
        array_confirms: false,
        block_bytes: plan.block_bytes,
        volumes: vec![dp::VolumeConfig {
            identity: device::identity(&plan.wwid),
            blocks: plan.bytes / u64::from(plan.block_bytes),
            max_blocks: plan.buffer_bytes / plan.block_bytes,
        }],
        paths: plan
            .devices
            .iter()
            .map(|_| dp::PathConfig {
                present: true,
                distance: 10,
            })
            .collect(),
        hedge_permille: config.datapath.hedge * 10,
        max_requests: u32::from(plan.depth) * 2,
        prior: prior.collect(),
        first_epoch: plan.first_epoch(),
        untold: Vec::new(),
    }
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
    let continued = |v: &config::Volume| {
        let plan = plan(v)?;
        match before.of(&v.name) {
            Some(left) => plan.continuing(left),
            None => Ok(plan),
        }
    };
    let plans = config
        .volumes
        .iter()
        .map(continued)
        .collect::<Result<Vec<_>, _>>()?;
    let mut fronts = Vec::new();
    for p in &plans {
        let added = add(p);
        match added {
            Ok(front) => fronts.push(front),
            Err(e) => {
                // What is to be recovered stays for the next attempt.
                end(fronts, &before);
                return Err(e);
            }
        }
    }
    let left = plans.iter().zip(&fronts).map(|(p, f)| p.left(f));
    let state = State {
        volumes: left.collect(),
    };
    if let Err(e) = state.write(&state_file) {
        end(fronts, &before);
        return Err(e.into());
    }
    let (stop, stops) = mpsc::channel();
    signals(stop.clone())?;
    let (notes, book) = Notes::new(NOTES);
    let (order, orders) = mpsc::channel();
    let shown = Shown::default();
    let control = Control {
        names: Arc::new(directory(config, &plans, &fronts).into()),
        shards: vec![ShardEnd {
            shown: shown.clone(),
            tell: Box::new(move |volume, input| {
                let _ = order.send((volume, input));
            }),
        }],
        stop: stop.clone(),
    };
    control
        .start(&admin, book)
        .map_err(system("starting the control plane's thread"))?;
    let served = served(config, plans, &fronts, &notes);
    let (told, tid) = mpsc::channel();
    let shard = std::thread::Builder::new()
        .name("shard-0".into())
        .spawn(move || {
            let _ = told.send(Front::init_thread());
            let done = Shard::new(served?, std::time::Instant::now(), shown, orders)
                .and_then(Shard::run)
                .map_err(system("running the shard"));
            // The end of the shard is the end of the daemon, whatever the cause.
            let _ = stop.send(());
            done
        });
    let shard = shard.map_err(system("starting the shard's thread"))?;
    let started = start(&fronts, config, &tid);
    if started.is_err() && !before.volumes.is_empty() {
        // Nothing was served yet, and what was to be recovered still is: it stays for the next attempt, as this process ends.
        return started;
    }
    if started.is_ok() {
        let _ = stops.recv();
        tracing::info!("stopping");
    }
    for front in &fronts {
        let _ = front.stop();
    }
    let panicked = || io::Error::other("the shard's thread panicked");
    let ran = shard
        .join()
        .unwrap_or_else(|_| Err(system("running the shard")(panicked())));
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
        paths: p.devices.iter().map(|d| Some(d.path.clone())).collect(),
    };
    Directory {
        policy: crate::config::policy_name(config.datapath.policy).into(),
        volumes: plans.iter().zip(fronts).map(entry).collect(),
    }
}

fn add(p: &Plan) -> Result<Front, ServeError> {
    let wanted = Wanted {
        depth: p.depth,
        bytes: p.bytes,
        block_bytes: p.block_bytes,
        buffer_bytes: p.buffer_bytes,
        recover: p.left,
    };
    Front::add(&wanted).map_err(|source| ServeError::Front {
        volume: p.name.clone(),
        source,
    })
}

/// What the shard needs of each volume; made before its thread, so that what fails says which volume it was.
fn served(
    config: &Config,
    plans: Vec<Plan>,
    fronts: &[Front],
    notes: &Notes,
) -> Result<Vec<Served>, ServeError> {
    let mut all = Vec::new();
    for (at, (p, front)) in plans.into_iter().zip(fronts).enumerate() {
        let volume = || p.name.clone();
        let core = Core::new(core(config, &p), Instant::ZERO).map_err(|e| ServeError::Volume {
            volume: volume(),
            what: e.to_string(),
        })?;
        let queue = Queue::map(&front.dev, 0).map_err(|source| ServeError::Front {
            volume: volume(),
            source,
        })?;
        let spares = usize::from(p.depth) + p.devices.len() * SPARES_PER_PATH;
        let pool = Pool::new(p.depth, spares, p.buffer_bytes as usize)
            .map_err(system("mapping the buffers"))?;
        let paths = p
            .devices
            .iter()
            .map(|d| BlockPath::new(d.path.clone(), d.sys.clone(), p.prior()));
        let io = VolumeIo::new(
            at as u16,
            queue,
            pool,
            paths.collect(),
            p.block_bytes,
            p.bytes,
            notes.of_shard(0),
        );
        all.push(Served {
            core,
            io,
            dev: front.dev.clone(),
        });
    }
    Ok(all)
}

fn start(fronts: &[Front], config: &Config, tid: &mpsc::Receiver<i32>) -> Result<(), ServeError> {
    let ended = |_| system("starting the shard")(io::Error::other("its thread ended at once"));
    let tid = tid.recv().map_err(ended)?;
    for (front, v) in fronts.iter().zip(&config.volumes) {
        let done = front.configure(tid).and_then(|()| front.start());
        done.map_err(|source| ServeError::Front {
            volume: v.name.clone(),
            source,
        })?;
        println!("{} is {}", v.name, front.path());
    }
    println!("ready");
    Ok(())
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

//! `mpio serve`: from the configuration to running devices, and back to none.
#![forbid(unsafe_code)]

use crate::config::{self, Config};
use crate::control::admin::{Admin, AdminError};
use crate::control::directory::{Directory, Entry};
use crate::control::links::{self, Links as Names};
use crate::control::{Control, ShardEnd, process};
use crate::device::{self, Device, DeviceError, Limits};
use crate::front::{Front, FrontError, Queue, Wanted};
use crate::plane::{self, Plane};
use crate::record;
use crate::seen::{Notes, Shown};
use crate::shard::{
    BlockPath, Buffers, Inbox, Keeper, Links, Message, Outbox, Parts, Pool, SMALL_BYTES, Served,
    Shard, VolumeIo,
};
use crate::state::{self, Left, State, StateError};
use datapath::core::{self as dp, Core};
use protocol::{Duration, Instant, PathId};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

/// Bytes of one request at most. What a path does not take at once, the kernel sends over it in pieces.
const BUFFER_BYTES: u32 = 128 << 10;
const BUFFER_BYTES_MIN: u32 = 16 << 10;
/// All buffers of all shards together.
const MEMORY_BYTES: u64 = 256 << 20;
/// Buffers of a shard beside those of its tags, in place of those that a stuck command may touch: as many as there are tags, up to this.
const SPARES_MAX: u32 = 256;
/// Places of a volume for paths that are added while it is served.
const PLACES: usize = 4;
/// Events that may wait for the control side.
const NOTES: usize = 4096;
/// Small buffers of a path: for the reads that probe it, of which some may be stuck.
const SMALL_PER_PATH: u32 = 4;

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
    limits: Limits,
    /// Of the device that a dead daemon left.
    buffer_bytes: Option<u32>,
    queues: Option<u16>,
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

    /// The paths there are, and places for more.
    fn places(&self) -> usize {
        (self.devices.len() + PLACES).min(dp::PATHS_MAX)
    }

    /// The device of each place.
    fn names(&self) -> Vec<Option<PathBuf>> {
        let mut names: Vec<_> = self.devices.iter().map(|d| Some(d.path.clone())).collect();
        names.resize(self.places(), None);
        names
    }

    /// What the dead daemon may have left on each path.
    fn prior(&self) -> Option<dp::Epoch> {
        self.left.map(|_| dp::Epoch(self.generation * EPOCHS - 1))
    }

    fn left(&self, front: &Front, shape: Shape) -> Left {
        Left {
            name: self.name.clone(),
            id: front.id(),
            generation: self.generation,
            wwid: self.wwid.clone(),
            queues: shape.shards,
            depth: self.depth,
            buffer_bytes: self.buffer_bytes.unwrap_or(shape.buffer_bytes),
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
            buffer_bytes: Some(left.buffer_bytes),
            queues: Some(left.queues),
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
    let mut limits = first.limits;
    for d in &devices {
        let block = d.limits.block_bytes;
        if (d.bytes, block) != (first.bytes, first.limits.block_bytes) {
            return Err(wrong(format!(
                "{} has {} bytes in blocks of {block}, {} has {} in {}: paths of one volume agree",
                d.path.display(),
                d.bytes,
                first.path.display(),
                first.bytes,
                first.limits.block_bytes
            )));
        }
        limits = limits.stack(d.limits);
    }
    let block = limits.block_bytes;
    if !block.is_power_of_two() || !(512..=SMALL_BYTES as u32).contains(&block) || first.bytes == 0
    {
        return Err(wrong(format!(
            "{} has {} bytes in blocks of {block}: at least one block is needed, and 512 to {SMALL_BYTES} bytes in it",
            first.path.display(),
            first.bytes
        )));
    }
    Ok(Plan {
        name: v.name.clone(),
        depth: v.depth,
        wwid,
        bytes: first.bytes,
        limits,
        buffer_bytes: None,
        queues: None,
        left: None,
        generation: 0,
        devices,
    })
}

/// What all shards have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Shape {
    shards: u16,
    /// Buffers of a shard that belong to tags, and those beside them.
    tags: u32,
    spares: u32,
    buffer_bytes: u32,
    small: u32,
}

impl Shape {
    /// As large as the memory allows that they may have. Devices that a dead daemon left keep their queues, and what they may ask at once.
    fn of(config: &Config, plans: &[Plan]) -> Result<Shape, ServeError> {
        let mut shards = config.daemon.shards();
        let mut wanted = (BUFFER_BYTES, 0);
        if let Some(first) = plans.iter().find(|p| p.queues.is_some()) {
            shards = first.queues.unwrap_or(shards);
        }
        for p in plans {
            if p.queues.is_some_and(|n| n != shards) {
                return Err(ServeError::Volume {
                    volume: p.name.clone(),
                    what: format!(
                        "its device has other queues than the {shards} of the other volumes that were left"
                    ),
                });
            }
            wanted.1 = wanted.1.max(p.buffer_bytes.unwrap_or(0));
        }
        let tags = plans.iter().map(|p| u32::from(p.depth)).sum();
        let spares = SPARES_MAX.min(tags);
        let paths = plans.iter().map(|p| p.places() as u32).sum::<u32>();
        let all = u64::from(tags + spares) * u64::from(shards);
        let (mut buffer_bytes, least) = wanted;
        while u64::from(buffer_bytes) * all > MEMORY_BYTES && buffer_bytes > BUFFER_BYTES_MIN {
            buffer_bytes /= 2;
        }
        Ok(Shape {
            shards,
            tags,
            spares,
            buffer_bytes: buffer_bytes.max(least),
            small: paths * SMALL_PER_PATH,
        })
    }

    fn buffers(&self) -> io::Result<Buffers> {
        Ok(Buffers {
            data: Pool::new(self.tags, self.spares, self.buffer_bytes as usize)?,
            small: Pool::new(0, self.small, SMALL_BYTES)?,
        })
    }
}

fn core(config: &Config, plan: &Plan, shape: Shape, shard: u16) -> dp::Config {
    let time = |t: std::time::Duration| {
        Duration::from_nanos(t.as_nanos().min(u128::from(u64::MAX)) as u64)
    };
    let all = 0..plan.devices.len() as u16;
    let prior = plan
        .prior()
        .into_iter()
        .flat_map(|epoch| all.clone().map(move |p| (PathId(p), epoch)));
    dp::Config {
        shard,
        shards: shape.shards,
        policy: config.datapath.policy,
        io_timeout: time(config.datapath.io_timeout),
        queue_for: time(config.datapath.no_path.queue_for),
        fence: config.datapath.fence.into(),
        // On a kernel block path time proves nothing: only a command that has come back does.
        quiesce: Duration::MAX,
        anatt: Duration::from_secs(60),
        array_confirms: false,
        block_bytes: plan.limits.block_bytes,
        volumes: vec![dp::VolumeConfig {
            identity: device::identity(&plan.wwid),
            blocks: plan.bytes / u64::from(plan.limits.block_bytes),
            max_blocks: shape.buffer_bytes / plan.limits.block_bytes,
        }],
        paths: (0..plan.places())
            .map(|place| dp::PathConfig {
                present: place < plan.devices.len(),
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
        change: {
            let outboxes = shards.iter().map(|s| s.outbox.clone()).collect();
            let plane = Plane::new(keeper.clone(), outboxes, volumes, state, state_file.clone());
            Box::new(move |change| plane.change(change))
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
        paths: p.names(),
    };
    Directory {
        policy: crate::config::policy_name(config.datapath.policy).into(),
        volumes: plans.iter().zip(fronts).map(entry).collect(),
    }
}

/// Nobody else may have a path: what is mounted, or part of another map, is refused by name. What a dead daemon left may still have its
/// paths open for a moment; they are asked for again and again.
fn free(plans: &[Plan]) -> Result<(), ServeError> {
    use std::os::unix::fs::OpenOptionsExt;
    for p in plans.iter().filter(|p| p.left.is_none()) {
        for d in &p.devices {
            let open = std::fs::OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_EXCL | libc::O_CLOEXEC | libc::O_NONBLOCK)
                .open(&d.path);
            if open.is_err_and(|e| e.raw_os_error() == Some(libc::EBUSY)) {
                return Err(ServeError::Volume {
                    volume: p.name.clone(),
                    what: format!(
                        "{} is in use: mounted, or held by another program or map; free it first",
                        d.path.display()
                    ),
                });
            }
        }
    }
    Ok(())
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

/// A shard's thread, and the word that it serves (its id) or why it cannot.
struct Running {
    thread: JoinHandle<Result<(), ServeError>>,
    serves: mpsc::Receiver<Result<libc::pid_t, ServeError>>,
    shown: Shown,
    outbox: Outbox,
}

impl Running {
    /// The control side's end of it.
    fn end(&self) -> ShardEnd {
        let outbox = self.outbox.clone();
        ShardEnd {
            shown: self.shown.clone(),
            tell: Box::new(move |volume, input| outbox.send(Message::Operator { volume, input })),
        }
    }
}

fn spawn(
    config: &Config,
    plans: Vec<Plan>,
    fronts: &[Front],
    shape: Shape,
    notes: &Notes,
    stop: &Sender<()>,
) -> Result<(Vec<Running>, Arc<Keeper>), ServeError> {
    let (mut outboxes, mut inboxes) = (Vec::new(), Vec::new());
    for _ in 0..shape.shards {
        let (outbox, inbox) = Inbox::new().map_err(system("making an event counter"))?;
        outboxes.push(outbox);
        inboxes.push(inbox);
    }
    let names = plans.iter().map(Plan::names).collect();
    let keeper = Keeper::new(names, outboxes.clone());
    let began = std::time::Instant::now();
    let mut all = Vec::new();
    for (shard, inbox) in inboxes.into_iter().enumerate() {
        let shard = shard as u16;
        let parts = Parts {
            volumes: served(config, &plans, fronts, shape, notes.of_shard(shard))?,
            buffers: shape.buffers().map_err(system("mapping the buffers"))?,
            inbox,
            links: links(shard, &outboxes, &keeper),
            shown: Shown::default(),
            began,
        };
        all.push(parts);
    }
    let mut running = Vec::new();
    for parts in all {
        let (tell, serves) = mpsc::channel();
        let stop = stop.clone();
        let shown = parts.shown.clone();
        let outbox = outboxes[usize::from(parts.links.shard)].clone();
        let thread = std::thread::Builder::new()
            .name(format!("shard-{}", parts.links.shard))
            .spawn(move || {
                let tid = Front::init_thread();
                let done = match Shard::new(parts).map_err(system("making a shard")) {
                    Ok(shard) => {
                        let _ = tell.send(Ok(tid));
                        shard.run().map_err(system("running a shard"))
                    }
                    Err(e) => {
                        let _ = tell.send(Err(e));
                        Ok(())
                    }
                };
                // The end of a shard is the end of the daemon, whatever the cause.
                let _ = stop.send(());
                done
            })
            .map_err(system("starting a shard's thread"))?;
        running.push(Running {
            thread,
            serves,
            shown,
            outbox,
        });
    }
    Ok((running, keeper))
}

fn links(shard: u16, outboxes: &[Outbox], keeper: &Arc<Keeper>) -> Links {
    Links {
        shard,
        shards: outboxes.to_vec(),
        keeper: keeper.clone(),
    }
}

/// What one shard needs of each volume; made before its thread, so that what fails says which volume it was.
fn served(
    config: &Config,
    plans: &[Plan],
    fronts: &[Front],
    shape: Shape,
    notes: Notes,
) -> Result<Vec<Served>, ServeError> {
    let mut all = Vec::new();
    let mut first_tag = 0;
    for (at, (p, front)) in plans.iter().zip(fronts).enumerate() {
        let volume = || p.name.clone();
        let config = core(config, p, shape, notes.shard());
        let core = Core::new(config, Instant::ZERO).map_err(|e| ServeError::Volume {
            volume: volume(),
            what: e.to_string(),
        })?;
        let queue = Queue::map(&front.dev, notes.shard()).map_err(|source| ServeError::Front {
            volume: volume(),
            source,
        })?;
        let path = |place| BlockPath::new(p.prior().filter(|_| place < p.devices.len()));
        let io = VolumeIo::new(
            at as u16,
            queue,
            first_tag,
            (0..p.places()).map(path).collect(),
            p.limits.block_bytes,
            p.bytes,
            notes.clone(),
        );
        first_tag += u32::from(p.depth);
        all.push(Served {
            core,
            io,
            dev: front.dev.clone(),
        });
    }
    Ok(all)
}

fn start(fronts: &[Front], config: &Config, shards: &[Running]) -> Result<(), ServeError> {
    for (queue, shard) in shards.iter().enumerate() {
        let ended = |_| system("starting a shard")(io::Error::other("its thread ended at once"));
        let tid = shard.serves.recv().map_err(ended)??;
        for (front, v) in fronts.iter().zip(&config.volumes) {
            let done = front.configure(queue as u16, tid);
            done.map_err(|source| ServeError::Front {
                volume: v.name.clone(),
                source,
            })?;
        }
    }
    for (front, v) in fronts.iter().zip(&config.volumes) {
        front.start().map_err(|source| ServeError::Front {
            volume: v.name.clone(),
            source,
        })?;
        println!("{} is {}", v.name, front.path());
    }
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

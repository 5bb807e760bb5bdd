//! What is to be served, looked at before anything is opened: the paths of each volume, whether they are one volume and nobody else's, and
//! how large everything may be.
#![forbid(unsafe_code)]

use super::{ServeError, system};
use crate::config::{self, Config, CopyMode, Fence};
use crate::control::protocol::Wish;
use crate::device::{self, Device, Limits};
use crate::front::{Copy, Front};
use crate::handover::{Handed, HandedVolume};
use crate::shard::{Buffers, Pool, SMALL_BYTES};
use crate::state::{Left, State};
use crate::untold;
use datapath::core as dp;
use protocol::{Duration, PathId, VolumeId};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of one request at most. What a path does not take at once, the kernel sends over it in pieces.
const BUFFER_BYTES: u32 = 128 << 10;
const BUFFER_BYTES_MIN: u32 = 16 << 10;
/// All buffers of all shards together.
const MEMORY_BYTES: u64 = 256 << 20;
/// Buffers of a shard beside those of its tags, in place of those that a stuck command may touch: as many as there are tags, up to this.
const SPARES_MAX: u32 = 256;
/// Buffers of a shard for tags that have one only while the kernel asks something under them, up to this.
const LENT_MAX: u32 = 512;
/// Tags of a shard whose pages can be lent: what io_uring's table has room for, beside the buffers' own entry.
const LENDING_MAX: u32 = (1 << 14) - 1;
/// Places of a volume for paths that are added while it is served.
const PLACES: usize = 4;
/// Small buffers of a path: for the reads that probe it, of which some may be stuck.
const SMALL_PER_PATH: u32 = 4;

/// What is known of a volume's paths before anything is opened.
pub struct Plan {
    pub name: String,
    pub depth: u16,
    pub devices: Vec<Device>,
    /// Paths whose device is not there now, behind those of `devices`.
    pub absent: Vec<Absent>,
    /// Its units may be reset, after so long.
    pub reset_after: Option<Duration>,
    /// They were found by the identity, as later ones are.
    pub finds_paths: bool,
    pub wwid: String,
    pub bytes: u64,
    pub limits: Limits,
    /// Of the device that a dead daemon left.
    pub buffer_bytes: Option<u32>,
    pub queues: Option<u16>,
    /// The device that the daemon before this one left.
    pub left: Option<i32>,
    /// Where its shards say that they have been told of a failed flush and have told nobody.
    pub words: Option<Arc<File>>,
    pub copy: Copy,
    pub generation: u32,
    /// Devices, by their places, on which something of that daemon's may still be written.
    pub feared: Vec<u16>,
    /// By shard: that daemon was told of a failed flush, and told nobody.
    pub untold: Vec<bool>,
    pub operator: Vec<(u16, Wish)>,
}

/// A path of the configuration, or of a dead daemon, without a device: used when it comes.
#[derive(Clone, Debug)]
pub struct Absent {
    pub path: PathBuf,
    /// Where the dead daemon had it (`Left::folders`).
    pub folder: Option<PathBuf>,
}

/// What the daemon before this one left of a volume.
#[derive(Clone, Debug)]
pub struct Inherited {
    pub left: Left,
    /// Where something of it may still be written; `None`: it died, so everywhere.
    pub feared: Option<Vec<PathBuf>>,
    pub untold: Vec<bool>,
    pub operator: Vec<(PathBuf, Wish)>,
}

impl Inherited {
    /// `file`: of the daemon's state.
    pub fn of_the_dead(file: &Path) -> Result<Vec<Inherited>, ServeError> {
        let one = |left: Left| {
            let untold = untold::left(&untold::file(file, &left.name));
            Ok(Inherited {
                left,
                feared: None,
                untold: untold.map_err(system("reading which failed flushes are untold"))?,
                operator: Vec::new(),
            })
        };
        State::read(file)?.volumes.into_iter().map(one).collect()
    }

    pub fn of_the_living(handed: Handed) -> Vec<Inherited> {
        let one = |v: HandedVolume| Inherited {
            left: v.left,
            feared: Some(v.feared),
            untold: v.untold,
            operator: v.operator,
        };
        handed.volumes.into_iter().map(one).collect()
    }
}

/// What a path of a dead daemon is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fears {
    /// The path at this place, which an exclusive open proves free.
    Place(usize),
    /// Its device is gone, with all that was under way.
    Nothing,
    /// It is somewhere, and no path.
    Unknown,
}

/// What sysfs says; tests say something else.
struct At {
    folder: fn(&Path) -> Option<PathBuf>,
    exists: fn(&Path) -> bool,
}

const HERE: At = At {
    folder: device::folder,
    exists: Path::exists,
};

/// Epochs of one daemon's associations; each generation has a range of its own.
const EPOCHS: u32 = 1 << 16;

impl Plan {
    pub fn first_epoch(&self) -> dp::Epoch {
        dp::Epoch(self.generation * EPOCHS)
    }

    /// The paths there are, and places for more.
    pub fn places(&self) -> usize {
        (self.used() + PLACES).min(dp::PATHS_MAX)
    }

    fn used(&self) -> usize {
        self.devices.len() + self.absent.len()
    }

    /// Where devices sit that the dead daemon had under another name, by their places.
    pub fn addresses(&self) -> Vec<(u16, PathBuf)> {
        let absent = (self.devices.len() as u16..).zip(&self.absent);
        let address = |a: &Absent| device::address_of(a.folder.as_deref()?);
        absent
            .filter_map(|(place, a)| Some((place, address(a)?)))
            .collect()
    }

    /// The device of each place.
    pub fn names(&self) -> Vec<Option<PathBuf>> {
        let devices = self.devices.iter().map(|d| &d.path);
        let all = devices.chain(self.absent.iter().map(|a| &a.path));
        let mut names: Vec<_> = all.cloned().map(Some).collect();
        names.resize(self.places(), None);
        names
    }

    /// What the daemon before this one may have left on a path.
    pub fn prior(&self, place: u16) -> Option<dp::Epoch> {
        let feared = self.feared.contains(&place);
        feared.then(|| dp::Epoch(self.generation * EPOCHS - 1))
    }

    pub fn left(&self, front: &Front, shape: Shape) -> Left {
        Left {
            name: self.name.clone(),
            id: front.id(),
            generation: self.generation,
            wwid: self.wwid.clone(),
            queues: shape.shards,
            depth: self.depth,
            buffer_bytes: self.buffer_bytes.unwrap_or(shape.buffer_bytes),
            copy: self.copy,
            bytes: self.bytes,
            paths: self.names().into_iter().flatten().collect(),
            folders: {
                let folder = |d: &Device| Some((d.path.clone(), device::folder(&d.path)?));
                let absent = |a: &Absent| Some((a.path.clone(), a.folder.clone()?));
                let devices = self.devices.iter().filter_map(folder);
                devices
                    .chain(self.absent.iter().filter_map(absent))
                    .collect()
            },
        }
    }

    /// Where something that the dead daemon sent to this path may still be under way.
    fn fears(&self, path: &Path, folder: Option<&PathBuf>, at: &At) -> Fears {
        let named = self.devices.iter().position(|d| d.path == path);
        let absent = self.absent.iter().position(|a| a.path == path);
        let absent = absent.map(|i| self.devices.len() + i);
        let Some(folder) = folder else {
            return named.or(absent).map_or(Fears::Unknown, Fears::Place);
        };
        let sits = |d: &Device| (at.folder)(&d.path).as_ref() == Some(folder);
        match self.devices.iter().position(sits) {
            Some(place) => Fears::Place(place),
            None if !(at.exists)(folder) => Fears::Nothing,
            None => absent.map_or(Fears::Unknown, Fears::Place),
        }
    }

    /// The plan for a device that is there already: its depth, its buffers and the way its data go are what they were, the volume must be the same, and
    /// every path that may still carry a command of the dead daemon must be among those that are opened, and so proven free.
    pub fn continuing(self, inherited: &Inherited) -> Result<Plan, ServeError> {
        let left = &inherited.left;
        let volume = self.name.clone();
        let wrong = |what: String| {
            let volume = volume.clone();
            Err(ServeError::Volume { volume, what })
        };
        let device = format!("/dev/ublkb{} of the daemon before", left.id);
        // More: it has grown since, and the core will find that its paths agree.
        if self.wwid != left.wwid {
            return wrong(format!(
                "{device} is \"{}\", the paths now show \"{}\"",
                left.wwid, self.wwid
            ));
        }
        if self.bytes < left.bytes {
            return wrong(format!(
                "{device} has {} bytes, the paths now show {}: data behind that would be lost; give it up with `mpio recover --give-up {volume}`, or give the volume its size back",
                left.bytes, self.bytes
            ));
        }
        let named = |p: &PathBuf| self.names().iter().position(|n| n.as_ref() == Some(p));
        let of_the_dead = inherited.feared.is_none();
        let mut feared = Vec::new();
        for path in inherited.feared.as_ref().unwrap_or(&left.paths) {
            match self.fears(path, left.folders.get(path), &HERE) {
                Fears::Place(place) => feared.push(place as u16),
                Fears::Nothing => tracing::info!(
                    "{volume}: {} of the daemon before is gone, with all that was under way on it",
                    path.display()
                ),
                Fears::Unknown => {
                    return wrong(format!(
                        "{device} had the path {}, which is not configured, or another device now: nothing proves that its writes are over",
                        path.display()
                    ));
                }
            }
        }
        if left.generation + 1 >= u32::MAX / EPOCHS {
            return wrong(format!(
                "{device} was recovered {} times: stop and start it in order once",
                left.generation
            ));
        }
        if of_the_dead {
            // Whatever it may have opened beside those that it has written down.
            feared.extend(0..self.devices.len() as u16);
        }
        feared.sort_unstable();
        feared.dedup();
        let operator = inherited.operator.iter();
        let operator = operator.filter_map(|(p, wish)| Some((named(p)? as u16, *wish)));
        Ok(Plan {
            operator: operator.collect(),
            untold: inherited.untold.clone(),
            feared,
            depth: left.depth,
            bytes: left.bytes,
            buffer_bytes: Some(left.buffer_bytes),
            queues: Some(left.queues),
            left: Some(left.id),
            copy: left.copy,
            generation: left.generation + 1,
            ..self
        })
    }
}

pub fn plan(v: &config::Volume) -> Result<Plan, ServeError> {
    let (mut devices, mut absent) = (Vec::new(), Vec::new());
    for p in &v.paths {
        match Device::look(p) {
            Ok(device) => devices.push(device),
            Err(e) if e.is_absent() => absent.push(Absent {
                path: p.clone(),
                folder: None,
            }),
            Err(source) => {
                return Err(ServeError::Device {
                    volume: v.name.clone(),
                    source,
                });
            }
        }
    }
    made(v, devices, absent)
}

/// From what was found of the volume's paths.
fn made(v: &config::Volume, devices: Vec<Device>, absent: Vec<Absent>) -> Result<Plan, ServeError> {
    let wrong = |what: String| ServeError::Volume {
        volume: v.name.clone(),
        what,
    };
    let lost: Vec<_> = absent
        .iter()
        .map(|a| a.path.display().to_string())
        .collect();
    let lost = lost.join(", ");
    if devices.is_empty() {
        return Err(wrong(format!(
            "none of its paths is there: no {lost}; with one of them it can be served"
        )));
    }
    if !absent.is_empty() {
        tracing::warn!(
            "volume \"{}\": no {lost}: it is served over its other paths, and these are used when they come",
            v.name
        );
    }
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
            None if v.is_unverified() => {}
            None => {
                return Err(wrong(format!(
                    "{} shows no wwid: its identity cannot be verified; identity = \"none\" would believe that it is the volume",
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
        words: None,
        copy: Copy::Copy,
        generation: 0,
        reset_after: v.exclusive.then(|| time(v.reset_after)),
        finds_paths: v.found,
        feared: Vec::new(),
        untold: Vec::new(),
        operator: Vec::new(),
        devices,
        absent,
    })
}

/// The way that the data of new devices go; those that a dead daemon left keep theirs.
pub fn choose_copy(config: &Config, plans: &mut [Plan]) {
    let tags: u32 = plans.iter().map(|p| u32::from(p.depth)).sum();
    let (mut copy, said) = match config.daemon.copy {
        // With a buffer for every tag the buffers would have to be smaller, and requests with them.
        CopyMode::Auto if too_many(tags, config.daemon.shards()) && Copy::User.is_known() => {
            (Copy::User, None)
        }
        wanted => wanted.on(Copy::is_known),
    };
    let mut said = said.map(String::from);
    if copy == Copy::Zero && tags > LENDING_MAX {
        copy = Copy::User;
        said = Some(format!(
            "daemon.copy = \"zero\": the volumes' depths are {tags} in all, and the pages of {LENDING_MAX} requests can be lent; data are copied"
        ));
    }
    if let Some(said) = said {
        tracing::warn!("{said}");
    }
    for p in plans.iter_mut().filter(|p| p.left.is_none()) {
        p.copy = copy;
    }
    let lends = |p: &&mut Plan| p.copy == Copy::Zero && config.datapath.fence == Fence::Shadow;
    for p in plans.iter_mut().filter(lends) {
        tracing::warn!(
            "volume \"{}\": with daemon.copy = \"zero\" there is no copy of what is written, and datapath.fence = \"shadow\" needs one; \"in_doubt\" takes its place",
            p.name
        );
    }
}

fn too_many(tags: u32, shards: u16) -> bool {
    let all = u64::from(tags + SPARES_MAX.min(tags)) * u64::from(shards);
    all * u64::from(BUFFER_BYTES) > MEMORY_BYTES
}

/// What all shards have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    pub shards: u16,
    /// Buffers of a shard beside those that belong to tags.
    pub spares: u32,
    pub buffer_bytes: u32,
    pub small: u32,
}

impl Shape {
    /// As large as the memory allows that they may have. Devices that a dead daemon left keep their queues, and what they may ask at once.
    pub fn of(config: &Config, plans: &[Plan]) -> Result<Shape, ServeError> {
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
        let tags = |owned: bool| {
            let of = plans.iter().filter(|p| p.copy.owns_buffers() == owned);
            of.map(|p| u32::from(p.depth)).sum::<u32>()
        };
        let owned = tags(true);
        let spares = SPARES_MAX.min(owned) + LENT_MAX.min(tags(false));
        let paths = plans.iter().map(|p| p.places() as u32).sum::<u32>();
        let all = u64::from(owned + spares) * u64::from(shards);
        let (mut buffer_bytes, least) = wanted;
        while u64::from(buffer_bytes) * all > MEMORY_BYTES && buffer_bytes > BUFFER_BYTES_MIN {
            buffer_bytes /= 2;
        }
        Ok(Shape {
            shards,
            spares,
            buffer_bytes: buffer_bytes.max(least),
            small: paths * SMALL_PER_PATH,
        })
    }

    fn buffers(&self, owns: &[bool]) -> io::Result<Buffers> {
        Ok(Buffers {
            data: Pool::new(owns, self.spares, self.buffer_bytes as usize)?,
            small: Pool::new(&[], self.small, SMALL_BYTES)?,
            registered: false,
        })
    }
}

fn time(t: std::time::Duration) -> Duration {
    Duration::from_nanos(t.as_nanos().min(u128::from(u64::MAX)) as u64)
}

/// What is kept in memory is a copy of a request's buffer, and one whose pages are lent has none.
fn fence(config: &Config, plan: &Plan) -> Fence {
    match config.datapath.fence {
        Fence::Shadow if plan.copy == Copy::Zero => Fence::InDoubt,
        fence => fence,
    }
}

/// Of each tag of a shard: it has a buffer of its own.
fn owns(plans: &[Plan]) -> Vec<bool> {
    let of = |p: &Plan| std::iter::repeat_n(p.copy.owns_buffers(), usize::from(p.depth));
    plans.iter().flat_map(of).collect()
}

/// `board` is that of the volume.
pub fn core(
    config: &Config,
    plan: &Plan,
    shape: Shape,
    board: dp::Board,
    shard: u16,
) -> dp::Config {
    let prior = plan.feared.iter();
    let prior = prior.filter_map(|p| Some((PathId(*p), plan.prior(*p)?)));
    let untold = plan.untold.get(usize::from(shard)) == Some(&true);
    dp::Config {
        shard,
        shards: shape.shards,
        policy: config.datapath.policy,
        io_timeout: time(config.datapath.io_timeout),
        queue_for: time(config.datapath.no_path.queue_for),
        fence: fence(config, plan).into(),
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
                present: place < plan.used(),
                distance: 10,
                port: place as u16,
            })
            .collect(),
        board,
        // A request ends when the first command that has its pages is back: a second one would gain nothing.
        hedge_permille: match plan.copy {
            Copy::Zero => 0,
            Copy::Copy | Copy::User => config.datapath.hedge * 10,
        },
        shadow_bytes: config.datapath.shadow,
        max_requests: u32::from(plan.depth) * 2,
        prior: prior.collect(),
        first_epoch: plan.first_epoch(),
        untold: untold.then_some(VolumeId(0)).into_iter().collect(),
    }
}

/// All that can be made ready before a device is touched.
pub struct Ready {
    pub plans: Vec<Plan>,
    pub shape: Shape,
    /// Of each shard.
    pub buffers: Vec<Buffers>,
}

impl Ready {
    /// Devices that a daemon before this one left.
    pub fn left(&self) -> Vec<i32> {
        self.plans.iter().filter_map(|p| p.left).collect()
    }

    pub fn inherits(&self) -> bool {
        self.plans.iter().any(|p| p.left.is_some())
    }

    pub fn new(config: &Config, before: &[Inherited]) -> Result<Ready, ServeError> {
        let plans = plans(config, before)?;
        let shape = Shape::of(config, &plans)?;
        free(&plans)?;
        let owns = owns(&plans);
        let buffers = (0..shape.shards).map(|_| shape.buffers(&owns));
        let buffers = buffers.collect::<Result<_, _>>();
        Ok(Ready {
            plans,
            shape,
            buffers: buffers.map_err(system("mapping the buffers"))?,
        })
    }

    /// The same for what has come of it meanwhile. Memory that is large enough stays.
    pub fn again(self, config: &Config, before: &[Inherited]) -> Result<Ready, ServeError> {
        let plans = plans(config, before)?;
        if Shape::of(config, &plans)? == self.shape && owns(&plans) == owns(&self.plans) {
            return Ok(Ready { plans, ..self });
        }
        drop(self);
        Ready::new(config, before)
    }
}

fn plans(config: &Config, before: &[Inherited]) -> Result<Vec<Plan>, ServeError> {
    let configured = |i: &&Inherited| !config.volumes.iter().any(|c| c.name == i.left.name);
    if let Some(lost) = before.iter().find(configured) {
        let (name, id) = (&lost.left.name, lost.left.id);
        return Err(ServeError::Volume {
            volume: name.clone(),
            what: format!(
                "/dev/ublkb{id} of the daemon before serves it, and the configuration has no such volume: add it, or give it up with `mpio recover --give-up {name}`"
            ),
        });
    }
    let one = |v: &config::Volume| match before.iter().find(|i| i.left.name == v.name) {
        Some(inherited) => {
            let mut v = v.clone();
            let added = added(&v.paths, &inherited.left, &HERE);
            v.paths.extend(added);
            let mut plan = plan(&v)?;
            for a in &mut plan.absent {
                a.folder = inherited.left.folders.get(&a.path).cloned();
            }
            plan.continuing(inherited)
        }
        None => plan(v),
    };
    let plans = config.volumes.iter().map(one);
    let mut plans = plans.collect::<Result<Vec<_>, _>>()?;
    let devices = plans
        .iter()
        .flat_map(|p| p.devices.iter().map(|d| (&*p.name, &*d.path)));
    once_each(devices)?;
    for v in config.volumes.iter().filter(|v| v.is_unverified()) {
        tracing::warn!("{}", v.unverified());
    }
    choose_copy(config, &mut plans);
    Ok(plans)
}

/// Paths that the daemon before this one had beside those of the configuration: what is still there, under that name or at that place.
fn added(configured: &[PathBuf], left: &Left, at: &At) -> Vec<PathBuf> {
    let same = |p: &PathBuf| match left.folders.get(p) {
        None => (at.exists)(p),
        Some(folder) if (at.folder)(p).as_ref() == Some(folder) => true,
        Some(folder) => {
            let is_there = |c: &PathBuf| (at.folder)(c).as_ref() == Some(folder);
            // Its name is free, so that it cannot be taken for another device's.
            (at.exists)(folder) && !(at.exists)(p) && !configured.iter().any(is_there)
        }
    };
    let new = left.paths.iter().filter(|p| !configured.contains(p));
    new.filter(|p| same(p)).cloned().collect()
}

/// A device has many names (`/dev/disk/by-id`), and is a path of one volume, once.
fn once_each<'a>(all: impl Iterator<Item = (&'a str, &'a Path)>) -> Result<(), ServeError> {
    let mut seen: BTreeMap<PathBuf, &Path> = BTreeMap::new();
    for (volume, path) in all {
        let device = path.canonicalize().unwrap_or_else(|_| path.into());
        if let Some(other) = seen.insert(device.clone(), path) {
            return Err(ServeError::Volume {
                volume: volume.into(),
                what: format!(
                    "{} and {} are one device, {}: a device is a path of one volume, once",
                    other.display(),
                    path.display(),
                    device.display()
                ),
            });
        }
    }
    Ok(())
}

/// Nobody else may have a path: what is mounted, or part of another map, is refused by name. What a dead daemon left may still have its
/// paths open for a moment; they are asked for again and again.
pub fn free(plans: &[Plan]) -> Result<(), ServeError> {
    for p in plans.iter().filter(|p| p.left.is_none()) {
        for d in &p.devices {
            if device::is_held(&d.path) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `sdb` has become `sdx`, `sdc` is gone, and `sdd` is another device now.
    const MOVED: At = At {
        folder: |path| {
            let sits = match path.to_str()? {
                "/dev/sda" => "/sys/a",
                "/dev/sdx" => "/sys/b",
                "/dev/sdd" => "/sys/e",
                _ => return None,
            };
            Some(sits.into())
        },
        exists: |path| {
            let gone = ["/sys/c", "/dev/sdb", "/dev/sdc", "/dev/sdz"];
            !gone.iter().any(|g| path == Path::new(g))
        },
    };

    fn left(paths: &[&str]) -> Left {
        let folder = |p: &&str| (PathBuf::from(p), p.replace("/dev/sd", "/sys/").into());
        Left {
            paths: paths.iter().map(PathBuf::from).collect(),
            folders: paths.iter().map(folder).collect(),
            ..crate::state::left(1)
        }
    }

    fn planned(devices: &[&str], absent: &[&str]) -> Plan {
        let device = |path: &&str| Device {
            path: path.into(),
            bytes: 1 << 30,
            limits: Limits::memory(512),
            wwid: Some("naa.5".into()),
        };
        let lost = |path: &&str| Absent {
            path: path.into(),
            folder: None,
        };
        let v: config::Volume = toml::from_str("name = \"db\"\nidentity = \"naa.5\"").unwrap();
        let devices: Vec<_> = devices.iter().map(device).collect();
        let absent = absent.iter().map(lost).collect();
        made(&v, devices, absent).unwrap()
    }

    #[test]
    fn a_dead_daemons_path_is_where_its_device_is_now() {
        let p = planned(&["/dev/sda", "/dev/sdx", "/dev/sdd"], &["/dev/sdz"]);
        let left = left(&["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd", "/dev/sdz"]);
        let fears = |path: &str| {
            let path = Path::new(path);
            p.fears(path, left.folders.get(path), &MOVED)
        };
        assert_eq!(fears("/dev/sda"), Fears::Place(0));
        assert_eq!(fears("/dev/sdb"), Fears::Place(1), "under another name");
        assert_eq!(fears("/dev/sdc"), Fears::Nothing, "gone with all of it");
        assert_eq!(fears("/dev/sdd"), Fears::Unknown, "not what it was");
        assert_eq!(fears("/dev/sdz"), Fears::Place(3), "may come back");
        // Nothing is known of where it sat: its name is all.
        assert_eq!(
            p.fears(Path::new("/dev/sdd"), None, &MOVED),
            Fears::Place(2)
        );
        assert_eq!(p.fears(Path::new("/dev/sdq"), None, &MOVED), Fears::Unknown);
        assert_eq!(p.places(), 8);
        assert_eq!(p.names()[3], Some("/dev/sdz".into()));
    }

    #[test]
    fn what_was_added_is_a_path_again_if_it_is_the_same() {
        let left = left(&["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd", "/dev/sdz"]);
        let names = |configured: &[&str]| {
            let configured: Vec<_> = configured.iter().map(PathBuf::from).collect();
            added(&configured, &left, &MOVED)
        };
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(names(&[]), paths(&["/dev/sda", "/dev/sdb", "/dev/sdz"]));
        assert_eq!(names(&["/dev/sda", "/dev/sdx"]), paths(&["/dev/sdz"]));
    }

    #[test]
    fn a_volume_needs_one_of_its_paths() {
        let text = "name = \"db\"\npaths = [\"/dev/there-is-no-a\", \"/dev/there-is-no-b\"]";
        let v: config::Volume = toml::from_str(text).unwrap();
        let error = plan(&v).err().unwrap().to_string();
        assert!(
            error.contains("none of its paths is there: no /dev/there-is-no-a, /dev/there-is-no-b"),
            "{error}"
        );
    }

    #[test]
    fn a_device_under_two_names_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let (sda, sdb) = (folder.path().join("sda"), folder.path().join("sdb"));
        let alias = folder.path().join("by-id");
        std::fs::write(&sda, "").unwrap();
        std::fs::write(&sdb, "").unwrap();
        std::os::unix::fs::symlink(&sda, &alias).unwrap();
        let two = [("db", &*sda), ("log", &*sdb)];
        once_each(two.into_iter()).unwrap();
        let three = [("db", &*sda), ("log", &*sdb), ("log", &*alias)];
        let error = once_each(three.into_iter()).unwrap_err().to_string();
        assert!(error.contains("volume \"log\""), "{error}");
        assert!(error.contains("by-id are one device"), "{error}");
    }
}

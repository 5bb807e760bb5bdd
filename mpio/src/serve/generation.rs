//! One time of serving: the devices, the threads and the control plane, from their beginning to an orderly stop, or to the moment when
//! another daemon may have the devices.
#![forbid(unsafe_code)]

use super::crew::{Running, spawn};
use super::devices::{self, add, at_once};
use super::plan::{Plan, Ready};
use super::{ServeError, system};
use crate::config::{self, Config};
use crate::control::admin::Admin;
use crate::control::directory::{Directory, Entry, Names};
use crate::control::links::{self, Links};
use crate::control::protocol::Wish;
use crate::control::{Control, Guard};
use crate::front::Front;
use crate::handover::{Handed, HandedVolume, PROTOCOL, Word};
use crate::kernel::Kernel;
use crate::plane::{self, Plane};
use crate::record;
use crate::seen::{Notes, Snapshot};
use crate::shard::{Keeper, LeftBehind, Message};
use crate::state::{Left, State};
use crate::untold;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Events that may wait for the control side.
const NOTES: usize = 4096;
/// What the kernel has out when the device is quiesced has this long to come back; the shards wait for the rest.
const QUIESCE_WITHIN: Duration = Duration::from_millis(300);
/// The threads that close devices have this long; one that hangs keeps its path from the successor, and no other.
const CLOSED_WITHIN: Duration = Duration::from_millis(200);

pub struct Generation {
    fronts: Vec<Front>,
    shards: Vec<Running>,
    keeper: Arc<Keeper>,
    names: Names,
    left: Vec<Left>,
    state_file: PathBuf,
    guard: Guard,
    links: Option<Links>,
}

impl Generation {
    pub fn begin(
        config: &Config,
        mut ready: Ready,
        admin: &Admin,
        state_file: &Path,
        words: &Sender<Word>,
        number: u32,
    ) -> Result<Generation, ServeError> {
        let kept = ready.left();
        let volumes = devices::names(&ready.plans);
        let fronts = add(&ready)?;
        let plans = ready.plans.iter().zip(&fronts);
        let left: Vec<_> = plans.map(|(p, f)| p.left(f, ready.shape)).collect();
        let state = State {
            volumes: left.clone(),
        };
        let shards = ready.shape.shards;
        let keep = |p: &mut Plan| {
            let file = untold::file(state_file, &p.name);
            p.words = Some(untold::open(&file, shards, &p.untold)?);
            Ok(())
        };
        let written = ready.plans.iter_mut().try_for_each(keep);
        let written = written.map_err(system("making the files of failed flushes"));
        let written = written.and_then(|()| Ok(state.write(state_file)?));
        if let Err(e) = written {
            for p in ready.plans.iter().filter(|p| p.left.is_none()) {
                let _ = std::fs::remove_file(untold::file(state_file, &p.name));
            }
            devices::end(fronts, &kept);
            return Err(e);
        }
        let names: Names = Arc::new(directory(config, &ready.plans, &fronts).into());
        let served = ready.plans.iter().map(|p| plane::Served {
            wwid: p.wwid.clone(),
            bytes: p.bytes,
            block_bytes: p.limits.block_bytes,
            finds_paths: p.finds_paths,
        });
        let served = served.collect();
        let (tap, recorder) = record::pair();
        let (notes, book) = Notes::new(NOTES, tap);
        let (shards, keeper) = match spawn(config, ready, &fronts, &notes, number, words) {
            Ok(made) => made,
            Err(e) => {
                devices::end(fronts, &kept);
                return Err(e);
            }
        };
        let control = Control {
            names: names.clone(),
            shards: shards.iter().map(Running::end).collect(),
            devices: {
                let outboxes = shards.iter().map(|s| s.outbox.clone()).collect();
                let file = state_file.to_path_buf();
                Arc::new(Plane::new(keeper.clone(), outboxes, served, state, file))
            },
            hooks: config.hooks.clone(),
            recorder: recorder.into(),
            words: words.clone(),
        };
        let guard = control
            .start(admin, book, config.metrics.listen.as_ref())
            .map_err(system("starting the control plane's thread"))?;
        let mut generation = Generation {
            fronts,
            shards,
            keeper,
            names,
            left,
            state_file: state_file.into(),
            guard,
            links: None,
        };
        let started = devices::start(&generation.fronts, &volumes, &generation.shards);
        if let Err(e) = started {
            // Nothing was served yet, and what was to be recovered still is: it stays for the next attempt, as this process ends.
            if kept.is_empty() {
                let _ = generation.stop();
            }
            return Err(e);
        }
        generation.link(&volumes);
        Ok(generation)
    }

    fn link(&mut self, volumes: &[String]) {
        let devices: Vec<String> = self.fronts.iter().map(Front::path).collect();
        let named = volumes.iter().zip(&devices);
        let named = named.map(|(v, device)| (v.as_str(), device.as_str()));
        match Links::make(Path::new(links::FOLDER), named) {
            Ok(links) => self.links = Some(links),
            Err(e) => {
                tracing::warn!("{}: {e}; the volumes have no names there", links::FOLDER);
            }
        }
    }

    /// Every device goes, and nothing is left behind.
    pub fn stop(self) -> Result<(), ServeError> {
        for front in &self.fronts {
            let _ = front.stop();
        }
        let ran = join(self.shards).map(|_| ());
        self.keeper.end();
        devices::end(self.fronts, &[]);
        let _ = std::fs::remove_file(&self.state_file);
        for left in &self.left {
            let _ = std::fs::remove_file(untold::file(&self.state_file, &left.name));
        }
        ran
    }

    /// Why no successor that serves these volumes can have them now.
    pub fn cannot_let_go(&self, volumes: &[String]) -> Option<String> {
        if let Some(lost) = self.left.iter().find(|l| !volumes.contains(&l.name)) {
            return Some(format!(
                "\"{}\" is served here, and would not be by the other daemon: add it to its configuration, or stop this daemon",
                lost.name
            ));
        }
        if let Some(front) = self.fronts.iter().find(|f| !f.can_quiesce()) {
            return Some(format!(
                "{} cannot be quiesced, for which Linux 6.16 is needed (UBLK_F_QUIESCE), and closing it while requests come may leave some of them \
                 waiting for ever. Stop this daemon with `mpio stop` when nothing uses its volumes, and start the other one",
                front.path()
            ));
        }
        let shards = self.snapshots();
        for (at, left) in self.left.iter().enumerate() {
            let of = |s: &Snapshot| s.volumes.get(at).map_or(0, |v| v.parked_buffers);
            let stuck: u32 = shards.iter().map(of).sum();
            if stuck > 0 {
                return Some(format!(
                    "\"{}\" has {stuck} commands out that were given up and have not come back: a successor could not open their path, nor write anything that they might; `mpio status` shows the path; try again later, or take it away",
                    left.name
                ));
            }
            let of = |s: &Snapshot| s.volumes.get(at).map_or(0, |v| v.shadows.bytes);
            let kept: u64 = shards.iter().map(of).sum();
            if kept > 0 {
                return Some(format!(
                    "\"{}\" has {kept} bytes of writes in memory only (fence = \"shadow\"), which a successor would not have; try again later",
                    left.name
                ));
            }
        }
        None
    }

    fn snapshots(&self) -> Vec<Snapshot> {
        self.shards.iter().map(Running::snapshot).collect()
    }

    /// Ends what has begun and closes everything, so that another daemon can have the devices. They stay, and their I/O waits.
    pub fn let_go(self) -> Result<Handed, ServeError> {
        let Generation {
            fronts,
            shards,
            keeper,
            names,
            mut left,
            state_file,
            guard,
            links,
        } = self;
        let began = Instant::now();
        let ms = || began.elapsed().as_millis();
        let seen: Vec<_> = shards.iter().map(Running::snapshot).collect();
        // Whoever asks now is answered by the next one.
        drop(guard);
        let quiesce = |id: &i32| {
            if let Err(e) = Front::quiesce(*id, QUIESCE_WITHIN) {
                tracing::warn!("/dev/ublkb{id}: {e}");
            }
            Ok(())
        };
        let ids: Vec<i32> = fronts.iter().map(Front::id).collect();
        at_once(&ids, quiesce)?;
        let quiesced = ms();
        for shard in &shards {
            shard.outbox.send(Message::LetGo);
        }
        let behind = join(shards)?;
        let joined = ms();
        keeper.end();
        if !keeper.settle(CLOSED_WITHIN) {
            tracing::warn!("a device takes its time to be closed");
        }
        drop((fronts, keeper));
        tracing::info!(
            "let go after {} ms: quiesced at {quiesced}, shards ended at {joined}",
            ms()
        );
        // The links lead to devices that stay.
        std::mem::forget(links);
        // What was added, and grown, since.
        if let Ok(state) = State::read(&state_file) {
            left = state.volumes;
        }
        let names = names.read().unwrap_or_else(|e| e.into_inner());
        let volumes = left.into_iter().zip(&names.volumes).enumerate();
        let volumes = volumes.map(|(at, (left, entry))| {
            let seen = seen.first().and_then(|s| s.volumes.get(at));
            let wish = |place: usize| {
                let path = seen.and_then(|v| v.paths.get(place));
                path.and_then(|p| Wish::of(p.admin))
            };
            let behind: Vec<&LeftBehind> = behind.iter().filter_map(|s| s.get(at)).collect();
            handed(left, entry, wish, &behind)
        });
        Ok(Handed {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").into(),
            volumes: volumes.collect(),
        })
    }
}

/// `wish`: what the operator wants of each path; none of one that was removed.
fn handed(
    left: Left,
    entry: &Entry,
    wish: impl Fn(usize) -> Option<Wish>,
    behind: &[&LeftBehind],
) -> HandedVolume {
    let named = || entry.paths.iter().enumerate();
    let is_feared = |place: usize| {
        behind
            .iter()
            .any(|b| b.feared.iter().any(|p| usize::from(*p) == place))
    };
    let name = |(_, name): (usize, &Option<PathBuf>)| name.clone();
    let feared: Vec<_> = named()
        .filter(|(i, _)| is_feared(*i))
        .filter_map(name)
        .collect();
    let used: Vec<_> = named()
        .filter(|(i, _)| wish(*i).is_some() || is_feared(*i))
        .filter_map(name)
        .collect();
    let operator = named().filter_map(|(i, name)| Some((name.clone()?, wish(i)?)));
    HandedVolume {
        left: Left {
            paths: used,
            ..left
        },
        feared,
        untold: behind.iter().map(|b| b.untold).collect(),
        operator: operator.filter(|(_, w)| *w != Wish::Enabled).collect(),
    }
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
        policy: config::policy_name(config.datapath.policy).into(),
        kernel: Kernel::running(),
        volumes: plans.iter().zip(fronts).map(entry).collect(),
    }
}

/// Waits for every shard; what each leaves of each volume.
fn join(shards: Vec<Running>) -> Result<Vec<Vec<LeftBehind>>, ServeError> {
    let ended = shards.into_iter().map(|shard| {
        let panicked = |_| system("running a shard")(io::Error::other("a shard's thread panicked"));
        shard.thread.join().map_err(panicked).and_then(|done| done)
    });
    // All of them, before one's failure is told.
    let ended: Vec<_> = ended.collect();
    ended.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::directory;

    #[test]
    fn what_is_handed_over_is_what_is_used_and_what_is_feared() {
        let mut entry = directory::example().volumes.remove(0);
        entry.paths.push(Some("/dev/sdc".into()));
        entry.paths.push(Some("/dev/sdd".into()));
        // sda is enabled, sdb standby, the third place free, sdc removed with a write out, sdd removed.
        let wish = |place: usize| match place {
            0 => Some(Wish::Enabled),
            1 => Some(Wish::Standby),
            _ => None,
        };
        let (feared, untold) = (vec![3], true);
        let one = LeftBehind { feared, untold };
        let other = LeftBehind::default();
        let left = crate::state::left(0);
        let v = handed(left, &entry, wish, &[&other, &one]);
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(v.left.paths, paths(&["/dev/sda", "/dev/sdb", "/dev/sdc"]));
        assert_eq!(v.feared, paths(&["/dev/sdc"]));
        assert_eq!(v.untold, [false, true]);
        assert_eq!(v.operator, [("/dev/sdb".into(), Wish::Standby)]);
        assert_eq!(v.left.generation, 3);
    }
}

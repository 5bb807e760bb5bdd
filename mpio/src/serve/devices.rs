//! The ublk devices of all volumes: made, or taken over from a daemon before this one, and started; and what becomes of them when something fails.
#![forbid(unsafe_code)]

use super::crew::Running;
use super::plan::{Plan, Ready};
use super::{ServeError, system};
use crate::front::{self, Front, FrontError, Wanted};
use crate::state::{Left, State};
use crate::untold;
use std::io;
use std::path::Path;

fn of(volume: &str) -> impl Fn(FrontError) -> ServeError {
    let volume = volume.to_string();
    move |source| ServeError::Front {
        volume: volume.clone(),
        source,
    }
}

/// Devices of a daemon that was killed before it had started them, or after it had stopped them: no program waits for one, and the kernel would not
/// let them be recovered. Not while a daemon of this file lives.
pub fn drop_unstarted(file: &Path) -> Result<(), ServeError> {
    let mut state = State::read(file)?;
    let is = |l: &Left| front::is_unstarted(l.id, l.queues, l.depth);
    let (unstarted, kept): (Vec<_>, Vec<_>) = state.volumes.into_iter().partition(is);
    if unstarted.is_empty() {
        return Ok(());
    }
    for left in &unstarted {
        let id = left.id;
        tracing::warn!("/dev/ublkc{id} of a daemon before this one was not in use: it is deleted");
        front::give_up(id).map_err(of(&left.name))?;
        let _ = std::fs::remove_file(untold::file(file, &left.name));
    }
    state.volumes = kept;
    Ok(state.write(file)?)
}

/// One for each volume: none, where one fails; what is to be recovered stays for the next attempt.
pub fn add(ready: &Ready) -> Result<Vec<Front>, ServeError> {
    at_once(&ready.plans, |p| {
        p.left.map_or(Ok(()), Front::recover).map_err(of(&p.name))
    })?;
    let mut fronts = Vec::new();
    for p in &ready.plans {
        let wanted = Wanted {
            queues: ready.shape.shards,
            depth: p.depth,
            bytes: p.bytes,
            limits: p.limits,
            buffer_bytes: p.buffer_bytes.unwrap_or(ready.shape.buffer_bytes),
            copy: p.copy,
            recover: p.left,
        };
        match Front::add(&wanted) {
            Ok(front) => fronts.push(front),
            Err(e) => {
                end(fronts, &ready.left());
                return Err(of(&p.name)(e));
            }
        }
    }
    Ok(fronts)
}

/// For all at once: each may have to be waited for.
pub fn at_once<T: Sync>(
    all: &[T],
    one: impl Fn(&T) -> Result<(), ServeError> + Sync,
) -> Result<(), ServeError> {
    std::thread::scope(|s| {
        let one = &one;
        let begun: Vec<_> = all.iter().map(|t| s.spawn(move || one(t))).collect();
        let ends = begun.into_iter().map(|t| {
            let panicked =
                |_| system("waiting for a device")(io::Error::other("a thread panicked"));
            t.join().map_err(panicked).and_then(|done| done)
        });
        ends.collect()
    })
}

/// When every shard has asked for requests.
pub fn start(fronts: &[Front], names: &[String], shards: &[Running]) -> Result<(), ServeError> {
    for (queue, shard) in (0..).zip(shards) {
        let tid = shard.serves()?;
        for (front, name) in fronts.iter().zip(names) {
            front.configure(queue, tid).map_err(of(name))?;
        }
    }
    for (front, name) in fronts.iter().zip(names) {
        front.start().map_err(of(name))?;
        println!("{name} is {}", front.path());
    }
    Ok(())
}

/// No device is left behind, but those in `kept`.
pub fn end(fronts: Vec<Front>, kept: &[i32]) {
    for front in fronts {
        if kept.contains(&front.id()) {
            continue;
        }
        let path = front.path();
        if let Err(e) = front.delete() {
            tracing::error!("{path}: {e}");
        }
    }
}

/// What a volume's device is called.
pub fn names(plans: &[Plan]) -> Vec<String> {
    plans.iter().map(|p| p.name.clone()).collect()
}

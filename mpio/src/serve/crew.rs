//! The threads that serve: a shard each, with a queue of every volume's device, and the keeper that they share.
#![forbid(unsafe_code)]

use super::plan::{Plan, Ready, Shape, core};
use super::{ServeError, system};
use crate::config::{Config, NO_IDENTITY};
use crate::control::ShardEnd;
use crate::device;
use crate::front::{Front, Queue};
use crate::handover::Word;
use crate::seen::{Notes, Shown, Snapshot};
use crate::shard::{
    BlockPath, Inbox, Keeper, LeftBehind, Links, Message, Outbox, Parts, Served, Shard, Store,
    VolumeIo,
};
use crate::untold;
use datapath::core::{Board, Core, Input};
use protocol::{Instant, PathId};
use std::fmt::Display;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

/// A shard's thread, and the word that it serves (its id) or why it cannot.
pub struct Running {
    pub thread: JoinHandle<Result<Vec<LeftBehind>, ServeError>>,
    serves: mpsc::Receiver<Result<libc::pid_t, ServeError>>,
    shown: Shown,
    pub outbox: Outbox,
}

impl Running {
    /// Once: waits until it has asked for requests; the id of its thread.
    pub fn serves(&self) -> Result<libc::pid_t, ServeError> {
        let ended = |_| system("starting a shard")(io::Error::other("its thread ended at once"));
        self.serves.recv().map_err(ended)?
    }

    pub fn snapshot(&self) -> Snapshot {
        let shown = self.shown.lock().unwrap_or_else(|e| e.into_inner());
        shown.clone()
    }

    /// The control side's end of it.
    pub fn end(&self) -> ShardEnd {
        let outbox = self.outbox.clone();
        ShardEnd {
            shown: self.shown.clone(),
            tell: Box::new(move |volume, input| outbox.send(Message::Operator { volume, input })),
        }
    }
}

pub fn spawn(
    config: &Config,
    ready: Ready,
    fronts: &[Front],
    notes: &Notes,
    generation: u32,
    words: &Sender<Word>,
) -> Result<(Vec<Running>, Arc<Keeper>), ServeError> {
    let Ready {
        plans,
        shape,
        buffers,
    } = ready;
    let (mut outboxes, mut inboxes) = (Vec::new(), Vec::new());
    for _ in 0..shape.shards {
        let (outbox, inbox) = Inbox::new().map_err(system("making an event counter"))?;
        outboxes.push(outbox);
        inboxes.push(inbox);
    }
    let names = plans.iter().map(Plan::names).collect();
    let keeper = Keeper::new(names, outboxes.clone());
    let boards: Vec<Board> = plans
        .iter()
        .map(|p| Board::new(shape.shards, p.places()))
        .collect();
    let shadows = Arc::new(Store::default());
    for (at, p) in plans.iter().enumerate() {
        if p.reset_after.is_some() {
            let largest = p.buffer_bytes.unwrap_or(shape.buffer_bytes);
            keeper.exclusive(at as u16, u64::from(largest));
        }
    }
    for (volume, p) in (0..).zip(&plans) {
        for (path, address) in p.addresses() {
            keeper.sits(volume, path, &address);
        }
    }
    let began = std::time::Instant::now();
    let mut all = Vec::new();
    for ((shard, inbox), buffers) in inboxes.into_iter().enumerate().zip(buffers) {
        let shard = shard as u16;
        let parts = Parts {
            volumes: served(
                config,
                &plans,
                &boards,
                fronts,
                shape,
                notes.of_shard(shard),
            )?,
            buffers,
            inbox,
            links: Links {
                shard,
                shards: outboxes.clone(),
                keeper: keeper.clone(),
                shadows: shadows.clone(),
            },
            shown: Shown::default(),
            began,
        };
        all.push(parts);
    }
    let mut running = Vec::new();
    for parts in all {
        let (tell, serves) = mpsc::channel();
        let words = words.clone();
        let shown = parts.shown.clone();
        let outbox = outboxes[usize::from(parts.links.shard)].clone();
        let thread = std::thread::Builder::new()
            .name(format!("shard-{}", parts.links.shard))
            .spawn(move || {
                let tid = Front::init_thread();
                let done = match Shard::new(parts).map_err(system("making a shard")) {
                    Ok(shard) => {
                        let _ = tell.send(Ok(tid));
                        Ok(or_end(|| shard.run(), end_as_if_killed))
                    }
                    Err(e) => {
                        let _ = tell.send(Err(e));
                        Ok(Vec::new())
                    }
                };
                // The end of a shard is the end of the daemon.
                let _ = words.send(Word::Ended(generation));
                done
            })
            .map_err(system("starting a shard's thread"))?;
        for (volume, p) in (0..).zip(&plans) {
            for (path, wish) in &p.operator {
                let (path, admin) = (PathId(*path), (*wish).into());
                let input = Input::Admin { path, admin };
                outbox.send(Message::Operator { volume, input });
            }
        }
        running.push(Running {
            thread,
            serves,
            shown,
            outbox,
        });
    }
    Ok((running, keeper))
}

/// What comes of a shard, or `end` with the reason why it cannot go on.
fn or_end<T, E: Display>(run: impl FnOnce() -> Result<T, E>, end: impl FnOnce(&str) -> T) -> T {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(done)) => done,
        Ok(Err(e)) => end(&e.to_string()),
        Err(_) => end("a defect"),
    }
}

/// Nobody would serve the shard's queues, and an orderly end would take the devices from programs that use them. So this is an end as by
/// `kill -9`: they stay, their I/O waits, and the next daemon takes them over.
fn end_as_if_killed<T>(why: &str) -> T {
    tracing::error!(
        "a shard cannot go on: {why}. The daemon ends at once; the devices stay and their I/O waits, `mpio serve` takes them over"
    );
    std::process::exit(1);
}

/// What one shard needs of each volume; made before its thread, so that what fails says which volume it was.
fn served(
    config: &Config,
    plans: &[Plan],
    boards: &[Board],
    fronts: &[Front],
    shape: Shape,
    notes: Notes,
) -> Result<Vec<Served>, ServeError> {
    let mut all = Vec::new();
    let mut first_tag = 0;
    for (at, (p, front)) in plans.iter().zip(fronts).enumerate() {
        let volume = || p.name.clone();
        let config = core(config, p, shape, boards[at].clone(), notes.shard());
        let core = Core::new(config, Instant::ZERO).map_err(|e| ServeError::Volume {
            volume: volume(),
            what: e.to_string(),
        })?;
        // Behind the entry of the shard's own buffers; no other way than lending needs an index.
        let index = u16::try_from(first_tag + 1).unwrap_or(0);
        let queue = Queue::map(&front.dev, notes.shard(), p.copy, index);
        let queue = queue.map_err(|source| ServeError::Front {
            volume: volume(),
            source,
        })?;
        let path = |place| BlockPath::new(p.prior(place as u16));
        let mut io = VolumeIo::new(
            at as u16,
            queue,
            first_tag,
            (0..p.places()).map(path).collect(),
            p.limits.block_bytes,
            p.bytes,
            (p.wwid == NO_IDENTITY).then(|| device::identity(NO_IDENTITY)),
            notes.clone(),
        );
        io.reset.after = p.reset_after;
        if let Some(words) = &p.words {
            let (words, shard) = (words.clone(), notes.shard());
            let untold = p.untold.get(usize::from(shard)) == Some(&true);
            io.word = untold::Word::new(words, shard, untold);
        }
        first_tag += u32::from(p.depth);
        all.push(Served {
            core,
            io,
            dev: front.dev.clone(),
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_cannot_go_on_ends_all() {
        let why = |run: fn() -> Result<String, &'static str>| or_end(run, str::to_string);
        assert_eq!(why(|| Ok("done".into())), "done");
        assert_eq!(why(|| Err("its ring is gone")), "its ring is gone");
        assert_eq!(why(|| panic!("on purpose")), "a defect");
    }
}

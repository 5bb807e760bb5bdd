//! What the cores say of paths, losses and starvation. None of it is per I/O.

use super::loss::Verdict;
use super::recorder::{NO_PATH, Recorder};
use datapath::core::Event;
use datapath::core::path::Link;
use protocol::Instant;

impl Recorder {
    /// An event of the core of (`host`, `shard`): states, losses, redispatches, fences, starvation.
    pub fn core_event(&mut self, now: Instant, host: u16, shard: u16, event: &Event) {
        self.advance(now);
        let shard = usize::from(shard);
        let segment = self.segment;
        let events = self.events.at(segment);
        let global = self.global.get(usize::from(host));
        let global = |path: protocol::PathId| {
            let path = global.and_then(|paths| paths.get(usize::from(path.0)));
            path.copied().filter(|path| *path != NO_PATH)
        };
        match *event {
            Event::Link { path, to, .. } => {
                if let Some(path) = global(path) {
                    self.losses.link(path, shard, to == Link::Up);
                }
            }
            Event::Access {
                path, volume, to, ..
            } => {
                if let Some(path) = global(path) {
                    let place = (path, usize::from(volume.0), shard);
                    self.usability.access(segment, place, to);
                }
            }
            Event::Usable {
                path,
                volume,
                usable,
            } => {
                if let Some(path) = global(path) {
                    let place = (path, usize::from(volume.0), shard);
                    events.flips += self.usability.usable(now, segment, place, usable);
                    if usable {
                        self.losses.usable(now, path, shard, events);
                    }
                }
            }
            Event::Lost {
                path,
                cause,
                attempts,
                first_hit,
            } => {
                if let Some(path) = global(path) {
                    let verdict = Verdict {
                        path,
                        name: &self.layout.paths[path].name,
                        shard,
                        cause,
                        attempts,
                        first_hit,
                    };
                    let stalls = self.stall.waits();
                    self.losses.lost(now, &verdict, stalls, events);
                }
            }
            Event::AttemptLost { .. } => events.lost_alone += 1,
            Event::Redispatch { from, lost_at, .. } => {
                if let Some(path) = global(from) {
                    self.losses.redispatched(now, path, lost_at, events);
                }
            }
            Event::NoPath { volume, .. } => {
                let place = (usize::from(host), usize::from(volume.0), shard);
                events.no_path_ns += self.starvation.changed(now, place, true);
            }
            Event::PathBack { volume, .. } => {
                let place = (usize::from(host), usize::from(volume.0), shard);
                events.no_path_ns += self.starvation.changed(now, place, false);
            }
            Event::NoPathFailed { volume, failed } => {
                let place = (usize::from(host), usize::from(volume.0), shard);
                events.no_path_failed += u64::from(failed);
                if let Some(ns) = self.starvation.failed(now, place) {
                    events.failed_after(ns);
                }
            }
            Event::DoubtsFull { held, .. } => events.fence_overflow += u64::from(held),
            Event::InDoubt { ranges, .. } => events.fence_ranges += u64::from(ranges),
            Event::Held { waited, .. } => {
                events.fence_held += 1;
                events.fence_held_max_ns = events.fence_held_max_ns.max(waited.0);
            }
            Event::Shadows { kept, bytes, .. } => {
                events.shadow_writes += u64::from(kept);
                events.shadow_bytes_max = events.shadow_bytes_max.max(bytes);
            }
            Event::Hedge { .. } => self.hedge_issued(),
            Event::HedgeWon { .. } => self.hedge_won(),
            // Registrations are counted when they are carried out; the others are no metric.
            Event::Register { .. }
            | Event::Health { .. }
            | Event::Admin { .. }
            | Event::Identity { .. }
            | Event::Resized { .. }
            | Event::Illegal { .. }
            | Event::Closed { .. }
            | Event::ShadowsFull { .. }
            | Event::StaleCompletion { .. } => {}
        }
    }

    /// The datapath of `host` died, and with it every connection and everything that its cores had said.
    pub fn datapath_died(&mut self, now: Instant, host: u16) {
        self.advance(now);
        let events = self.events.at(self.segment);
        for path in self.global.get(usize::from(host)).into_iter().flatten() {
            if *path != NO_PATH {
                events.flips += self.usability.forget(now, self.segment, *path);
                self.losses.forget(*path);
            }
        }
        events.no_path_ns += self.starvation.forget(now, usize::from(host));
    }
}

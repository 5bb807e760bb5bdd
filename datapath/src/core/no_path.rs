//! No usable path: what comes waits in order, up to a deadline that runs from the moment the last path was given up.
//! Loss that every configured path itself declared is permanent, and fails at once.

use super::api::Event;
use super::mutant::Mutant;
use super::path::Admin;
use super::slots::State;
use super::verdict::{EIO, ENODEV};
use super::{Actions, Core};
use protocol::{Instant, VolumeId};

/// A volume without a usable path, for whoever shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoPath {
    pub since: Instant,
    /// When what waits fails.
    pub until: Instant,
    /// It is over, or the loss is permanent: I/O fails at once.
    pub failing: bool,
    /// Commands that wait.
    pub queued: u32,
}

impl Core {
    /// `None`: the volume has a usable path.
    pub fn no_path(&self, volume: VolumeId) -> Option<NoPath> {
        let v = usize::from(volume.0);
        let state = self.volumes.get(v)?;
        (state.starved_at != Instant::MAX).then(|| NoPath {
            since: state.starved_at,
            until: self.starved_until(v),
            failing: state.failing,
            queued: state.queue.len,
        })
    }

    /// Whether the command must be answered now, since there is no path: its time is over, or it was told not to wait.
    pub(super) fn may_not_wait(&self, s: u32) -> bool {
        let slot = &self.slots[s];
        let volume = &self.volumes[usize::from(slot.volume.0)];
        volume.failing || (self.requests.get(slot.request).failfast && volume.ever_usable)
    }

    pub(super) fn fail_at_once(&mut self, now: Instant, s: u32, out: &mut Actions) {
        let volume = self.slots[s].volume;
        let permanent = self.is_permanent(usize::from(volume.0));
        let errno = if permanent { ENODEV } else { EIO };
        out.event(Event::NoPathFailed { volume, failed: 1 });
        self.finish(now, s, Some(errno), out);
    }

    pub(super) fn wait_for_path(&mut self, s: u32) {
        if self.slots[s].touched {
            // The path that comes next is asked whatever it said before.
            self.slots.cold_mut(s).tried = 0;
        }
        let v = usize::from(self.slots[s].volume.0);
        self.slots[s].state = State::Queued;
        self.slots.push_back(&mut self.volumes[v].queue, s);
    }

    /// A loss while a volume's time is over already: its held writes fail as what comes later does. So do those that were told not to wait.
    pub(super) fn fail_what_may_not_wait(&mut self, now: Instant, out: &mut Actions) {
        self.fail_what_nobody_ends(now, out);
        for v in 0..self.volumes.len() {
            if self.volumes[v].failing && !self.closings.is_empty() {
                let errno = if self.is_permanent(v) { ENODEV } else { EIO };
                self.fail_waiting(now, VolumeId(v as u16), errno, out);
            }
        }
    }

    pub(super) fn begin_starving(&mut self, now: Instant, v: usize, out: &mut Actions) {
        self.volumes[v].starved_at = now;
        self.starved += 1;
        out.event(Event::NoPath {
            volume: VolumeId(v as u16),
            queued: self.volumes[v].queue.len,
        });
        self.wake_by(now + self.config.queue_for);
        self.check_permanent(now, v, out);
    }

    pub(super) fn end_starving(&mut self, now: Instant, v: usize, out: &mut Actions) {
        let volume = &mut self.volumes[v];
        let outage = now.since(volume.starved_at);
        volume.starved_at = Instant::MAX;
        volume.outage_end = now;
        volume.failing = false;
        self.starved -= 1;
        if volume.ever_usable {
            out.event(Event::PathBack {
                volume: VolumeId(v as u16),
                outage,
            });
        }
        self.volumes[v].ever_usable = true;
        if self.config.mutant(Mutant::LostWakeup) {
            return;
        }
        // Only what waits now: a command that finds no path again goes to the end of the queue.
        for _ in 0..self.volumes[v].queue.len {
            let Some(s) = self.slots.pop_front(&mut self.volumes[v].queue) else {
                break;
            };
            self.place(now, s, out);
        }
    }

    /// Loss is permanent when every configured path, at its latest contact, said so itself.
    pub(super) fn is_permanent(&self, v: usize) -> bool {
        let mut any = false;
        for path in self.path_indices() {
            if self.paths[usize::from(path)].admin == Admin::Absent {
                continue;
            }
            any = true;
            if !self.pv(path, v).gone {
                return false;
            }
        }
        any
    }

    pub(super) fn check_permanent(&mut self, now: Instant, v: usize, out: &mut Actions) {
        if self.is_permanent(v) {
            self.volumes[v].failing = true;
            self.fail_waiting(now, VolumeId(v as u16), ENODEV, out);
        } else if self.volumes[v].failing && now < self.starved_until(v) {
            // A path that had declared the loss now says otherwise: the deadline counts again.
            self.volumes[v].failing = false;
            self.wake_by(self.starved_until(v));
        }
    }

    pub(super) fn starved_until(&self, v: usize) -> Instant {
        let until = self.volumes[v].starved_at + self.config.queue_for;
        if self.config.mutant(Mutant::RoundsDeadline) {
            return Instant(until.0.next_multiple_of(1_000_000_000));
        }
        until
    }

    /// The deadline of a volume without a path has come.
    pub(super) fn no_path_deadline(&mut self, now: Instant, v: usize, out: &mut Actions) {
        if !self.volumes[v].failing {
            self.volumes[v].failing = true;
            self.fail_waiting(now, VolumeId(v as u16), EIO, out);
        }
    }

    /// Fails everything of a volume that waits: for a path, for a time, for the end of an association.
    pub(super) fn fail_waiting(
        &mut self,
        now: Instant,
        volume: VolumeId,
        errno: i32,
        out: &mut Actions,
    ) {
        let v = usize::from(volume.0);
        if v >= self.volumes.len() {
            return;
        }
        let mut failed = 0;
        while let Some(s) = self.slots.pop_front(&mut self.volumes[v].queue) {
            failed += 1;
            self.finish(now, s, Some(errno), out);
        }
        let mut delayed = std::mem::take(&mut self.scratch);
        delayed.clear();
        delayed.extend(self.delayed.iter().filter_map(|entry| {
            let (_, s, generation) = entry.0;
            let slot = &self.slots[s];
            let waits = slot.generation == generation && slot.state == State::Delayed;
            (waits && slot.volume == volume).then_some(s)
        }));
        delayed.sort_unstable();
        for s in delayed.drain(..) {
            failed += 1;
            self.finish(now, s, Some(errno), out);
        }
        self.scratch = delayed;
        let barred = self.slots.members(&self.barred);
        for s in barred {
            if self.slots[s].volume == volume {
                self.stop_waiting(s);
                failed += 1;
                self.finish(now, s, Some(errno), out);
            }
        }
        // What succeeded and waits for a proof fails with the rest: without a path there is nobody to ask for it.
        let answered = self.slots.members(&self.answered);
        for s in answered {
            if self.slots[s].volume == volume {
                self.stop_waiting(s);
                failed += 1;
                self.finish(now, s, Some(errno), out);
            }
        }
        failed += self.fail_held(now, volume, errno, out);
        if failed > 0 {
            out.event(Event::NoPathFailed { volume, failed });
        }
    }
}

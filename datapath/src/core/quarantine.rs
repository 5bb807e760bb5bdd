//! Hysteresis of failback. A path that was lost, or that fails more than it serves, is the last resort until it has
//! behaved for a while: a moment after one loss, four times as long after each further one that comes soon after its
//! return. So a path that flaps is taken into use a handful of times, however long it goes on, and a path that was
//! cut once is back at once. A loss that took every path of a volume says nothing about one of them.

use super::mutant::Mutant;
use super::path::Health;
use super::{Actions, Core};
use protocol::{Duration, Instant, VolumeId};

/// How long a path must behave after its first demotion.
const HOLD_FIRST: Duration = Duration::from_millis(200);
/// Each further demotion multiplies that by four, this many times.
const HOLD_STEPS: u32 = 4;
/// A path that was trusted for this long, and for ten times its latest hold, starts anew.
const TRUST: Duration = Duration::from_secs(10);
/// An error of the path counts as much as this many successes; above the limit the path is marginal.
const ERROR_WEIGHT: u32 = 8;
const ERROR_LIMIT: u32 = 40;
const ERROR_CAP: u32 = 128;
/// Good probes in a row that end a quarantine: after a loss, and after errors.
const PROBES_AFTER_LOSS: u32 = 2;
const PROBES_AFTER_ERRORS: u32 = 5;

impl Core {
    fn hold_of(&self, path: u16) -> Duration {
        let steps = self.paths[usize::from(path)].demotions.saturating_sub(1);
        Duration(HOLD_FIRST.0 << (2 * steps.min(HOLD_STEPS)))
    }

    /// The path is the last resort from now on. The caller refreshes it.
    fn demote(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let hold = self.hold_of(path);
        let p = &mut self.paths[usize::from(path)];
        p.good_probes = 0;
        let fresh = !p.quarantined;
        if fresh {
            let trusted = now.since(p.released_at);
            let anew = trusted >= TRUST && trusted.0 >= hold.0.saturating_mul(10);
            p.demotions = if anew { 1 } else { p.demotions + 1 };
            p.quarantined = true;
        }
        let to = if fresh && p.demotions == 1 && p.errors <= ERROR_LIMIT {
            Health::Probation
        } else {
            Health::Marginal
        };
        self.set_health(path, to, out);
    }

    /// The path was lost.
    pub(super) fn demote_lost(&mut self, now: Instant, path: u16, out: &mut Actions) {
        self.demote(now, path, out);
        let p = &mut self.paths[usize::from(path)];
        p.behaved_since = Instant::MAX;
        p.lost_at = now;
    }

    /// Errors relative to traffic: a path that fails more than one in nine becomes the last resort.
    pub(super) fn path_error(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = &mut self.paths[usize::from(path)];
        p.errors = (p.errors + ERROR_WEIGHT).min(ERROR_CAP);
        if p.errors <= ERROR_LIMIT {
            return;
        }
        p.behaved_since = now;
        if !p.quarantined {
            self.demote(now, path, out);
            self.refresh_paths(now, out);
            self.wake_by(now + super::times::PROBE_EVERY);
        }
    }

    /// A path in quarantine is connected again: it is asked at once, and trusted at once where its loss was not its own.
    pub(super) fn returned(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = &mut self.paths[usize::from(path)];
        p.behaved_since = now;
        if !p.quarantined {
            return;
        }
        let (first, lost_at) = (p.demotions == 1, p.lost_at);
        let outage = (0..self.volumes.len()).any(|v| {
            let volume = &self.volumes[v];
            let starved = volume.ever_usable && volume.starved_at != Instant::MAX;
            let carries = self.pv(path, v).verified == super::state::Shown::Right;
            carries
                && (starved || volume.outage_end >= lost_at && volume.outage_end > Instant::ZERO)
        });
        if first && outage && self.paths[usize::from(path)].health == Health::Probation {
            self.release(now, path, out);
        } else {
            self.probe(now, path, out);
        }
    }

    fn release(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let p = &mut self.paths[usize::from(path)];
        p.quarantined = false;
        p.errors = 0;
        p.released_at = now;
        self.set_health(path, Health::Good, out);
    }

    /// Something came back over a path that was suspected.
    pub(super) fn alive(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let health = match self.paths[usize::from(path)].quarantined {
            true => Health::Marginal,
            false => Health::Good,
        };
        self.set_health(path, health, out);
        self.refresh_paths(now, out);
        self.fence_idle(now, out);
    }

    /// The way back: marginal, probation, good.
    pub(super) fn good_probe(&mut self, now: Instant, path: u16, out: &mut Actions) {
        let hold = self.hold_of(path);
        let p = &mut self.paths[usize::from(path)];
        if !p.quarantined {
            // It counts as a command does.
            p.errors = p.errors.saturating_sub(1);
            return;
        }
        if p.health == Health::Suspect {
            return;
        }
        p.good_probes += 1;
        let probes = match p.errors > ERROR_LIMIT {
            true => PROBES_AFTER_ERRORS,
            false => PROBES_AFTER_LOSS,
        };
        let behaved = p.behaved_since != Instant::MAX && now.since(p.behaved_since) >= hold;
        if p.health == Health::Marginal {
            if self.config.mutant(Mutant::FailbackWithoutProbation)
                || self.config.mutant(Mutant::FailbackUnreported)
            {
                self.release(now, path, out);
                return self.refresh_paths(now, out);
            }
            self.set_health(path, Health::Probation, out);
        } else if behaved && p.good_probes >= probes {
            self.release(now, path, out);
            self.refresh_paths(now, out);
        }
    }

    /// A probe came back with an error of the path. It counts as one of a command does, which would not be sent over a path that is known
    /// not to serve the volume. In quarantine the path's proof begins anew.
    pub(super) fn bad_probe(
        &mut self,
        now: Instant,
        path: u16,
        volume: VolumeId,
        out: &mut Actions,
    ) {
        let p = &self.paths[usize::from(path)];
        if !p.quarantined {
            let serves = self.pv(path, usize::from(volume.0)).access.accessible();
            if serves && !self.config.mutant(Mutant::TrustsIdlePaths) {
                self.path_error(now, path, out);
            }
            return;
        }
        let p = &mut self.paths[usize::from(path)];
        p.good_probes = 0;
        p.behaved_since = now;
        if p.health == Health::Probation {
            self.set_health(path, Health::Marginal, out);
        }
    }
}

//! Silence. A path on which nothing came back for a multiple of its own tail, though something is out, is suspect: it
//! gets no more I/O, and its data path is probed, and so are its siblings. An overdue probe is a verdict only while a
//! sibling answers: silence everywhere is a stall, of the array or of this host, until `io_timeout`.

use super::api::{Action, LossCause, PeerMessage};
use super::mutant::Mutant;
use super::path::{Health, Link};
use super::{Actions, Core, times};
use protocol::{Duration, Instant, PathId};

impl Core {
    /// When the oldest thing that is out on this path was sent.
    pub(super) fn oldest(&self, path: u16) -> Instant {
        let p = &self.paths[usize::from(path)];
        let probe = p.probe.map_or(Instant::MAX, |_| p.probe_at);
        self.views[usize::from(path)].oldest.min(probe)
    }

    /// When the oldest of what was sent on this path at `at` or later was sent. For slow paths: it looks at all that is older.
    fn oldest_since(&self, path: u16, at: Instant) -> Instant {
        let p = &self.paths[usize::from(path)];
        let probe = match p.probe {
            Some(_) if p.probe_at >= at => p.probe_at,
            _ => Instant::MAX,
        };
        self.slots.sent_since(&p.inflight, at).min(probe)
    }

    /// Judges one path; returns when to look again.
    pub(super) fn judge_silence(&mut self, now: Instant, path: u16, out: &mut Actions) -> Instant {
        let p = &self.paths[usize::from(path)];
        if p.link != Link::Up {
            return Instant::MAX;
        }
        let oldest = self.oldest(path);
        if oldest == Instant::MAX {
            return Instant::MAX;
        }
        let Some(limit) = self.end_overdue(now, path, out) else {
            return Instant::MAX;
        };
        let oldest = self.oldest(path);
        if oldest == Instant::MAX {
            return Instant::MAX;
        }
        let next = if self.paths[usize::from(path)].health == Health::Suspect {
            self.judge_suspect(now, path, out)
        } else {
            self.judge_quiet(now, path, oldest, out)
        };
        next.min(limit)
    }

    /// Something that was sent at `sent_at` came back.
    #[inline]
    pub(super) fn heard(&mut self, now: Instant, path: u16, sent_at: Instant) {
        let quiet = now.since(self.heard_at.max(sent_at));
        if quiet > times::HEDGE_FLOOR {
            self.silence_ended(now, path, sent_at, quiet);
        }
        self.heard_at = now;
        let p = &mut self.paths[usize::from(path)];
        p.last_heard = now;
        p.passed_at = p.passed_at.max(sent_at);
    }

    /// For so long nothing came back on any path, though this was out.
    #[cold]
    fn silence_ended(&mut self, now: Instant, path: u16, sent_at: Instant, quiet: Duration) {
        if quiet > self.views[usize::from(path)].tail {
            self.hedges.sound_since = now;
        }
        if quiet > times::SILENCE_FLOOR && quiet > self.patience(path, times::SILENCE_FLOOR) {
            self.answers_since = now;
            // What waited for this loop took no longer for that.
            self.answers_took = now.since(sent_at.max(self.resumed_at));
        }
    }

    fn judge_quiet(
        &mut self,
        now: Instant,
        path: u16,
        oldest: Instant,
        out: &mut Actions,
    ) -> Instant {
        let heard = self.paths[usize::from(path)].last_heard;
        let since = oldest.max(heard);
        let patience = self.patience(path, times::SILENCE_FLOOR);
        let due = self.counted_from(since, patience) + patience;
        if now < due {
            return due;
        }
        let patience = self.patience_with(path, times::SILENCE_FLOOR);
        let due = self.counted_from(since, patience) + patience;
        if now < due {
            return due;
        }
        // Something that was sent later came back: that says "this command", not "this path". A probe asks the path.
        let passed_at = self.paths[usize::from(path)].passed_at;
        if self.oldest_since(path, passed_at) == Instant::MAX {
            self.probe(now, path, out);
            return now + patience;
        }
        self.suspect(now, path, out);
        out.push(Action::Peer(PeerMessage::Suspect { path: PathId(path) }));
        now + self.patience(path, times::PROBE_FLOOR)
    }

    fn suspect(&mut self, now: Instant, path: u16, out: &mut Actions) {
        self.paths[usize::from(path)].suspect_at = now;
        self.set_health(path, Health::Suspect, out);
        self.refresh_paths(now, out);
        self.probe(now, path, out);
        // A question that is answered beside the queue of I/O: it tells a path that is slow from one that is silent.
        self.ask_states(now, path, out);
        for q in self.path_indices() {
            if q != path && self.paths[usize::from(q)].last_heard < now {
                self.probe(now, q, out);
            }
        }
    }

    fn judge_suspect(&mut self, now: Instant, path: u16, out: &mut Actions) -> Instant {
        let p = &self.paths[usize::from(path)];
        let asked = p
            .probe
            .map_or(p.suspect_at, |_| p.probe_at.max(p.suspect_at));
        // After silence everywhere has ended each path is given its time again: answers come one after the other.
        // And as long as the answer that ended it took, both ways: all paths may have become slow at once.
        let patience = self.patience(path, times::PROBE_FLOOR);
        let witness = Duration(self.answers_took.0.saturating_mul(2)).min(times::WITNESS_MAX);
        let asked = self.counted_from(asked, patience);
        let due = (asked + patience).max(self.answers_since + witness.max(patience));
        if now < due {
            return due;
        }
        // The probe waits behind what is out; and where the path answers what waits behind nothing, its commands are
        // somewhere: held, or behind those of others. It is asked again and again, for as long as it answers; in
        // quarantine a path earns no such patience.
        let patience = self.patience_with(path, times::PROBE_FLOOR);
        let p = &self.paths[usize::from(path)];
        let question = p.asked_at.unwrap_or(asked);
        let end = asked + patience + times::TOLD_EXTRA;
        let due = question.max(asked) + patience;
        if now < due {
            return due;
        }
        let told = p.told_at > p.suspect_at && p.told_at >= question;
        if told && !p.quarantined && now < end {
            self.ask_states(now, path, out);
            return end.min(now + patience);
        }
        let suspect_at = p.suspect_at;
        let sibling_answers = self.path_indices().any(|q| {
            let other = &self.paths[usize::from(q)];
            q != path && other.link == Link::Up && other.last_heard > suspect_at
        });
        if sibling_answers || self.config.mutant(Mutant::TakesStallForLoss) {
            self.lose(now, path, LossCause::Silence, out);
            return Instant::MAX;
        }
        for q in self.path_indices() {
            self.probe(now, q, out);
        }
        now + times::RECHECK
    }

    /// A sibling shard hears nothing on this path: ask ours at once.
    pub(super) fn told_suspect(&mut self, now: Instant, path: PathId, out: &mut Actions) {
        if usize::from(path.0) < self.paths.len() {
            self.probe(now, path.0, out);
        }
    }
}

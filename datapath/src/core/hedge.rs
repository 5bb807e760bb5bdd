//! Reads that are sent twice. One that has been out for longer than its path's own tail (the longest latency lately), while another path answers
//! what was sent later, is sent a second time on that other path: silence on a path costs a read a millisecond or
//! two instead of the time that a verdict takes. The first success is the request's. The other attempt becomes an *orphan*: it
//! stays in flight, so that its path is judged by it, until its own answer or the end of its association; what it
//! answers is evidence of its path and nothing else. Writes are never sent twice.
//!
//! * Each attempt has its own ticket and its own buffer. Of a request in several commands, which share a buffer, no command is
//!   hedged: what moves more than the transfer limit is not worth a copy of the rest.
//! * A failure of one attempt leaves the other to finish, unless the status is final for the command.
//! * A budget (a share of the I/Os; what is not used is saved for all reads of a path that falls silent) bounds what it may
//!   cost the array, from the first I/O on.
//!   It is one for the shard: a volume in trouble may use what others have saved.
//! * Slowness of everything is no reason: the other path must have answered something that was sent after the read, owe
//!   nothing for longer than its own tail, be no worse in access or health, and promise an answer in less than half the time
//!   that the read has waited. Neither is this loop's own lateness.
//! * A path with nothing out, which has answered nothing lately, is asked by a probe first.
//!
//! Nothing here is per I/O: lists of commands in flight are in the order in which they were sent, so that one look at the oldest of
//! each path says when to look again.

use super::api::{Action, Event, Ticket};
use super::mutant::Mutant;
use super::path::{Health, Link};
use super::policy::View;
use super::slots::{NONE, State};
use super::verdict::Verdict;
use super::{Actions, Core, times};
use protocol::{Access, Duration, Instant, Op, PathId};

/// So many reads may be hedged at once after a time without: all that one path carries, as a rule.
pub(super) const BURST: usize = 64;
/// What one costs; each I/O earns `permille`. A little more than a thousand, so that the share is never quite reached.
const PRICE: u64 = 1001;
const CREDIT_MAX: u64 = BURST as u64 * PRICE;

#[derive(Debug)]
pub(super) struct Hedges {
    permille: u64,
    credit: u64,
    /// I/Os so far, and how many of them are in the credit.
    pub(super) ios: u64,
    counted: u64,
    /// When the latest silence everywhere was over: waiting is counted from here.
    pub(super) sound_since: Instant,
    /// The present look comes late: answers may wait behind it. The one after it is made in any case.
    late: bool,
}

impl Hedges {
    pub(super) fn new(permille: u32, now: Instant) -> Hedges {
        Hedges {
            permille: u64::from(permille),
            credit: 0,
            ios: 0,
            counted: 0,
            sound_since: now,
            late: false,
        }
    }

    fn may_spend(&mut self, price: u64) -> bool {
        let earned = (self.ios - self.counted).saturating_mul(self.permille);
        self.counted = self.ios;
        self.credit = self.credit.saturating_add(earned).min(CREDIT_MAX);
        self.credit >= price
    }
}

/// What may carry a second attempt now.
enum Other {
    Path(u16),
    /// Nothing was heard of it since the read was sent: it is to be asked.
    Quiet(u16),
    None,
}

impl Core {
    fn hedge_after(&self, path: u16) -> Duration {
        self.views[usize::from(path)].tail.max(times::HEDGE_FLOOR)
    }

    /// When to look at a path that was idle and has just been sent something.
    #[inline]
    pub(super) fn first_look(&self, path: u16) -> Duration {
        let patience = self.patience(path, times::SILENCE_FLOOR);
        match self.hedges.permille {
            0 => patience,
            _ => patience.min(self.hedge_after(path)),
        }
    }

    /// A deadline is being served: was it long ago?
    pub(super) fn note_late(&mut self, now: Instant) {
        self.hedges.late = !self.hedges.late && now > self.wake + times::HEDGE_EVERY;
    }

    /// Looks for reads of this path to send a second time; returns when to look again.
    pub(super) fn judge_reads(&mut self, now: Instant, path: u16, out: &mut Actions) -> Instant {
        let p = usize::from(path);
        if self.hedges.permille == 0 || self.paths[p].link != Link::Up {
            return Instant::MAX;
        }
        let after = self.hedge_after(path);
        let since = self.resumed_at.max(self.hedges.sound_since);
        let mut next = Instant::MAX;
        let mut s = self.paths[p].inflight.head;
        while s != NONE {
            let waits_since = self.slots[s].sent_at.max(since);
            if now < waits_since + after {
                next = next.min(waits_since + after);
                break;
            }
            if self.may_be_hedged(s) {
                let waited = now.since(waits_since);
                if !self.hedge_one(now, s, waited, out) {
                    next = next.min(now + Duration(waited.0 / 4));
                }
            }
            s = self.slots.after(s);
        }
        next.max(now + times::HEDGE_EVERY)
    }

    fn may_be_hedged(&self, s: u32) -> bool {
        let slot = &self.slots[s];
        let cold = self.slots.cold(s);
        let hedged = slot.touched && (cold.hedged || cold.again);
        let write = slot.op.mutates() && self.config.mutant(Mutant::HedgesWrites);
        (slot.op == Op::Read || write)
            && slot.state == State::InFlight
            && !hedged
            && self.requests.get(slot.request).blocks == slot.blocks
    }

    /// False: not now, for want of a path or of budget.
    fn hedge_one(&mut self, now: Instant, s: u32, waited: Duration, out: &mut Actions) -> bool {
        let price = self.price_of(s);
        let spends = self.config.mutant(Mutant::HedgesWithoutBudget);
        if self.hedges.late || !self.hedges.may_spend(price) && !spends {
            return false;
        }
        match self.other_path(now, s, waited) {
            Other::Path(to) => {
                self.hedges.credit = self.hedges.credit.saturating_sub(price);
                self.hedge(now, s, to, out);
                true
            }
            Other::Quiet(path) => {
                let probe_at = self.paths[usize::from(path)].probe_at;
                if probe_at == Instant::MAX || now >= probe_at + times::RECHECK {
                    self.probe(now, path, out);
                }
                false
            }
            Other::None => false,
        }
    }

    /// A read that is larger than what its path carries as a rule costs accordingly more.
    fn price_of(&self, s: u32) -> u64 {
        let usual = self.views[usize::from(self.slots[s].path)].usual_work();
        let own = u64::from(View::work_of(1, self.bytes_of(s)));
        (PRICE * own / usual).max(PRICE)
    }

    /// The path of the volume's best that is expected to answer soonest, if that is clearly sooner.
    fn other_path(&self, now: Instant, s: u32, waited: Duration) -> Other {
        let slot = &self.slots[s];
        let v = usize::from(slot.volume.0);
        let barred = match slot.touched {
            true => self.slots.cold(s).tried | self.slots.cold(s).forbidden,
            false => 0,
        };
        let own = View::work_of(1, self.bytes_of(s));
        let optimized = |q: u16| self.pv(q, v).access == Access::Optimized;
        let (mut best, mut soonest) = (Other::None, waited.0 / 2);
        let mut proven = false;
        for &q in &self.volumes[v].candidates {
            let (p, view) = (&self.paths[usize::from(q)], &self.views[usize::from(q)]);
            let sound = p.health != Health::Suspect && !p.quarantined && view.known;
            let worse = optimized(slot.path) && !optimized(q);
            if q == slot.path || barred & (1 << q) != 0 || !sound || worse {
                continue;
            }
            let answers = p.passed_at >= slot.sent_at;
            let promised = view.expected(own).0;
            if now > view.overdue_at || promised > waited.0 / 2 || proven && !answers {
                continue;
            }
            if answers && !proven || promised < soonest {
                soonest = promised;
                best = match answers {
                    true => Other::Path(q),
                    false => Other::Quiet(q),
                };
            }
            proven |= answers;
        }
        best
    }

    fn hedge(&mut self, now: Instant, s: u32, to: u16, out: &mut Actions) {
        let slot = &self.slots[s];
        let (request, op, volume, lba, blocks) =
            (slot.request, slot.op, slot.volume, slot.lba, slot.blocks);
        let (from, offset) = (slot.path, slot.buf_offset);
        let twin = self.slots.insert(request, op, volume, lba, blocks);
        self.slots[twin].buf_offset = offset;
        let cold = self.slots.cold_mut(s);
        let mut copy = *cold;
        (cold.twin, cold.hedged) = (twin, true);
        copy.twin = s;
        *self.slots.cold_mut(twin) = copy;
        self.send(now, twin, to, true, out);
        self.slots.cold_mut(twin).hedged = true;
        out.event(Event::Hedge {
            from: PathId(from),
            to: PathId(to),
            ticket: self.slots.ticket(twin),
        });
    }

    /// The attempt with this ticket has the request's answer, be it a final error. Its twin is an orphan from now on.
    pub(super) fn won(&mut self, ticket: Ticket, out: &mut Actions) {
        let s = ticket.slot;
        let twin = std::mem::replace(&mut self.slots.cold_mut(s).twin, NONE);
        if twin != NONE {
            self.orphan(twin);
        }
        if !std::mem::take(&mut self.slots.cold_mut(s).own_buffer) {
            return;
        }
        let request = self.slots[s].request;
        let cookie = self.requests.get(request).cookie();
        if !self.config.mutant(Mutant::ForgetsAdoption) {
            out.push(Action::Adopt { ticket, cookie });
        }
        let path = PathId(self.slots[s].path);
        out.event(Event::HedgeWon { path, ticket });
    }

    fn orphan(&mut self, s: u32) {
        self.slots.cold_mut(s).twin = NONE;
        if self.config.mutant(Mutant::BelievesLoser) {
            return;
        }
        let slot = &mut self.slots[s];
        slot.state = State::Orphan;
        slot.request = NONE;
    }

    /// An orphan was answered: that was its end. What it says of its path was noted.
    pub(super) fn orphan_over(&mut self, ticket: Ticket, out: &mut Actions) {
        let path = PathId(self.slots[ticket.slot].path);
        self.slots.remove(ticket.slot);
        out.event(Event::StaleCompletion { path, ticket });
    }

    /// An attempt was refused. True: nothing is to be done about that, because another attempt is out, or the request is over.
    pub(super) fn leaves_to_twin(
        &mut self,
        now: Instant,
        ticket: Ticket,
        verdict: Verdict,
        out: &mut Actions,
    ) -> bool {
        let s = ticket.slot;
        let slot = &self.slots[s];
        let (path, about) = (slot.path, (slot.volume, slot.sent_at));
        if slot.state == State::Orphan {
            self.orphan_over(ticket, out);
            if matches!(verdict, Verdict::Ambiguous { blame: true }) {
                self.path_error(now, path, out);
            }
            self.note_refusal(now, path, about, verdict, out);
            return true;
        }
        let cold = *self.slots.cold(s);
        if cold.twin == NONE {
            return false;
        }
        match verdict {
            // The request is over, and the buffer of the first attempt with it.
            Verdict::Done | Verdict::Fatal(_) => {
                self.won(ticket, out);
                return false;
            }
            _ => {}
        }
        let bit = 1u128 << path;
        let left = self.slots.cold_mut(cold.twin);
        left.twin = NONE;
        left.sent = true;
        left.refused_at = left.refused_at.min(cold.refused_at).min(now);
        left.tried |= bit;
        match verdict {
            Verdict::RetryElsewhere { forbid: true, .. } | Verdict::Access { forbid: true, .. } => {
                left.forbidden |= bit;
            }
            Verdict::Ambiguous { blame } => {
                left.ambiguous += 1;
                left.blamed |= if blame { bit } else { 0 };
            }
            _ => {}
        }
        self.slots.remove(s);
        self.note_refusal(now, path, about, verdict, out);
        true
    }

    /// An attempt was lost with its path. True: another is out, or the request is over.
    pub(super) fn lost_to_twin(&mut self, now: Instant, s: u32) -> bool {
        let cold = *self.slots.cold(s);
        let orphan = self.slots[s].state == State::Orphan;
        if !orphan && cold.twin == NONE {
            return false;
        }
        if !orphan {
            let left = self.slots.cold_mut(cold.twin);
            left.twin = NONE;
            left.losses = left.losses.max(cold.losses).saturating_add(1);
            left.first_lost_at = left.first_lost_at.min(cold.first_lost_at).min(now);
        }
        self.slots.remove(s);
        true
    }
}

//! Two sources tell of access: announcements (and answers to the question for the states), and the statuses of commands.
//! An array that says "optimised" when it is asked and "in transition" when it is used would have each command sent again
//! as soon as the question is answered, thousands of times a second. So a path whose answer contradicts what it had
//! announced, for the second time and with little served between, is not believed for a moment, then for twice as long each
//! time; then it is asked anew. An announcement that forbids I/O is believed at once, always.

use super::{Actions, Core, times};
use protocol::{Access, Duration, Instant, VolumeId};

/// A path that has served this many commands since its latest contradiction starts anew.
const SERVED: u32 = 16;

impl Core {
    /// An announcement, or the answer to a question for the states.
    pub(super) fn access_announced(
        &mut self,
        now: Instant,
        path: u16,
        volume: VolumeId,
        access: Access,
        out: &mut Actions,
    ) {
        if !self.knows(path, volume) {
            return;
        }
        self.paths[usize::from(path)].told_at = now;
        let pv = self.pv_mut(path, usize::from(volume.0));
        let believe_at = pv.believe_at;
        if access.accessible() && now < believe_at {
            return self.ask_at(path, believe_at);
        }
        pv.announced_at = now;
        self.access_told(now, path, volume, access, out);
    }

    /// A command that was sent at `sent_at` was answered with an access state.
    pub(super) fn access_answered(
        &mut self,
        now: Instant,
        path: u16,
        volume: VolumeId,
        access: Access,
        sent_at: Instant,
        out: &mut Actions,
    ) {
        let served = self.paths[usize::from(path)].served;
        let pv = self.pv_mut(path, usize::from(volume.0));
        // What was under way when the state was announced contradicts nothing.
        if pv.access.accessible() && !access.accessible() && sent_at >= pv.announced_at {
            let little = served.wrapping_sub(pv.served) < SERVED;
            pv.contradictions = if little { pv.contradictions + 1 } else { 1 };
            pv.served = served;
            // The first may be a state that has changed just now.
            if pv.contradictions > 1 {
                let doubled = times::DISTRUST.0 << (pv.contradictions - 2).min(16);
                pv.believe_at = now + Duration(doubled).min(times::DISTRUST_MAX);
            }
        }
        self.access_told(now, path, volume, access, out);
    }
}

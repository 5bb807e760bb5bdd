//! The one trait between the core and what carries its actions out: io_uring in production, virtual time in the harness.
//! Statically dispatched, so that both run the same machine code of the core.

use crate::core::{
    Action, Actions, BufId, Epoch, Event, Outcome, PeerMessage, ShadowAction, Ticket,
};
use protocol::{Instant, Op, PathId, VolumeId};

/// One command for a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Issue {
    pub path: PathId,
    pub ticket: Ticket,
    pub volume: VolumeId,
    pub op: Op,
    pub lba: u64,
    pub blocks: u32,
    pub fua: bool,
    pub buf: BufId,
    /// In blocks from the start of the request's buffer.
    pub buf_offset: u32,
    pub cookie: u64,
    /// A second attempt, for a buffer of its own.
    pub hedge: bool,
}

/// What a driver must be able to do. After `disconnect`, and after it has reported a connection as broken or refused,
/// a driver never again touches a buffer on behalf of that epoch: the core hands buffers to other paths on that word.
/// Nothing recalls a command from a kernel block path, so a driver of one keeps that word by giving the request another
/// buffer when it is sent again, and parks the old one until its command returns.
pub trait Ring {
    fn issue(&mut self, now: Instant, issue: Issue);
    fn probe(&mut self, now: Instant, path: PathId, ticket: Ticket, volume: VolumeId);
    /// Ends the request; its buffer is free again.
    fn complete(&mut self, now: Instant, cookie: u64, outcome: Outcome);
    /// The data of a hedge that was just answered are the request's: so is its buffer, instead of the one before.
    fn adopt(&mut self, now: Instant, ticket: Ticket, cookie: u64);
    /// The attempt is given up while its association lives: see [`Action::Abandon`].
    fn abandon(&mut self, now: Instant, path: PathId, ticket: Ticket);
    fn connect(&mut self, now: Instant, path: PathId, epoch: Epoch);
    fn disconnect(&mut self, now: Instant, path: PathId, epoch: Epoch);
    fn fence(&mut self, now: Instant, via: PathId, target: PathId, epoch: Epoch);
    fn refresh(&mut self, now: Instant, path: PathId);
    fn peer(&mut self, now: Instant, message: PeerMessage);
    /// Copies of data that are kept for all shards of the host. Only under `fence = "shadow"`, and there only inside the window: it may take
    /// a lock.
    fn shadow(&mut self, now: Instant, action: ShadowAction);
    fn event(&mut self, now: Instant, event: Event);
}

/// Carries out the actions in their order and leaves the list empty.
#[inline]
pub fn carry_out<R: Ring>(ring: &mut R, now: Instant, actions: &mut Actions) {
    // Read where they are: an action is large, most of it another kind's.
    for action in actions.as_slice() {
        match *action {
            Action::Issue {
                path,
                ticket,
                volume,
                op,
                lba,
                blocks,
                fua,
                buf,
                buf_offset,
                cookie,
                hedge,
            } => ring.issue(
                now,
                Issue {
                    path,
                    ticket,
                    volume,
                    op,
                    lba,
                    blocks,
                    fua,
                    buf,
                    buf_offset,
                    cookie,
                    hedge,
                },
            ),
            Action::Complete { cookie, outcome } => ring.complete(now, cookie, outcome),
            Action::Adopt { ticket, cookie } => ring.adopt(now, ticket, cookie),
            Action::Abandon { path, ticket } => ring.abandon(now, path, ticket),
            Action::Connect { path, epoch } => ring.connect(now, path, epoch),
            Action::Disconnect { path, epoch } => ring.disconnect(now, path, epoch),
            Action::Probe {
                path,
                ticket,
                volume,
            } => ring.probe(now, path, ticket, volume),
            Action::Fence { via, target, epoch } => ring.fence(now, via, target, epoch),
            Action::Refresh { path } => ring.refresh(now, path),
            Action::Peer(message) => ring.peer(now, message),
            Action::Shadow(action) => ring.shadow(now, action),
            Action::Event(event) => ring.event(now, event),
        }
    }
    actions.clear();
}

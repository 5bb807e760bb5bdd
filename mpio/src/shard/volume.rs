//! One volume as one shard has it, beside its core.

use super::driver::Attempt;
use super::paths::{BlockPath, Shown};
use super::reset::Reset;
use super::shadows::Laid;
use crate::front::Queue;
use crate::seen::{Notes, Served};
use crate::untold::Word;
use datapath::core::{Input, Ticket};
use protocol::{Access, Identity, Instant, PathId, VolumeId};
use std::collections::VecDeque;

/// One volume as the shard has it, beside its core.
pub struct VolumeIo {
    pub index: u16,
    pub queue: Queue,
    /// The shard's number of the queue's first tag.
    pub first_tag: u32,
    pub paths: Vec<BlockPath>,
    pub block_bytes: u32,
    pub bytes: u64,
    /// Whom a device without an identity passes for; `None`: for nobody.
    pub unnamed: Option<Identity>,
    /// Answers that the core has not been given yet.
    pub pending: VecDeque<Input>,
    /// Tags whose request is over, with its result, and that wait for a buffer to go on with.
    pub unbuffered: Vec<(u16, i32)>,
    /// Tags whose request has not begun, for want of a buffer.
    pub(super) waiting: VecDeque<u16>,
    /// Buffers that tags of it have for a time.
    pub(super) borrowed: u32,
    /// Of these, what nobody else may keep from it.
    pub(super) part: u32,
    /// Tags that the kernel has taken back: the device stops.
    pub aborted: u16,
    /// What the kernel asks from now on is for the next daemon: it is asked again when this one's queue is gone.
    pub letting_go: bool,
    pub served: Served,
    pub notes: Notes,
    pub(super) tags: Vec<Tag>,
    /// Buffers that a command which was given up may still touch.
    pub parked: u32,
    pub hedges_issued: u64,
    pub hedges_won: u64,
    pub reset: Reset,
    /// A failed flush that is still to be told, on disk.
    pub word: Word,
    /// A hedge that came back, and its buffer.
    pub(super) landed: Option<(Ticket, u32)>,
    /// Parts of shadows that go into tags' buffers when their requests end.
    pub(super) laid: Vec<Laid>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) free: Vec<u32>,
}

/// What the kernel asks under one tag.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    /// When it asked.
    pub at: Instant,
    /// A command has had the application's own pages: none has them again.
    pub lent: bool,
    /// Commands that have them now. The request cannot end before they are back.
    pub lent_out: u32,
    /// The request is over but for that, with this result.
    pub held: Option<i32>,
}

impl VolumeIo {
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        index: u16,
        queue: Queue,
        first_tag: u32,
        paths: Vec<BlockPath>,
        block_bytes: u32,
        bytes: u64,
        unnamed: Option<Identity>,
        notes: Notes,
    ) -> VolumeIo {
        let room = usize::from(queue.depth) * 3;
        VolumeIo {
            index,
            queue,
            first_tag,
            paths,
            block_bytes,
            bytes,
            unnamed,
            pending: VecDeque::with_capacity(room),
            unbuffered: Vec::with_capacity(room),
            waiting: VecDeque::with_capacity(room),
            borrowed: 0,
            part: 1,
            aborted: 0,
            letting_go: false,
            served: Served::default(),
            notes,
            tags: vec![
                Tag {
                    at: Instant::ZERO,
                    lent: false,
                    lent_out: 0,
                    held: None
                };
                room / 3
            ],
            parked: 0,
            hedges_issued: 0,
            hedges_won: 0,
            reset: Reset::default(),
            word: Word::default(),
            landed: None,
            laid: Vec::new(),
            attempts: Vec::with_capacity(room),
            free: Vec::with_capacity(room),
        }
    }

    pub(super) fn broken(&mut self, path: u16) {
        let p = &mut self.paths[usize::from(path)];
        let epoch = p.epoch;
        if p.broken.replace(epoch) == Some(epoch) {
            return;
        }
        self.pending.push_back(Input::Broken {
            path: PathId(path),
            epoch,
        });
        let proof = self.paths[usize::from(path)].lost(PathId(path), epoch);
        self.pending.extend(proof);
    }

    /// Who the device says it is, and how large it is.
    pub(super) fn tell_identity(&mut self, path: u16, shown: Shown) {
        self.pending.push_back(Input::Identity {
            path: PathId(path),
            volume: VolumeId(0),
            identity: shown.identity.or(self.unnamed).filter(|_| shown.bytes > 0),
            blocks: shown.bytes / u64::from(self.block_bytes),
        });
    }

    pub(super) fn tell_access(&mut self, path: u16, access: Access) {
        self.pending.push_back(Input::Access {
            path: PathId(path),
            volume: VolumeId(0),
            access,
        });
    }

    pub(super) fn stands(&mut self, path: u16) {
        let p = &mut self.paths[usize::from(path)];
        p.ever_up = true;
        let (shown, epoch) = (p.shown, p.epoch);
        self.tell_identity(path, shown);
        // Without access states every path is optimised.
        self.tell_access(path, shown.access.unwrap_or(Access::Optimized));
        self.pending.push_back(Input::Connected {
            path: PathId(path),
            epoch,
        });
    }
}

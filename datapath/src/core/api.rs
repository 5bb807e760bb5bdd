//! The seam: what a driver tells the core and what the core answers. Plain data, no pointers.
//!
//! One core is one shard of one host. A driver (io_uring, or virtual time) reads the clock once per batch, hands each
//! input to [`Core::handle`](super::Core::handle), and carries out the actions in their order.

use protocol::{Access, Duration, Identity, Instant, Op, PathId, Status, VolumeId};

/// Names a buffer of the driver's pool. The core never sees a byte.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct BufId(pub u32);

/// Names one attempt: a slot of the core's attempt table and the generation that the slot had.
/// A completion whose generation is old is counted, releases its buffer, and is never believed as a result.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ticket {
    pub slot: u32,
    pub generation: u32,
}

/// Names a shadow (see `fence = "shadow"`). Ordered by age: the younger one is the greater.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ShadowId {
    /// Above that of every shadow that its shard had heard of.
    pub seq: u64,
    /// Whose it is.
    pub shard: u16,
}

/// The generation of one path's association (NVMe: controller association; SCSI: I_T nexus or open file).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Epoch(pub u32);

/// One I/O of an application.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    pub volume: VolumeId,
    pub op: Op,
    /// In the volume's blocks.
    pub lba: u64,
    pub blocks: u32,
    pub fua: bool,
    /// Do not queue while no path is usable (REQ_FAILFAST_TRANSPORT). Where a lost write is held (`fence = "hold"`), it is so no longer than the
    /// array that was asked may take to confirm that its association is over, and not at all where nobody can be asked.
    pub failfast: bool,
    pub buf: BufId,
    /// Given back in the completion.
    pub cookie: u64,
}

/// What an application is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Ok,
    /// A positive errno that ublk passes through (`block/blk-core.c`, `blk_errors`).
    Errno(i32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    Submit(Request),
    /// An attempt was answered.
    Done {
        path: PathId,
        ticket: Ticket,
        status: Status,
    },
    /// The connection asked for by `Action::Connect` stands: with the identity and the access state that each volume
    /// showed on it (sent as separate inputs before this one).
    Connected {
        path: PathId,
        epoch: Epoch,
    },
    /// The connection could not be made.
    Refused {
        path: PathId,
        epoch: Epoch,
    },
    /// A standing connection broke with an error (RST, FIN, ENODEV).
    Broken {
        path: PathId,
        epoch: Epoch,
    },
    /// Access of a volume on a path, from the log page or an announcement.
    Access {
        path: PathId,
        volume: VolumeId,
        access: Access,
    },
    /// What a volume's namespace on this path says it is; `None`: it is not there.
    Identity {
        path: PathId,
        volume: VolumeId,
        identity: Option<Identity>,
        blocks: u64,
    },
    /// Association `epoch` of `path` is proven gone, with all its writes: the array confirmed it, or, on a kernel block
    /// path, the driver saw each of its writes return, or opened the device exclusively after a crash.
    FenceConfirmed {
        path: PathId,
        epoch: Epoch,
    },
    /// The fence command could not be carried out over the path that it was sent on.
    FenceFailed {
        path: PathId,
        epoch: Epoch,
    },
    /// A probe on the data path was answered.
    ProbeDone {
        path: PathId,
        ticket: Ticket,
        status: Status,
    },
    /// Operator: the path joins or leaves.
    AddPath {
        path: PathId,
    },
    RemovePath {
        path: PathId,
    },
    /// Operator: how the path may be used. `Absent` is the same as `RemovePath`; a path that is absent stays so.
    Admin {
        path: PathId,
        admin: super::path::Admin,
    },
    /// Operator: take the size that the paths show, also where it is smaller. Growth needs no such word.
    TakeSize {
        volume: VolumeId,
    },
    /// Operator: fail everything that is queued for want of a path.
    FailQueued {
        volume: VolumeId,
    },
    /// A message of a sibling shard.
    Peer(PeerMessage),
}

/// What shards tell each other. Delivered through the driver, which may delay it, but keeps what one shard tells another
/// in order, and loses and repeats nothing; and what paths have answered before a message came is handled before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerMessage {
    /// The sibling hears nothing on this path: probe yours now.
    Suspect { path: PathId },
    /// A write of the sibling was lost, and an attempt of it may still execute: until `Closed` or `Ended`, hold every
    /// write that overlaps it. To be answered with `DoubtNoted`; the sibling sends the write again, or tells its
    /// application that it failed, only then.
    InDoubt {
        shard: u16,
        ticket: Ticket,
        volume: VolumeId,
        lba: u64,
        blocks: u32,
        path: PathId,
        epoch: Epoch,
        /// Its association stands: the attempt alone was given up.
        alone: bool,
    },
    /// A write of the sibling that says so waits for an attempt which the named shard has given up on an association that stands: to be
    /// ended, if that would prove anything.
    Waits {
        shard: u16,
        path: PathId,
        epoch: Epoch,
    },
    /// The range is in the table of the shard that answers. `overlaps`: a write of its own that was already sent and is
    /// not completed overlaps it.
    DoubtNoted {
        shard: u16,
        ticket: Ticket,
        overlaps: bool,
    },
    /// One attempt of the sibling is over: the one that it announced with this ticket.
    Ended { shard: u16, ticket: Ticket },
    /// A flush of the sibling was answered with a failure: what this shard has of the volume that is answered and not
    /// completed must be written again. To be answered with `FlushNoted`; the sibling tells its application only then.
    FlushFailed {
        shard: u16,
        ticket: Ticket,
        volume: VolumeId,
    },
    /// The shard that answers has noted the failed flush of the one that is named.
    FlushNoted { shard: u16, ticket: Ticket },
    /// What becomes of a shadow of the sibling. `Note`, `Quiet` and `Drop` are to be answered with `ShadowNoted`.
    Shadow {
        step: ShadowStep,
        id: ShadowId,
        volume: VolumeId,
        lba: u64,
        blocks: u32,
    },
    /// The shard that answers has done what this step of the shadow asks for.
    ShadowNoted { step: ShadowStep, id: ShadowId },
    /// A shard of a recovered daemon has proven gone all that its predecessor's shard may have left behind. No shard
    /// writes before each has said so.
    GateOpen { shard: u16 },
    /// The sibling's association is proven gone, with all its attempts.
    Closed {
        shard: u16,
        path: PathId,
        epoch: Epoch,
    },
}

/// The steps of a shadow, as siblings hear of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShadowStep {
    /// It is about to be shown: read nothing there until it is.
    Note,
    /// It is shown.
    Open,
    /// It is about to be written once more: send no new write there, and say when none that you sent is uncompleted. The number
    /// tells one attempt at that from the next.
    Quiet(u32),
    /// The media hold what it shows: forget it.
    Drop,
    /// Nobody shows it any more, or it is not written yet: write there again.
    Free,
}

impl PeerMessage {
    /// The one shard that the message is for; `None`: every sibling.
    pub fn to(&self) -> Option<u16> {
        match *self {
            PeerMessage::DoubtNoted { shard, .. }
            | PeerMessage::FlushNoted { shard, .. }
            | PeerMessage::Waits { shard, .. } => Some(shard),
            PeerMessage::ShadowNoted { id, .. } => Some(id.shard),
            _ => None,
        }
    }
}

/// What a driver must do for shadows: copies of data that it keeps where every shard of the host can read them, each until every
/// shard has said that it is free. Offsets and lengths are in blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShadowAction {
    /// Copy a part of a write's buffer: it is the shadow's data, and does not change.
    Keep {
        id: ShadowId,
        cookie: u64,
        buf_offset: u32,
        blocks: u32,
    },
    /// Reads of the host see the shadow from here on, where no younger one is seen. Nothing to do: it is said for whoever judges.
    Show {
        id: ShadowId,
        volume: VolumeId,
        lba: u64,
        blocks: u32,
    },
    /// Copy a part of the shadow's data, from `offset`, into a read's buffer.
    Fill {
        id: ShadowId,
        offset: u32,
        cookie: u64,
        buf_offset: u32,
        blocks: u32,
    },
    /// Write a part of the shadow's data, from `offset`. Answered as every attempt is; no request has this cookie.
    Write {
        id: ShadowId,
        offset: u32,
        path: PathId,
        ticket: Ticket,
        volume: VolumeId,
        lba: u64,
        blocks: u32,
        fua: bool,
        cookie: u64,
    },
    /// The media hold what the shadow shows, and reads see them again. Nothing to do: it is said for whoever judges.
    Hide {
        id: ShadowId,
        volume: VolumeId,
        lba: u64,
        blocks: u32,
    },
    /// This shard names the shadow no more.
    Free { id: ShadowId },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send a command. `buf_offset` is in blocks from the start of the request's buffer. A `hedge` is a second attempt of
    /// a read while the first is out: the driver gives it a buffer of its own (in zero copy a bounce buffer).
    Issue {
        path: PathId,
        ticket: Ticket,
        volume: VolumeId,
        op: Op,
        lba: u64,
        blocks: u32,
        fua: bool,
        buf: BufId,
        buf_offset: u32,
        cookie: u64,
        hedge: bool,
    },
    /// The answer that was just told is the request's, and it is a hedge's: the attempt's own buffer becomes the request's.
    /// The one before it stays parked until no command that is out names it. Said right before `Complete`.
    Adopt {
        ticket: Ticket,
        cookie: u64,
    },
    /// The one completion of a request.
    Complete {
        cookie: u64,
        outcome: Outcome,
    },
    Connect {
        path: PathId,
        epoch: Epoch,
    },
    /// This attempt is given up while its association lives, and it may still be answered. Nothing recalls it: its buffer stays parked until it is
    /// answered or its association ends. The request goes on with another buffer if it is a read, which is never one of several
    /// commands; and leaves the buffer behind with its completion if it is not.
    Abandon {
        path: PathId,
        ticket: Ticket,
    },
    /// Close the connection at our end.
    Disconnect {
        path: PathId,
        epoch: Epoch,
    },
    /// Read one block of `volume` on the data path and check its identity.
    Probe {
        path: PathId,
        ticket: Ticket,
        volume: VolumeId,
    },
    /// Ask the array, over `via`, to end association `epoch` of `target` (NVMe TP8028 cross-controller reset).
    Fence {
        via: PathId,
        target: PathId,
        epoch: Epoch,
    },
    /// Read the access state of every volume on this path (NVMe ANA log page, SCSI REPORT TARGET PORT GROUPS): comes
    /// back as `Input::Access`.
    Refresh {
        path: PathId,
    },
    /// To every sibling shard of this host, or to the one that [`PeerMessage::to`] names.
    Peer(PeerMessage),
    Shadow(ShadowAction),
    Event(Event),
}

/// Typed events: one definition feeds metrics, logs, checkers and reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Link {
        path: PathId,
        from: super::path::Link,
        to: super::path::Link,
    },
    Health {
        path: PathId,
        from: super::path::Health,
        to: super::path::Health,
    },
    Admin {
        path: PathId,
        from: super::path::Admin,
        to: super::path::Admin,
    },
    Access {
        path: PathId,
        volume: VolumeId,
        from: Access,
        to: Access,
    },
    Identity {
        path: PathId,
        volume: VolumeId,
        wrong: bool,
    },
    /// The volume has another size, in blocks: every path that carries its I/O shows so many, or the operator took them.
    Resized {
        volume: VolumeId,
        from: u64,
        to: u64,
    },
    /// The path's derived `usable` changed for this volume.
    Usable {
        path: PathId,
        volume: VolumeId,
        usable: bool,
    },
    /// Verdict "path lost" with `attempts` attempts to redo (or redone already: reads that were sent a second time);
    /// `first_hit` is when the first of them was sent into the void.
    Lost {
        path: PathId,
        cause: LossCause,
        attempts: u32,
        first_hit: Instant,
    },
    /// An attempt that was lost with its path was sent again (one that a path refused is not told here).
    Redispatch {
        from: PathId,
        to: PathId,
        ticket: Ticket,
        lost_at: Instant,
    },
    /// An attempt exceeded the hard limit, while its path answered what was sent later: it is given up alone.
    AttemptLost {
        path: PathId,
        ticket: Ticket,
        sent_at: Instant,
    },
    /// A read was sent a second time while its first attempt is out.
    Hedge {
        from: PathId,
        to: PathId,
        ticket: Ticket,
    },
    /// The second attempt of a read was answered first.
    HedgeWon {
        path: PathId,
        ticket: Ticket,
    },
    /// A new path of the host to an array port: register it with the array.
    Register {
        path: PathId,
    },
    NoPath {
        volume: VolumeId,
        queued: u32,
    },
    PathBack {
        volume: VolumeId,
        outage: Duration,
    },
    /// Queued I/O ran out of time (or loss was permanent) and was failed.
    NoPathFailed {
        volume: VolumeId,
        failed: u32,
    },
    /// A transition that the state's table does not have: a defect of the core.
    Illegal {
        path: PathId,
        what: &'static str,
    },
    /// `ranges` writes came in doubt when the path's association `epoch` was lost.
    InDoubt {
        path: PathId,
        epoch: Epoch,
        ranges: u32,
    },
    /// An association is proven gone (`by_fence`), or no longer feared (`quiesce` has passed).
    Closed {
        path: PathId,
        epoch: Epoch,
        by_fence: bool,
    },
    /// The table of ranges in doubt is full: `held` lost writes wait for the end of the association instead of being
    /// sent again at once.
    DoubtsFull {
        path: PathId,
        epoch: Epoch,
        held: u32,
    },
    /// The shadows that this shard keeps now, `bytes` of data: one more (`kept`), or one less.
    Shadows {
        kept: bool,
        count: u32,
        bytes: u64,
    },
    /// A write overlaps what is in doubt, and there is no room to keep its data: it is held as under `in_doubt`.
    ShadowsFull {
        volume: VolumeId,
        bytes: u64,
    },
    /// A write waited for the end of an attempt that was in doubt, its own or another's: it was kept from being sent, or
    /// its completion from being told.
    Held {
        ticket: Ticket,
        waited: Duration,
    },
    /// A completion with an old generation, or of a ticket that was never issued.
    StaleCompletion {
        path: PathId,
        ticket: Ticket,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LossCause {
    /// The transport said so.
    Broken,
    /// Nothing came back.
    Silence,
    /// An attempt exceeded the hard limit, and could not be given up alone.
    Timeout,
    /// The path said *transitioning* for longer than the array's limit.
    Transition,
    /// The operator had removed the path, or it was pulled, and it did not live to end what was on it.
    Removed,
}

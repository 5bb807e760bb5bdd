//! Defects to plant: each is a mistake that a multipath core could well have, put in on purpose so that a test can see
//! which rule finds it. They exist only with the feature `mutants`, which nothing but that test enables: without it
//! `has` is the constant `false`, and no trace of them is left in the code that is built.

/// Declares the defects, and the list of all of them, so that a test can see that it forgets none.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One planted defect.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name,)*];
        }
    };
}

mutants! {
    /// Whatever an answer says, it is believed to be of the command that is in its slot now.
    NoGenerationCheck,
    /// A status that is final for the command is taken for one that passes.
    RetriesFatal,
    /// A status that may be the path's or the volume's is tried again at once, on any path, without end.
    RetriesWithoutLimit,
    /// A flush that failed is reported as one that succeeded.
    SwallowsFlushError,
    /// What was answered before a flush failed, and is not completed, is not written again.
    RewritesNothing,
    /// The siblings never hear that a flush failed.
    KeepsFailureToItself,
    /// A connection that was refused is asked for again at once.
    ReconnectsAtOnce,
    /// Each command that a path refuses for its access state asks for all of them, however many do.
    AsksWithoutPause,
    /// A path that the operator has removed stays in use.
    UsesRemovedPath,
    /// Every command goes to the first volume.
    MisaddressesVolume,
    /// The second command of a large request uses the buffer from its start.
    SplitsWithoutOffset,
    /// A command that is sent again is sent without force-unit-access.
    DropsFuaOnRetry,
    /// A flush is answered without being sent.
    FlushesNothing,
    /// The slot of a command that is over is not given back.
    SlotLeak,
    /// A lost write is sent again without regard to what its first attempt may still do.
    NoFence,
    /// A path that fell silent is given up, and its connection stays open.
    KeepsConnection,
    /// The reads of a lost path are never sent again.
    ForgetsReads,
    /// A write whose path was lost is taken for done.
    BelievesLostWrites,
    /// A write whose path was lost is failed at once, and its range is open to later writes.
    FailsWithoutDoubt,
    /// Only writes are fenced: a lost discard is sent again at once.
    FencesWritesOnly,
    /// The array is asked to end the association after the lost one.
    FencesWrongEpoch,
    /// A path that is connected again is taken as a proof that its earlier association is gone.
    TrustsReconnect,
    /// Where nothing proves an association gone, it is feared for no time at all.
    FearsNothing,
    /// A lost write is sent again while the siblings are being told of its range.
    SendsBeforeNoted,
    /// A lost write is complete with its retry, whatever write of a sibling shard was under way over it.
    EntangledAlone,
    /// What waited for an attempt in doubt is not told that it is over.
    ForgetsAnswered,
    /// Sibling shards never hear that an association is gone.
    NeverTellsClosed,
    /// Whatever a path shows is taken for the volume that is configured.
    NoIdentityCheck,
    /// A changed access state is noted, and the list of paths to use stays what it was.
    StaleCandidates,
    /// The access state plays no part in what may be used.
    IgnoresAccess,
    /// Commands that waited for a path are not sent when one is back.
    LostWakeup,
    /// A request that is over still counts as one in the core.
    CounterLeak,
    /// A request that failed is completed once more.
    DoubleCompletion,
    /// A request of several commands is completed with the first of them.
    CompletesWithFirstPiece,
    /// A command that succeeds wipes out the failure of an earlier one of the same request.
    LastPieceWins,
    /// While a volume has no path, the deadline is always now.
    SpinsWithoutPath,
    /// A path in disgrace is good again after its first good probe.
    FailbackWithoutProbation,
    /// The same, and the core's own table of legal edges does not see it.
    FailbackUnreported,
    /// Nobody is told that a link is lost.
    UntoldLoss,
    /// The transport's word that a connection broke is not heard.
    IgnoresBroken,
    /// A path that the operator removes is closed with commands on it, which nobody redoes.
    RemovesWithoutDrain,
    /// A recovered daemon takes no thought of what its predecessor may have left behind.
    ForgetsPredecessor,
    /// A lost write is sent again, and sibling shards never hear of its range.
    ResendsBeforeNoted,
    /// A write is completed with its answer, whatever overlaps it and may still execute.
    CompletesEntangled,
    /// A shard says that it noted a sibling's range, and keeps no write off it.
    SiblingForgetsRange,
    /// New writes are kept off no range in doubt.
    BarsNothing,
    /// Where the table of ranges in doubt is full, a lost write is sent again at once, without its range.
    OverflowsTable,
    /// What waits for a path is failed with the next full second.
    RoundsDeadline,
    /// The time in which this loop was not scheduled counts as the paths' silence.
    CountsOwnLag,
    /// A suspect whose probe is overdue is lost, whether any other path answers or none.
    TakesStallForLoss,
    /// Reads are sent a second time without regard to how many were.
    HedgesWithoutBudget,
    /// An error of the medium counts against the path that told of it.
    BlamesPathForMedium,
    /// Of several volumes only the first is ever read by the probes of a path.
    ProbesFirstVolumeOnly,
    /// What its probes are answered counts against no path that is trusted.
    TrustsIdlePaths,
    /// Data that are kept in memory are never read there.
    ReadsThroughShadows,
    /// A shard shows what it keeps, and sends the write, before its siblings have noted that.
    ShowsBeforeNoted,
    /// What was kept in memory is forgotten without being written once more.
    DropsUnwritten,
    /// What was kept in memory is written once more into a cache that may lose it.
    SettlesInCache,
    /// A path is lost for one command that is not answered, whatever else it answers.
    LosesPathForOne,
    /// The driver is not told of an attempt that is given up while its association lives.
    ForgetsStray,
    /// A write that is given up alone is sent again without regard to what its first attempt may still do.
    TrustsStray,
    /// A write is sent a second time while its first attempt is out, as a read is.
    HedgesWrites,
    /// The late answer of an attempt whose request another has completed is taken for the answer of a request.
    BelievesLoser,
    /// A request that its second attempt has won is completed with the buffer of the first.
    ForgetsAdoption,
}

/// Which defect is planted, if any: of no size without the feature.
#[derive(Clone, Copy, Debug, Default)]
pub struct Planted {
    #[cfg(feature = "mutants")]
    pub mutant: Option<Mutant>,
}

impl Planted {
    #[inline(always)]
    pub fn has(self, mutant: Mutant) -> bool {
        #[cfg(feature = "mutants")]
        let planted = self.mutant == Some(mutant);
        #[cfg(not(feature = "mutants"))]
        let planted = {
            let _ = mutant;
            false
        };
        planted
    }
}

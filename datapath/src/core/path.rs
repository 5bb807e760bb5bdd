//! A path's states. They are orthogonal: `usable` is derived from them, never stored as one big enum.

/// State of this shard's connection.
///
/// ```text
///   Down ──▶ Connecting ──▶ Up ──▶ Lost ──▶ Connecting
///     ▲          │  ▲────────────────┘          │
///     └──────────┴── Down (removed, refused) ◀──┘
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Link {
    Down,
    Connecting,
    Up,
    Lost,
}

/// What the evidence of I/O says of a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Health {
    Good,
    Suspect,
    Marginal,
    Probation,
}

/// The operator's wish.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Admin {
    Enabled,
    Standby,
    Failed,
    Absent,
}

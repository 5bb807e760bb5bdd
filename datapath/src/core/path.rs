//! A path's states. They are orthogonal: `usable` is derived from them, never stored as one big enum. Each state has
//! its diagram and its table of legal edges; an edge that is not in the table is an `Illegal` event, which no run may have.

/// State of this shard's connection.
///
/// ```text
///   Down ──▶ Connecting ──▶ Up ──▶ Lost ──▶ Connecting
///    ▲  ▲        │ │  ▲─────────────┼──────────┘
///    │  └────────┘ └──▶ Lost        │
///    └──────────────────────────────┘   (removed by the operator)
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Link {
    /// Never connected, or not wanted.
    Down,
    Connecting,
    Up,
    /// The connection ended, or could not be made; the next attempt is scheduled.
    Lost,
}

impl Link {
    pub fn may_become(self, to: Link) -> bool {
        matches!(
            (self, to),
            (Link::Down, Link::Connecting)
                | (Link::Connecting, Link::Up)
                | (Link::Connecting, Link::Lost)
                | (Link::Connecting, Link::Down)
                | (Link::Up, Link::Lost)
                | (Link::Up, Link::Down)
                | (Link::Lost, Link::Connecting)
                | (Link::Lost, Link::Down)
        )
    }
}

/// What the evidence of I/O says of a path.
///
/// ```text
///   Good ◀──▶ Suspect           silence: asked by a probe on the data path
///    │ ▲        │ ▲
///    ▼ │        ▼ │
///   Probation ◀──▶ (Suspect)    lost once: the last resort until it has behaved for a moment
///    │ ▲          │
///    ▼ │          ▼
///   Marginal ◀──▶ (Suspect)     flaky, or errors relative to traffic: the last resort, back through probation
/// ```
///
/// Every edge is legal but the ones from Marginal to Good: a path in disgrace comes back through probation only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Health {
    Good,
    Suspect,
    Marginal,
    Probation,
}

impl Health {
    pub fn may_become(self, to: Health) -> bool {
        matches!(
            (self, to),
            (Health::Good, Health::Suspect)
                | (Health::Good, Health::Marginal)
                | (Health::Good, Health::Probation)
                | (Health::Suspect, Health::Probation)
                | (Health::Suspect, Health::Good)
                | (Health::Suspect, Health::Marginal)
                | (Health::Marginal, Health::Probation)
                | (Health::Marginal, Health::Suspect)
                | (Health::Probation, Health::Marginal)
                | (Health::Probation, Health::Good)
                | (Health::Probation, Health::Suspect)
        )
    }
}

/// The operator's wish. Every edge is legal: an operator may wish anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Admin {
    Enabled,
    /// Used only when no enabled path is usable.
    Standby,
    /// Failed by the operator.
    Failed,
    Absent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_is_its_own_successor() {
        for l in [Link::Down, Link::Connecting, Link::Up, Link::Lost] {
            assert!(!l.may_become(l));
        }
        for h in [
            Health::Good,
            Health::Suspect,
            Health::Marginal,
            Health::Probation,
        ] {
            assert!(!h.may_become(h));
        }
    }

    #[test]
    fn a_path_is_never_up_without_connecting() {
        assert!(!Link::Down.may_become(Link::Up));
        assert!(!Link::Lost.may_become(Link::Up));
    }

    #[test]
    fn a_marginal_path_comes_back_through_probation_only() {
        assert!(!Health::Marginal.may_become(Health::Good));
        assert!(Health::Probation.may_become(Health::Good));
    }
}

//! A path's link and health as a core tells them, judged apart from the core's own tables: a defect of those would
//! otherwise hide every defect that they are to find. A core must tell each change, in order, and never that a link is
//! up which the transport has not connected.

use datapath::core::path::{Health, Link};

/// What a core has told of a path so far.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    link: Link,
    health: Health,
}

impl Default for Told {
    fn default() -> Self {
        Told {
            link: Link::Down,
            health: Health::Good,
        }
    }
}

impl Told {
    /// The link changes; says what is wrong with that. `connected`: the transport has a connection.
    pub fn link(&mut self, from: Link, to: Link, connected: bool) -> Option<String> {
        use Link::{Connecting, Down, Lost, Up};
        let was = std::mem::replace(&mut self.link, to);
        let legal = match from {
            Down => to == Connecting,
            Connecting => matches!(to, Up | Lost | Down),
            Up => matches!(to, Lost | Down),
            Lost => matches!(to, Connecting | Down),
        };
        if was != from {
            return Some(untold("link", was, from, to));
        }
        if !legal {
            return Some(format!("link went from {from:?} to {to:?}"));
        }
        (to == Up && !connected).then(|| "link is up without a connection".to_string())
    }

    /// The health changes; says what is wrong with that.
    pub fn health(&mut self, from: Health, to: Health) -> Option<String> {
        let was = std::mem::replace(&mut self.health, to);
        if was != from {
            return Some(untold("health", was, from, to));
        }
        let legal = from != to && (from, to) != (Health::Marginal, Health::Good);
        (!legal).then(|| format!("health went from {from:?} to {to:?}"))
    }
}

fn untold<T: std::fmt::Debug>(what: &str, was: T, from: T, to: T) -> String {
    format!("{what} went from {from:?} to {to:?} though it was last told to be {was:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_made_before_it_is_up() {
        let mut told = Told::default();
        assert_eq!(told.link(Link::Down, Link::Connecting, false), None);
        assert_eq!(told.link(Link::Connecting, Link::Up, true), None);
        assert_eq!(told.link(Link::Up, Link::Lost, false), None);
        assert!(told.link(Link::Lost, Link::Up, true).is_some());
        let mut told = Told::default();
        assert_eq!(told.link(Link::Down, Link::Connecting, false), None);
        assert!(told.link(Link::Connecting, Link::Up, false).is_some());
    }

    #[test]
    fn a_change_that_was_not_told_shows_at_the_next() {
        let mut told = Told::default();
        assert!(told.link(Link::Lost, Link::Connecting, false).is_some());
        assert_eq!(told.link(Link::Connecting, Link::Up, true), None);
        assert!(told.health(Health::Suspect, Health::Good).is_some());
    }

    #[test]
    fn disgrace_ends_in_probation() {
        let mut told = Told::default();
        assert_eq!(told.health(Health::Good, Health::Marginal), None);
        assert!(told.health(Health::Marginal, Health::Good).is_some());
        assert_eq!(told.health(Health::Good, Health::Probation), None);
        assert_eq!(told.health(Health::Probation, Health::Good), None);
        assert!(told.health(Health::Good, Health::Good).is_some());
    }
}

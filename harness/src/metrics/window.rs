//! Which part of the run it is. A fault may start at any time, because an event can start one: so time is cut into disjoint
//! segments, and what followed the end of the faults is only tentatively *after* them. When another fault starts, it was
//! the middle of the `fault` window all along and is merged into it.
//!
//! ```text
//!   Steady ──fault──▶ Fault ──last one ends──▶ Gap ──1 s──▶ Healed
//!                      ▲                        │              │
//!                      └────── another fault, merging ─────────┘
//! ```

use crate::scenario::model::Window;
use protocol::{Duration, Instant};

/// How long after the last fault's end the run counts as healed.
pub const HEALING: Duration = Duration::from_secs(1);
pub const SEGMENTS: usize = 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segment {
    Steady = 0,
    Fault = 1,
    Gap = 2,
    Healed = 3,
}

impl Segment {
    pub fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Steady, Fault, Gap and Healed are windows of their own, but for the gap, which is in `whole` only.
    pub fn mask(window: Window) -> u8 {
        match window {
            Window::Whole => 0b1111,
            Window::Steady => Segment::Steady.bit(),
            Window::Fault => Segment::Fault.bit(),
            Window::Healed => Segment::Healed.bit(),
        }
    }
}

/// Segment bits after the tentative segments became part of the fault.
pub fn absorbed(bits: u8) -> u8 {
    let tentative = Segment::Gap.bit() | Segment::Healed.bit();
    if bits & tentative == 0 {
        bits
    } else {
        bits & !tentative | Segment::Fault.bit()
    }
}

/// Something that is counted in each segment and can be added up.
pub trait Merge: Default {
    fn merge(&mut self, other: &Self);
}

#[derive(Debug, Default)]
pub struct BySegment<T>([T; SEGMENTS]);

impl<T: Merge> BySegment<T> {
    #[inline]
    pub fn at(&mut self, segment: Segment) -> &mut T {
        &mut self.0[segment as usize]
    }

    pub fn each(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// The tentative segments were part of the fault.
    pub fn absorb(&mut self) {
        for tentative in [Segment::Gap, Segment::Healed] {
            let part = std::mem::take(self.at(tentative));
            self.at(Segment::Fault).merge(&part);
        }
    }

    pub fn close(self) -> ByWindow<T> {
        let mut whole = T::default();
        for part in self.each() {
            whole.merge(part);
        }
        let [steady, fault, _, healed] = self.0;
        ByWindow {
            whole,
            steady,
            fault,
            healed,
        }
    }
}

/// The segments after the run, as expectations name them.
#[derive(Debug)]
pub struct ByWindow<T> {
    whole: T,
    steady: T,
    fault: T,
    healed: T,
}

impl<T> ByWindow<T> {
    pub fn of(&self, window: Window) -> &T {
        match window {
            Window::Whole => &self.whole,
            Window::Steady => &self.steady,
            Window::Fault => &self.fault,
            Window::Healed => &self.healed,
        }
    }
}

/// The faults as they come and go.
#[derive(Debug)]
pub struct Faults {
    active: u32,
    first_start: Option<Instant>,
    last_end: Option<Instant>,
    /// When the gap is over; `Instant::MAX` outside a gap.
    pub heal_at: Instant,
}

impl Faults {
    pub fn new() -> Faults {
        Faults {
            active: 0,
            first_start: None,
            last_end: None,
            heal_at: Instant::MAX,
        }
    }

    /// Whether a new stretch of faults begins with this one.
    pub fn started(&mut self, now: Instant) -> bool {
        self.first_start.get_or_insert(now);
        self.active += 1;
        self.last_end = None;
        self.heal_at = Instant::MAX;
        self.active == 1
    }

    /// Whether this was the last that was active. The end of a fault that never started is none.
    pub fn ended(&mut self, now: Instant) -> bool {
        if self.active == 0 {
            return false;
        }
        self.active -= 1;
        if self.active > 0 {
            return false;
        }
        self.last_end = Some(now);
        self.heal_at = now + HEALING;
        true
    }

    pub fn lengths(&self, duration: Duration) -> Lengths {
        let end = Instant(duration.0);
        let start = self.first_start.unwrap_or(end).min(end);
        let stop = match (self.first_start, self.last_end) {
            (None, _) => start,
            (Some(_), None) => end,
            (Some(_), Some(last)) => last.min(end),
        };
        let healed = match self.last_end {
            Some(last) => end.since(last + HEALING),
            None => Duration::ZERO,
        };
        Lengths {
            whole: duration,
            steady: start.since(Instant::ZERO),
            fault: stop.since(start),
            healed,
        }
    }
}

/// How long each window is, within the scenario's duration: the drain lengthens none.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    whole: Duration,
    steady: Duration,
    fault: Duration,
    healed: Duration,
}

impl Lengths {
    /// `None`: the window never opened.
    pub fn of(&self, window: Window) -> Option<Duration> {
        match window {
            Window::Whole => Some(self.whole),
            Window::Steady => Some(self.steady).filter(|l| *l > Duration::ZERO),
            Window::Fault => Some(self.fault).filter(|l| *l > Duration::ZERO),
            Window::Healed => Some(self.healed).filter(|l| *l > Duration::ZERO),
        }
    }
}

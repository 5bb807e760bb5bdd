//! Sizes on the wire and the ports that messages pass, one after another.
//!
//! A port is full duplex, and each direction is a first-in-first-out line at the port's rate, shared by the paths of
//! the port. Store and forward: a message is whole on one side before it begins on the next. Simplifications against
//! real networks: no congestion control, no loss but the injected one, no switches between the two ports of a path,
//! and a message is one unit, so a long read delays a short answer by its whole length.

use protocol::Duration;

/// NVMe/TCP command capsule: 8 bytes of PDU header and a 64-byte submission entry. A write's data travels in the capsule.
pub const CAPSULE_BYTES: u64 = 72;
/// NVMe/TCP response capsule: 8 bytes of header and a 16-byte completion entry.
pub const RESPONSE_BYTES: u64 = 24;
/// Header of the data of a read, in front of the data and of the response.
pub const DATA_HEADER_BYTES: u64 = 24;
/// Each message of a handshake, and of the small administration: identify, ANA log, registration.
pub const ADMIN_BYTES: u64 = 128;
/// A connection's end.
pub const FIN_BYTES: u64 = 40;

/// How long after the heal of a dead direction its sender's transport sends again what it kept.
pub const RETRANSMIT: Duration = Duration::from_millis(200);
/// How long the array waits for a host's keep-alive.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Direction of a message, as an index.
pub(crate) const TO_ARRAY: usize = 0;
pub(crate) const TO_HOST: usize = 1;

/// Nanoseconds, rounded up, that a message takes at a rate; none where there is no rate.
#[inline]
pub(crate) fn serialise_ns(bytes: u64, bits_per_s: u64) -> u64 {
    if bits_per_s == 0 {
        return 0;
    }
    match bytes.checked_mul(8_000_000_000) {
        Some(scaled) => scaled.div_ceil(bits_per_s),
        None => u64::try_from((u128::from(bytes) * 8_000_000_000).div_ceil(u128::from(bits_per_s)))
            .unwrap_or(u64::MAX),
    }
}

/// One direction of a port.
#[derive(Clone)]
pub(crate) struct Line {
    bits_per_s: u64,
    free_at: u64,
}

impl Line {
    pub fn new(bits_per_s: u64) -> Self {
        Line {
            bits_per_s,
            free_at: 0,
        }
    }

    /// When a message that comes at `at` would be through.
    #[inline]
    pub fn peek(&self, at: u64, bytes: u64) -> u64 {
        let takes = serialise_ns(bytes, self.bits_per_s);
        self.free_at.max(at).saturating_add(takes)
    }

    /// When a message that comes at `at` is through.
    #[inline]
    pub fn pass(&mut self, at: u64, bytes: u64) -> u64 {
        let takes = serialise_ns(bytes, self.bits_per_s);
        self.free_at = self.free_at.max(at).saturating_add(takes);
        self.free_at
    }
}

/// A port of a host or of the array.
pub(crate) struct Port {
    pub tx: Line,
    pub rx: Line,
    /// Paths that end here.
    pub paths: u32,
    /// Latest arrival that was foreseen, and until when one is still to come that was foreseen as earlier than another.
    last_arrival: u64,
    unsorted_until: u64,
}

impl Port {
    pub fn new(bits_per_s: u64) -> Self {
        Port {
            tx: Line::new(bits_per_s),
            rx: Line::new(bits_per_s),
            paths: 0,
            last_arrival: 0,
            unsorted_until: 0,
        }
    }

    /// A message will arrive at `at`. Where arrivals are known to come in the order in which they are foreseen (one path, no
    /// overtaking under jitter), the time when it is through can be told now, which saves an event for most messages.
    #[inline]
    pub fn foresee(&mut self, now: u64, at: u64, bytes: u64) -> Option<u64> {
        if self.paths == 1 && at >= self.last_arrival && now > self.unsorted_until {
            self.last_arrival = at;
            return Some(self.rx.pass(at, bytes));
        }
        self.last_arrival = self.last_arrival.max(at);
        self.unsorted_until = self.unsorted_until.max(at);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_serialises_in_order_and_rounds_up() {
        assert_eq!(serialise_ns(4096, 25_000_000_000), 1311);
        assert_eq!(serialise_ns(u64::MAX / 2, 1 << 60), 64_000_000_000);
        let mut line = Line::new(8_000_000_000);
        assert_eq!(line.pass(100, 50), 150);
        assert_eq!(line.pass(120, 50), 200);
        assert_eq!(line.pass(500, 1), 501);
    }
}

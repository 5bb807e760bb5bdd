//! Volumes without a path, for `no_path.time`: from the moment in which the first shard of a host had none until every shard has
//! one again.

use protocol::Instant;

/// Volumes of hosts that have no path on some shard.
#[derive(Debug)]
pub struct Starvation {
    volumes: usize,
    shards: usize,
    /// By host, volume and shard.
    starving: Vec<bool>,
    /// By host, volume and shard: since when it has no path, until something has failed for that.
    waits: Vec<Option<Instant>>,
    /// By host and volume: on how many shards, and since when (or since the segment's beginning).
    since: Vec<(u16, Instant)>,
}

impl Starvation {
    pub fn new(hosts: usize, volumes: usize, shards: usize) -> Starvation {
        Starvation {
            volumes,
            shards,
            starving: vec![false; hosts * volumes * shards],
            waits: vec![None; hosts * volumes * shards],
            since: vec![(0, Instant::ZERO); hosts * volumes],
        }
    }

    /// A shard's word; the time without a path that ends by it, in nanoseconds.
    pub fn changed(
        &mut self,
        now: Instant,
        (host, volume, shard): (usize, usize, usize),
        starves: bool,
    ) -> u64 {
        let place = host * self.volumes + volume;
        if volume >= self.volumes || shard >= self.shards || place >= self.since.len() {
            return 0;
        }
        let starving = &mut self.starving[place * self.shards + shard];
        if *starving == starves {
            return 0;
        }
        *starving = starves;
        self.waits[place * self.shards + shard] = starves.then_some(now);
        let (count, since) = &mut self.since[place];
        if starves {
            if *count == 0 {
                *since = now;
            }
            *count += 1;
            return 0;
        }
        *count -= 1;
        match *count {
            0 => now.since(*since).0,
            _ => 0,
        }
    }

    /// Something failed for want of a path: how long the shard had none by then, if this is the outage's first failure.
    pub fn failed(
        &mut self,
        now: Instant,
        (host, volume, shard): (usize, usize, usize),
    ) -> Option<u64> {
        if volume >= self.volumes || shard >= self.shards {
            return None;
        }
        let place = (host * self.volumes + volume) * self.shards + shard;
        let since = self.waits.get_mut(place)?.take()?;
        Some(now.since(since).0)
    }

    /// The time up to now of all that still have no path; what follows counts from here.
    pub fn account(&mut self, now: Instant) -> u64 {
        let starving = self.since.iter_mut().filter(|(count, _)| *count > 0);
        starving
            .map(|(_, since)| now.since(std::mem::replace(since, now)).0)
            .sum()
    }

    /// The daemon of a host died: it no longer looks for a path.
    pub fn forget(&mut self, now: Instant, host: usize) -> u64 {
        let mut ended_ns = 0;
        for volume in 0..self.volumes {
            for shard in 0..self.shards {
                ended_ns += self.changed(now, (host, volume, shard), false);
            }
        }
        ended_ns
    }
}

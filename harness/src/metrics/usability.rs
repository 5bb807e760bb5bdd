//! Which paths were usable, where and when, as the cores' events say: for `path.flips`, and for the set of paths that a
//! balance is judged over.
//!
//! A path serves a volume while it is usable for it on every shard of its host. It served it *throughout* a window if it
//! never ceased to in it. Connecting at the run's beginning is no outage: a path that serves for the first time within
//! 100 ms counts from there; one that comes later did not serve before.

use super::window::{Segment, absorbed};
use protocol::{Access, Duration, Instant};

/// Paths that serve by then were there from the beginning.
const CONNECTING: Duration = Duration::from_millis(100);

const USABLE: u8 = 1;
const NON_OPTIMIZED: u8 = 2;

/// One path for one volume.
#[derive(Clone, Copy, Debug, Default)]
struct Service {
    usable_shards: u16,
    non_optimized_shards: u16,
    ever: bool,
    /// Segments in which it did not serve for some time.
    interrupted: u8,
    /// Segments in which it was not optimised for some time while it served.
    non_optimized: u8,
}

#[derive(Debug)]
pub struct Usability {
    shards: usize,
    volumes: usize,
    /// One byte for each path, volume and shard.
    shown: Vec<u8>,
    /// By path and volume.
    services: Vec<Service>,
    /// For each path: on how many shards and for how many volumes it is usable, and whether it ever was.
    paths: Vec<(u32, bool)>,
    /// The segments that the run has had.
    entered: u8,
}

impl Usability {
    pub fn new(paths: usize, shards: usize, volumes: usize) -> Usability {
        Usability {
            shards,
            volumes,
            shown: vec![0; paths * volumes * shards],
            services: vec![Service::default(); paths * volumes],
            paths: vec![(0, false); paths],
            entered: Segment::Steady.bit(),
        }
    }

    fn cell(&self, path: usize, volume: usize, shard: usize) -> Option<usize> {
        let known = path < self.paths.len() && volume < self.volumes && shard < self.shards;
        known.then(|| (path * self.volumes + volume) * self.shards + shard)
    }

    /// A shard's word on a path; how often the path as a whole changed sides by it (0 or 1).
    pub fn usable(
        &mut self,
        now: Instant,
        segment: Segment,
        (path, volume, shard): (usize, usize, usize),
        usable: bool,
    ) -> u64 {
        let Some(cell) = self.cell(path, volume, shard) else {
            return 0;
        };
        if (self.shown[cell] & USABLE != 0) == usable {
            return 0;
        }
        self.shown[cell] ^= USABLE;
        let service = &mut self.services[path * self.volumes + volume];
        let (count, ever) = &mut self.paths[path];
        let was = *count > 0;
        if usable {
            *count += 1;
            service.usable_shards += 1;
        } else {
            if usize::from(service.usable_shards) == self.shards {
                service.interrupted |= segment.bit();
            }
            *count -= 1;
            service.usable_shards -= 1;
        }
        if usize::from(service.usable_shards) == self.shards {
            if !service.ever && now.since(Instant::ZERO) > CONNECTING {
                service.interrupted = self.entered;
            }
            service.ever = true;
            if service.non_optimized_shards > 0 {
                service.non_optimized |= segment.bit();
            }
        }
        let flipped = *ever && was != (*count > 0);
        *ever |= usable;
        u64::from(flipped)
    }

    pub fn access(
        &mut self,
        segment: Segment,
        (path, volume, shard): (usize, usize, usize),
        access: Access,
    ) {
        let Some(cell) = self.cell(path, volume, shard) else {
            return;
        };
        let non_optimized = access == Access::NonOptimized;
        if (self.shown[cell] & NON_OPTIMIZED != 0) == non_optimized {
            return;
        }
        self.shown[cell] ^= NON_OPTIMIZED;
        let service = &mut self.services[path * self.volumes + volume];
        if non_optimized {
            service.non_optimized_shards += 1;
        } else {
            service.non_optimized_shards -= 1;
        }
        let serves = usize::from(service.usable_shards) == self.shards;
        if serves && service.non_optimized_shards > 0 {
            service.non_optimized |= segment.bit();
        }
    }

    /// The daemon died, and with it what it knew; how many paths changed sides by it.
    pub fn forget(&mut self, now: Instant, segment: Segment, path: usize) -> u64 {
        let mut flips = 0;
        for volume in 0..self.volumes {
            for shard in 0..self.shards {
                flips += self.usable(now, segment, (path, volume, shard), false);
                self.access(segment, (path, volume, shard), Access::Inaccessible);
            }
        }
        flips
    }

    /// A segment begins: what is the case now is the case in it.
    pub fn enter(&mut self, segment: Segment) {
        self.entered |= segment.bit();
        for service in &mut self.services {
            let serves = usize::from(service.usable_shards) == self.shards;
            if service.ever && !serves {
                service.interrupted |= segment.bit();
            }
            if serves && service.non_optimized_shards > 0 {
                service.non_optimized |= segment.bit();
            }
        }
    }

    pub fn absorb(&mut self) {
        self.entered = absorbed(self.entered);
        for service in &mut self.services {
            service.interrupted = absorbed(service.interrupted);
            service.non_optimized = absorbed(service.non_optimized);
        }
    }

    /// For a path that served the volume throughout these segments: whether it was optimised all the time.
    pub fn throughout(&self, path: usize, volume: usize, segments: u8) -> Option<bool> {
        let service = self.services.get(path * self.volumes + volume)?;
        let served = service.ever && service.interrupted & segments == 0;
        served.then_some(service.non_optimized & segments == 0)
    }
}

//! The status as data: what every shard shows, added up, under the names that people know. Its JSON is a contract (`mpio/README.md`).
#![forbid(unsafe_code)]

use super::directory::{Directory, Entry};
use crate::kernel::Kernel;
use crate::seen::{Kind, Latency, PathSeen, Snapshot, VolumeSeen, Waits, spelled};
use datapath::core::path::{Admin, Health, Link};
use protocol::Access;
use serde::{Deserialize, Serialize};

/// Grows when a key changes its meaning or goes; new keys do not count.
pub const SCHEMA: u32 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct View {
    pub schema: u32,
    pub version: String,
    pub pid: u32,
    pub shards: usize,
    pub policy: String,
    #[serde(default)]
    pub kernel: Kernel,
    pub volumes: Vec<Volume>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Volume {
    pub name: String,
    pub device: String,
    pub identity: String,
    pub bytes: u64,
    pub state: VolumeState,
    pub no_path: Option<NoPath>,
    pub parked_buffers: u32,
    /// Writes whose data are in memory only, and how many bytes.
    pub shadows: u32,
    pub shadow_bytes: u64,
    pub hedges_issued: u64,
    pub hedges_won: u64,
    pub reads: Counts,
    pub writes: Counts,
    pub others: Counts,
    pub paths: Vec<Path>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VolumeState {
    /// Every path that is wanted is usable.
    Ok,
    /// It is served, and not by every path.
    Degraded,
    /// No path is usable: I/O waits.
    NoPath,
    /// No path is usable, and I/O fails at once.
    Failing,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoPath {
    pub since_ms: u64,
    /// What is left until I/O that waits fails.
    pub left_ms: u64,
    pub queued: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Counts {
    pub ios: u64,
    pub bytes: u64,
    pub errors: u64,
    pub latency: Times,
}

/// Quantiles are upper bounds: the end of the bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Times {
    pub mean_ns: Option<u64>,
    pub p50_ns: Option<u64>,
    pub p99_ns: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Path {
    pub path: String,
    pub state: PathState,
    pub link: String,
    pub access: String,
    pub health: String,
    pub admin: String,
    pub usable: bool,
    pub identity_wrong: bool,
    pub inflight: u32,
    pub ios: u64,
    pub bytes: u64,
    pub errors: u64,
    pub retries: u64,
    pub losses: u64,
    pub latency: Times,
}

/// The four states in one word, for people in a hurry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathState {
    Usable,
    /// Usable for some shards only.
    Partly,
    /// Kept for the time when no other is usable.
    Reserve,
    /// Failed by the operator.
    Failed,
    WrongVolume,
    Inaccessible,
    Down,
    /// Removed by the operator, or pulled.
    Absent,
}

impl View {
    pub fn of(names: &Directory, shards: &[Snapshot]) -> View {
        let volumes = names.volumes.iter().enumerate();
        View {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            shards: shards.len(),
            policy: names.policy.clone(),
            kernel: names.kernel.clone(),
            volumes: volumes
                .map(|(at, entry)| {
                    let seen = shards.iter().filter_map(|s| s.volumes.get(at));
                    Volume::of(entry, &seen.collect::<Vec<_>>())
                })
                .collect(),
        }
    }
}

impl Volume {
    fn of(entry: &Entry, shards: &[&VolumeSeen]) -> Volume {
        let named = entry.paths.iter().enumerate();
        let named = named.filter_map(|(at, name)| Some((at, name.as_ref()?)));
        let paths: Vec<Path> = named
            .map(|(at, name)| {
                let seen = shards.iter().filter_map(|v| v.paths.get(at)).copied();
                Path::of(name.display().to_string(), &seen.collect::<Vec<_>>())
            })
            .collect();
        let waits: Vec<Waits> = shards.iter().filter_map(|v| v.waits).collect();
        let wanted = |p: &&Path| !matches!(p.state, PathState::Absent | PathState::Failed);
        let served = |p: &Path| matches!(p.state, PathState::Usable | PathState::Reserve);
        let state = if waits.iter().any(|w| w.failing) {
            VolumeState::Failing
        } else if !waits.is_empty() || shards.is_empty() {
            VolumeState::NoPath
        } else if paths.iter().filter(wanted).all(served) {
            VolumeState::Ok
        } else {
            VolumeState::Degraded
        };
        let sum = |of: fn(&VolumeSeen) -> &Kind| Counts::of(shards.iter().map(|v| *of(v)));
        Volume {
            name: entry.name.clone(),
            device: entry.device.clone(),
            identity: entry.identity.clone(),
            bytes: shards.iter().map(|v| v.bytes).max().unwrap_or(0),
            state,
            no_path: NoPath::of(&waits),
            parked_buffers: shards.iter().map(|v| v.parked_buffers).sum(),
            shadows: shards.iter().map(|v| v.shadows.count).sum(),
            shadow_bytes: shards.iter().map(|v| v.shadows.bytes).sum(),
            hedges_issued: shards.iter().map(|v| v.hedges_issued).sum(),
            hedges_won: shards.iter().map(|v| v.hedges_won).sum(),
            reads: sum(|v| &v.served.reads),
            writes: sum(|v| &v.served.writes),
            others: sum(|v| &v.served.others),
            paths,
        }
    }

    pub fn usable(&self) -> usize {
        self.paths.iter().filter(|p| p.usable).count()
    }
}

impl NoPath {
    /// The shard that has waited longest, and the one whose time is over first.
    fn of(waits: &[Waits]) -> Option<NoPath> {
        let since = waits.iter().map(|w| w.since).max()?;
        let left = waits.iter().map(|w| w.left).min()?;
        Some(NoPath {
            since_ms: since.0 / 1_000_000,
            left_ms: left.0 / 1_000_000,
            queued: waits.iter().map(|w| w.queued).sum(),
        })
    }
}

impl Counts {
    fn of(kinds: impl Iterator<Item = Kind>) -> Counts {
        let all = Kind::total(kinds);
        Counts {
            ios: all.latency.count(),
            bytes: all.bytes,
            errors: all.errors,
            latency: Times::of(&all.latency),
        }
    }
}

impl Times {
    fn of(latency: &Latency) -> Times {
        Times {
            mean_ns: latency.mean_ns(),
            p50_ns: latency.quantile_ns(500),
            p99_ns: latency.quantile_ns(990),
        }
    }
}

impl Path {
    /// Numbers are sums; of the shards' states the worst is shown.
    fn of(name: String, shards: &[PathSeen]) -> Path {
        let link = worst(
            shards,
            |p| p.link,
            &[Link::Lost, Link::Down, Link::Connecting],
        );
        let health = worst(
            shards,
            |p| p.health,
            &[Health::Marginal, Health::Suspect, Health::Probation],
        );
        let bad = [
            Access::Lost,
            Access::Inaccessible,
            Access::Transitioning,
            Access::NonOptimized,
        ];
        let access = worst(shards, |p| p.access, &bad);
        let admin = worst(
            shards,
            |p| p.admin,
            &[Admin::Absent, Admin::Failed, Admin::Standby],
        );
        let usable = shards.iter().filter(|p| p.usable).count();
        let sum = PathSeen::total(shards);
        let access_known = access.filter(|_| link == Some(Link::Up));
        let state = match (admin, link) {
            (Some(Admin::Absent), _) => PathState::Absent,
            (Some(Admin::Failed), _) => PathState::Failed,
            _ if sum.identity_wrong => PathState::WrongVolume,
            (Some(Admin::Standby), _) if usable == shards.len() => PathState::Reserve,
            (Some(_), _) if usable == shards.len() => PathState::Usable,
            (Some(_), _) if usable > 0 => PathState::Partly,
            // It answers, and while others do it is spared.
            (_, Some(Link::Up)) if access.is_some_and(Access::accessible) => PathState::Reserve,
            (_, Some(Link::Up)) => PathState::Inaccessible,
            _ => PathState::Down,
        };
        let unknown = || "unknown".to_string();
        Path {
            path: name,
            state,
            link: link.map_or_else(unknown, spelled),
            access: access_known.map_or_else(unknown, spelled),
            health: health.map_or_else(unknown, spelled),
            admin: admin.map_or_else(unknown, spelled),
            usable: sum.usable,
            identity_wrong: sum.identity_wrong,
            inflight: sum.inflight,
            ios: sum.ios,
            bytes: sum.bytes,
            errors: sum.errors,
            retries: sum.retries,
            losses: sum.losses,
            latency: Times::of(&sum.latency),
        }
    }
}

/// The first of `bad` that a shard shows, or what they all show.
fn worst<T: Copy + PartialEq>(
    shards: &[PathSeen],
    of: impl Fn(&PathSeen) -> T,
    bad: &[T],
) -> Option<T> {
    let shown = |state: &&T| shards.iter().any(|p| of(p) == **state);
    bad.iter()
        .find(shown)
        .copied()
        .or_else(|| shards.first().map(of))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::control::directory::example;
    use protocol::Duration;

    pub fn path() -> PathSeen {
        PathSeen {
            link: Link::Up,
            access: Access::Optimized,
            usable: true,
            ..PathSeen::default()
        }
    }

    /// Two shards of the example's volume: one path healthy, one that something is wrong with.
    pub fn shards(second: PathSeen) -> Vec<Snapshot> {
        let mut first = path();
        for ms in [1, 2, 40] {
            first.ios += 1;
            first.bytes += 4096;
            first.latency.add(Duration::from_millis(ms));
        }
        first.inflight = 3;
        let mut v = VolumeSeen {
            bytes: 3 << 30,
            paths: vec![first, second],
            ..VolumeSeen::default()
        };
        let op = Some(protocol::Op::Read);
        v.served.note(op, 4096, Duration::from_millis(2));
        v.served.note(op, -5, Duration::from_millis(9));
        let shard = Snapshot {
            beat: 1,
            volumes: vec![v],
        };
        vec![shard.clone(), shard]
    }

    #[test]
    fn the_states_of_a_path_become_one_word() {
        let is = |p: PathSeen| View::of(&example(), &shards(p)).volumes[0].paths[1].state;
        let base = path();
        let unusable = PathSeen {
            usable: false,
            ..base
        };
        assert_eq!(is(base), PathState::Usable);
        for (link, admin, access, wrong, state) in [
            (
                Link::Up,
                Admin::Absent,
                Access::Optimized,
                false,
                PathState::Absent,
            ),
            (
                Link::Up,
                Admin::Failed,
                Access::Optimized,
                false,
                PathState::Failed,
            ),
            (
                Link::Up,
                Admin::Enabled,
                Access::Optimized,
                true,
                PathState::WrongVolume,
            ),
            (
                Link::Up,
                Admin::Enabled,
                Access::Optimized,
                false,
                PathState::Reserve,
            ),
            (
                Link::Up,
                Admin::Enabled,
                Access::Inaccessible,
                false,
                PathState::Inaccessible,
            ),
            (
                Link::Lost,
                Admin::Enabled,
                Access::Optimized,
                false,
                PathState::Down,
            ),
        ] {
            let p = PathSeen {
                link,
                admin,
                access,
                identity_wrong: wrong,
                ..unusable
            };
            assert_eq!(is(p), state);
        }
    }

    #[test]
    fn shards_are_added_up_and_the_worst_state_shown() {
        let mut two = shards(path());
        two[1].volumes[0].paths[1].usable = false;
        two[1].volumes[0].paths[1].link = Link::Lost;
        let view = View::of(&example(), &two);
        let v = &view.volumes[0];
        assert_eq!((v.reads.ios, v.reads.errors, v.reads.bytes), (4, 2, 8192));
        assert_eq!(v.paths[0].ios, 6);
        assert_eq!(v.paths[0].inflight, 6);
        assert_eq!(
            (v.paths[1].state, v.paths[1].link.as_str()),
            (PathState::Partly, "lost")
        );
        assert_eq!(v.state, VolumeState::Degraded);
        assert_eq!(v.paths.len(), 2, "a free place is not shown");
    }

    #[test]
    fn the_countdown_is_that_of_the_first_shard_to_give_up() {
        let mut two = shards(path());
        two[0].volumes[0].waits = Some(Waits {
            since: Duration::from_millis(4_000),
            left: Duration::from_millis(26_000),
            failing: false,
            queued: 2,
        });
        two[1].volumes[0].waits = Some(Waits {
            since: Duration::from_millis(5_000),
            left: Duration::from_millis(25_000),
            failing: false,
            queued: 1,
        });
        let v = &View::of(&example(), &two).volumes[0];
        let n = v.no_path.as_ref().unwrap();
        assert_eq!((n.since_ms, n.left_ms, n.queued), (5_000, 25_000, 3));
        assert_eq!(v.state, VolumeState::NoPath);
    }
}

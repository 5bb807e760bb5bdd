//! `mpio.toml`: the daemon, the datapath's table (the one that scenarios have), and the volumes with their paths.

use crate::control::hooks::Hooks;
use crate::control::http::Listen;
use crate::front::Copy;
use datapath::core::{FencePolicy, Policy};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    pub daemon: Daemon,
    #[serde(default)]
    pub datapath: Datapath,
    #[serde(default)]
    pub metrics: Metrics,
    #[serde(default)]
    pub hooks: Hooks,
    #[serde(default, rename = "volume")]
    pub volumes: Vec<Volume>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Daemon {
    /// Where `mpio status` and `mpio stop` find the daemon.
    pub socket: PathBuf,
    /// Keep the daemon's memory from being swapped out.
    pub lock_memory: bool,
    /// Serve also on a kernel that is known to panic or hang (`kernel.rs`), because this one was mended.
    pub any_kernel: bool,
    /// Threads that serve I/O: each has a queue of every volume. Without it, one for each two CPUs, four at most.
    pub shards: Option<u16>,
    pub copy: CopyMode,
}

/// Who copies a request's data between the application's pages and the daemon's buffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyMode {
    /// Never `Zero`, with which a path that hangs keeps a request that another path has served.
    #[default]
    Auto,
    /// The kernel.
    Copy,
    /// The daemon.
    User,
    /// Nobody, where it can be.
    Zero,
}

impl CopyMode {
    /// What the kernel has of what is wanted, and the words for what it has not.
    pub fn on(self, known: impl Fn(Copy) -> bool) -> (Copy, Option<&'static str>) {
        let user = if known(Copy::User) {
            Copy::User
        } else {
            Copy::Copy
        };
        match self {
            CopyMode::Auto | CopyMode::Copy => (Copy::Copy, None),
            CopyMode::User if user == Copy::User => (Copy::User, None),
            CopyMode::User => (
                Copy::Copy,
                Some(
                    "daemon.copy = \"user\": this kernel's ublk has no UBLK_F_USER_COPY (Linux 6.5 has); the kernel copies",
                ),
            ),
            CopyMode::Zero if known(Copy::Zero) => (Copy::Zero, None),
            CopyMode::Zero => (
                user,
                Some(
                    "daemon.copy = \"zero\": this kernel's ublk has no UBLK_F_AUTO_BUF_REG (Linux 6.16 has); data are copied",
                ),
            ),
        }
    }
}

/// The identity of devices that have none, memory behind a driver for tests say: their paths are named, and believed.
pub const NO_IDENTITY: &str = "none";

/// Above this the queues' memory would be the limit.
const SHARDS_MAX: u16 = 32;

impl Daemon {
    /// A queue that no CPU submits to would be of no use, and the kernel refuses it.
    pub fn shards(&self) -> u16 {
        let cpus = std::thread::available_parallelism().map_or(1, |n| n.get().min(1024) as u16);
        self.shards.unwrap_or((cpus / 2).clamp(1, 4)).min(cpus)
    }
}

impl Default for Daemon {
    fn default() -> Self {
        Daemon {
            socket: PathBuf::from("/run/mpio.sock"),
            shards: None,
            copy: CopyMode::Auto,
            lock_memory: true,
            any_kernel: false,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where Prometheus asks; absent: nowhere.
    pub listen: Option<Listen>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Datapath {
    #[serde(deserialize_with = "policy")]
    pub policy: Policy,
    /// Hard limit of one attempt.
    #[serde(with = "humantime_serde")]
    pub io_timeout: Duration,
    pub no_path: NoPath,
    pub fence: Fence,
    /// Under the fence `shadow`: data that each shard may keep of each volume, in bytes.
    #[serde(deserialize_with = "size")]
    pub shadow: u64,
    /// Reads that may be sent a second time, in percent of the I/Os.
    pub hedge: u32,
}

impl Default for Datapath {
    fn default() -> Self {
        Datapath {
            policy: Policy::Adaptive,
            io_timeout: Duration::from_secs(5),
            no_path: NoPath::default(),
            fence: Fence::InDoubt,
            shadow: datapath::core::SHADOW_BYTES,
            hedge: datapath::core::HEDGE_PERMILLE / 10,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoPath {
    /// How long I/O waits while a volume has no usable path.
    #[serde(with = "humantime_serde")]
    pub queue_for: Duration,
}

impl Default for NoPath {
    fn default() -> Self {
        NoPath {
            queue_for: Duration::from_secs(30),
        }
    }
}

pub fn policy_name(policy: Policy) -> &'static str {
    let named = Policy::ALL.iter().find(|(_, p)| *p == policy);
    named.map_or("unknown", |(name, _)| name)
}

/// A policy by the name that it has in scenarios.
fn policy<'de, D: Deserializer<'de>>(from: D) -> Result<Policy, D::Error> {
    let given = String::deserialize(from)?;
    let word = given.split(' ').next();
    if Policy::SIMULATED
        .iter()
        .any(|(name, _)| Some(*name) == word)
    {
        return Err(D::Error::custom(format!(
            "policy `{given}` is for simulations only (`harness`): no host can know the array's queues, or should split by \
             fixed parts; expected one of the others, `adaptive` say"
        )));
    }
    let found = Policy::ALL.iter().find(|(name, _)| *name == given);
    found.map(|(_, policy)| *policy).ok_or_else(|| {
        let names = Policy::ALL.map(|(name, _)| format!("`{name}`"));
        let names = names.join(", ");
        D::Error::custom(format!(
            "unknown variant `{given}`, expected one of {names}"
        ))
    })
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fence {
    InDoubt,
    Hold,
    Shadow,
}

impl From<Fence> for FencePolicy {
    fn from(fence: Fence) -> FencePolicy {
        match fence {
            Fence::InDoubt => FencePolicy::InDoubt,
            Fence::Hold => FencePolicy::Hold,
            Fence::Shadow => FencePolicy::Shadow,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    pub name: String,
    /// The kernel's per-path block devices. None: `paths = "auto"`, or none given: all that show the identity, also those that come later.
    #[serde(default, deserialize_with = "paths")]
    pub paths: Vec<PathBuf>,
    /// What every path must say it is, as `wwid` in sysfs has it. Without it, what the first path says. `NO_IDENTITY`: they say nothing.
    pub identity: Option<String>,
    /// Requests that ublk may have outstanding.
    #[serde(default = "default_depth")]
    pub depth: u16,
    /// This host alone uses the volume: a write that is stuck may be ended by a reset of the logical unit, which aborts every host's commands.
    #[serde(default)]
    pub exclusive: bool,
    /// After it has been stuck on a lost path for so long.
    #[serde(default = "default_reset_after", with = "humantime_serde")]
    pub reset_after: Duration,
    /// The paths were found by the identity, as later ones are.
    #[serde(skip)]
    pub found: bool,
}

impl Volume {
    /// Its paths are whatever shows its identity.
    pub fn finds_paths(&self) -> bool {
        self.paths.is_empty()
    }

    /// Nothing tells that its paths lead to one volume but the word of the configuration.
    pub fn is_unverified(&self) -> bool {
        self.identity.as_deref() == Some(NO_IDENTITY)
    }

    /// What to say of that.
    pub fn unverified(&self) -> String {
        format!(
            "warning: volume \"{}\" has identity = \"none\": that its paths lead to one volume is not verified, and where one does not, data are lost",
            self.name
        )
    }
}

fn paths<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a list of devices, or \"auto\"")]
    enum Paths {
        Word(String),
        List(Vec<PathBuf>),
    }
    match Paths::deserialize(from)? {
        Paths::Word(word) if word == "auto" => Ok(Vec::new()),
        Paths::Word(word) => Err(D::Error::custom(format!(
            "paths = \"{word}\": a list of devices, or \"auto\""
        ))),
        Paths::List(list) if list.is_empty() => Err(D::Error::custom(
            "paths = []: 0 paths; name devices, or leave it out and give the identity",
        )),
        Paths::List(list) => Ok(list),
    }
}

/// A size with its unit, as in scenarios.
fn size<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let given = String::deserialize(from)?;
    crate::control::trace::bytes(&given).map_err(D::Error::custom)
}

fn default_reset_after() -> Duration {
    Duration::from_secs(10)
}

fn default_depth() -> u16 {
    64
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{file}: {source}")]
    Read {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("{file}: {source}")]
    Toml {
        file: PathBuf,
        source: Box<toml::de::Error>,
    },
    #[error("{file}: {what}")]
    Wrong { file: PathBuf, what: String },
}

impl Config {
    pub fn load(file: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Read {
            file: file.into(),
            source,
        })?;
        Config::parse(&text, file)
    }

    pub fn parse(text: &str, file: &Path) -> Result<Config, ConfigError> {
        let config: Config = toml::from_str(text).map_err(|source| ConfigError::Toml {
            file: file.into(),
            source: Box::new(source),
        })?;
        config.check().map_err(|what| ConfigError::Wrong {
            file: file.into(),
            what,
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.volumes.is_empty() {
            return Err("no [[volume]]: the daemon would have nothing to serve".into());
        }
        if self.datapath.io_timeout < Duration::from_millis(100) {
            return Err(
                "datapath.io_timeout is below 100ms: every slow command would be sent again".into(),
            );
        }
        if let Some(n) = self.daemon.shards
            && !(1..=SHARDS_MAX).contains(&n)
        {
            return Err(format!("daemon.shards = {n} (1 to {SHARDS_MAX})"));
        }
        let socket = &self.daemon.socket;
        if !socket.is_absolute() {
            return Err(format!(
                "daemon.socket = \"{}\": an absolute path, the same wherever the daemon and who asks it are started",
                socket.display()
            ));
        }
        if self.datapath.hedge > 100 {
            return Err(
                "datapath.hedge is a percentage of the I/Os: 0 (no read is sent twice) to 100"
                    .into(),
            );
        }
        let mut owners: BTreeMap<&Path, &str> = BTreeMap::new();
        let mut names: BTreeMap<&str, ()> = BTreeMap::new();
        let mut identities: BTreeMap<&str, &str> = BTreeMap::new();
        for v in &self.volumes {
            let name = &v.name;
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
                return Err(format!(
                    "volume \"{name}\": a name has letters, digits, '-', '_' and '.', which it does not begin with"
                ));
            }
            if names.insert(name, ()).is_some() {
                return Err(format!("volume \"{name}\" is there twice"));
            }
            if let Some(identity) = &v.identity
                && !v.is_unverified()
                && let Some(other) = identities.insert(identity, name)
            {
                return Err(format!(
                    "\"{other}\" and \"{name}\" have one identity, \"{identity}\": a volume is served once"
                ));
            }
            if v.finds_paths() && v.is_unverified() {
                return Err(format!(
                    "volume \"{name}\" has identity = \"none\" and no paths: what has no identity cannot be found, name each of its devices"
                ));
            }
            if v.finds_paths() && v.identity.is_none() {
                return Err(format!(
                    "volume \"{name}\" has neither paths nor identity: `mpio discover` prints both"
                ));
            }
            if v.paths.len() > datapath::core::PATHS_MAX {
                return Err(format!(
                    "volume \"{name}\" has {} paths: 1 to {} are possible",
                    v.paths.len(),
                    datapath::core::PATHS_MAX
                ));
            }
            if v.reset_after < Duration::from_secs(1) {
                return Err(format!(
                    "volume \"{name}\": reset_after is below 1s: a slow array would be reset instead of waited for"
                ));
            }
            if !(1..=1024).contains(&v.depth) {
                return Err(format!(
                    "volume \"{name}\": depth = {} (1 to 1024)",
                    v.depth
                ));
            }
            for p in &v.paths {
                if !p.is_absolute() {
                    return Err(format!(
                        "volume \"{name}\": {} is no absolute path of a device",
                        p.display()
                    ));
                }
                if let Some(other) = owners.insert(p, name) {
                    return Err(format!(
                        "{} is a path of \"{other}\" and of \"{name}\": a device belongs to one volume, once",
                        p.display()
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("mpio.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn the_smallest_file_has_every_default() {
        let c = parse("[[volume]]\nname = \"db\"\npaths = [\"/dev/sda\", \"/dev/sdb\"]\n").unwrap();
        assert_eq!(c.datapath.io_timeout, Duration::from_secs(5));
        assert_eq!(c.datapath.no_path.queue_for, Duration::from_secs(30));
        assert_eq!(c.volumes[0].depth, 64);
    }

    #[test]
    fn what_the_kernel_has_not_is_said_and_done_without() {
        let with = |known: &'static [Copy]| move |c: Copy| known.contains(&c);
        let all = &[Copy::User, Copy::Zero];
        assert_eq!(CopyMode::Zero.on(with(all)), (Copy::Zero, None));
        let (copy, said) = CopyMode::Zero.on(with(&[Copy::User]));
        assert!(copy == Copy::User && said.unwrap().contains("AUTO_BUF_REG"));
        let (copy, said) = CopyMode::User.on(with(&[]));
        assert!(copy == Copy::Copy && said.unwrap().contains("USER_COPY"));
        let (copy, said) = CopyMode::Auto.on(with(all));
        assert!(copy != Copy::Zero && said.is_none());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let volume = "[[volume]]\nname = \"db\"\npaths = [\"/dev/sda\"]\n";
        for (text, why) in [
            (String::new(), "nothing to serve"),
            (format!("{volume}{volume}"), "is there twice"),
            (
                format!("{volume}[[volume]]\nname = \"x\"\npaths = [\"/dev/sda\"]\n"),
                "belongs to one volume",
            ),
            (
                "[[volume]]\nname = \"a b\"\npaths = [\"/dev/sda\"]\n".into(),
                "a name has letters",
            ),
            (
                "[[volume]]\nname = \"..\"\npaths = [\"/dev/sda\"]\n".into(),
                "does not begin with",
            ),
            (
                "[[volume]]\nname = \"a\"\nidentity = \"naa.5\"\n[[volume]]\nname = \"b\"\nidentity = \"naa.5\"\n".into(),
                "have one identity",
            ),
            (
                format!("[daemon]\nsocket = \"mpio.sock\"\n{volume}"),
                "an absolute path",
            ),
            ("[[volume]]\nname = \"a\"\npaths = []\n".into(), "0 paths"),
            (
                "[[volume]]\nname = \"a\"\npaths = 3\n".into(),
                "a list of devices, or",
            ),
            (
                "[[volume]]\nname = \"a\"\npaths = \"all\"\n".into(),
                "paths = \"all\"",
            ),
            (
                "[[volume]]\nname = \"a\"\npaths = \"auto\"\n".into(),
                "neither paths nor identity",
            ),
            (
                "[[volume]]\nname = \"a\"\npaths = [\"sda\"]\n".into(),
                "no absolute path",
            ),
            (
                "[[volume]]\nname = \"a\"\nidentity = \"none\"\npaths = \"auto\"\n".into(),
                "name each of its devices",
            ),
            (format!("{volume}depth = 0\n"), "1 to 1024"),
            (format!("{volume}reset_after = \"1ms\"\n"), "below 1s"),
            (format!("[daemon]\nshards = 0\n{volume}"), "1 to 32"),
            (
                format!("[daemon]\ncopy = \"none\"\n{volume}"),
                "unknown variant `none`",
            ),
            (format!("{volume}colour = 1\n"), "unknown field `colour`"),
            (
                format!("[datapath]\npolicy = \"oracle\"\n{volume}"),
                "policy `oracle` is for simulations only",
            ),
            (
                format!("[datapath]\npolicy = \"static 62/38\"\n{volume}"),
                "policy `static 62/38` is for simulations only",
            ),
            (
                format!("[datapath]\npolicy = \"best\"\n{volume}"),
                "unknown variant `best`",
            ),
            (
                format!("[metrics]\nlisten = \"9090\"\n{volume}"),
                "an address and a port",
            ),
            (
                format!("[datapath]\nio_timeout = \"1ms\"\n{volume}"),
                "below 100ms",
            ),
            (format!("[datapath]\nhedge = 101\n{volume}"), "a percentage"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(why), "{error}");
            assert!(error.starts_with("mpio.toml: "), "{error}");
        }
    }
}

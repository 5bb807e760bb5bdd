//! `mpio discover`: the host's disks, grouped into volumes by what they say they are. It shows what could be served and what could not, with the
//! reason, and prints the configuration that would serve it. The same search finds the paths of a volume that names only its identity.
#![forbid(unsafe_code)]

use super::disks::{Disk, disks};
use super::status::size;
use super::timers;
use crate::config::{Config, Volume};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, Default, Serialize)]
pub struct Found {
    pub volumes: Vec<Group>,
    pub left_out: Vec<LeftOut>,
    /// Timers of the kernel that are long for a path.
    pub timers: Vec<String>,
}

/// Disks that show the same volume.
#[derive(Debug, Serialize)]
pub struct Group {
    pub name: String,
    pub identity: String,
    pub bytes: u64,
    pub model: String,
    pub paths: Vec<FoundPath>,
}

#[derive(Debug, Serialize)]
pub struct FoundPath {
    pub path: PathBuf,
    pub address: String,
}

#[derive(Debug, Serialize)]
pub struct LeftOut {
    pub path: PathBuf,
    pub identity: Option<String>,
    pub why: String,
}

/// Groups of at least `paths_min` disks; everything else is left out.
///
/// `served`: what a running daemon has, by device. Nothing else shows that somebody has a disk open.
pub fn discover(root: &Path, paths_min: usize, served: &BTreeMap<PathBuf, String>) -> Found {
    let mut found = Found::default();
    let mut groups: BTreeMap<String, Vec<Disk>> = BTreeMap::new();
    for mut disk in disks(root) {
        if let Some(volume) = served.get(&disk.device()) {
            disk.in_use = Some(format!("a path of \"{volume}\", which is served"));
        }
        let why = match (&disk.in_use, &disk.identity) {
            (Some(why), _) => why.clone(),
            (None, Some(identity)) => {
                groups.entry(identity.clone()).or_default().push(disk);
                continue;
            }
            (None, None) => "says nothing of which volume it is".into(),
        };
        found.left_out.push(left_out(&disk, why));
    }
    let mut names = BTreeMap::new();
    for (identity, disks) in groups {
        let first = &disks[0];
        let shape = (first.bytes, first.block_bytes);
        if let Some(odd) = disks.iter().find(|d| (d.bytes, d.block_bytes) != shape) {
            let why = format!(
                "the paths of \"{identity}\" differ in size: {} and {}",
                first.device().display(),
                odd.device().display()
            );
            let all = disks.iter().map(|d| left_out(d, why.clone()));
            found.left_out.extend(all);
        } else if disks.len() < paths_min {
            let n = disks.len();
            let why = format!("{n} path of its volume was found; --paths-min {n} takes it");
            found
                .left_out
                .extend(disks.iter().map(|d| left_out(d, why.clone())));
        } else {
            let name = name(&identity, &mut names);
            found.volumes.push(group(name, identity, &disks));
        }
    }
    found.left_out.sort_by(|a, b| a.path.cmp(&b.path));
    let paths = found.volumes.iter().flat_map(|v| &v.paths);
    let long = timers::long(root, paths.map(|p| p.path.as_path()));
    found.timers = long.iter().map(ToString::to_string).collect();
    found
}

fn left_out(disk: &Disk, why: String) -> LeftOut {
    LeftOut {
        path: disk.device(),
        identity: disk.identity.clone(),
        why,
    }
}

fn group(name: String, identity: String, disks: &[Disk]) -> Group {
    let path = |d: &Disk| FoundPath {
        path: d.device(),
        address: d.address.clone(),
    };
    Group {
        name,
        identity,
        bytes: disks[0].bytes,
        model: disks[0].model.clone(),
        paths: disks.iter().map(path).collect(),
    }
}

/// The end of the identity: the same on every host and after every boot.
fn name(identity: &str, taken: &mut BTreeMap<String, u32>) -> String {
    let plain: Vec<char> = identity
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let end = plain.len().saturating_sub(8);
    let name = format!("vol-{}", plain[end..].iter().collect::<String>());
    let n = taken.entry(name.clone()).or_insert(0);
    *n += 1;
    match *n {
        1 => name,
        n => format!("{name}-{n}"),
    }
}

impl Found {
    /// A configuration, with what is left out as comments.
    pub fn toml(&self) -> String {
        let mut out = String::new();
        for v in &self.volumes {
            let _ = writeln!(
                out,
                "[[volume]]                    # {} {}",
                size(v.bytes),
                v.model
            );
            let _ = writeln!(out, "name     = {}", quoted(&v.name));
            let _ = writeln!(out, "identity = {}", quoted(&v.identity));
            let _ = writeln!(
                out,
                "# paths are found by the identity, also those that come later; now:"
            );
            for p in &v.paths {
                let _ = writeln!(out, "#   {}  {}", p.path.display(), p.address);
            }
            out.push('\n');
        }
        if !self.left_out.is_empty() {
            out.push_str("# left out:\n");
        }
        for l in &self.left_out {
            let _ = writeln!(out, "#   {}: {}", l.path.display(), l.why);
        }
        if !self.timers.is_empty() {
            out.push_str("# long timers of the kernel:\n");
        }
        for t in &self.timers {
            let _ = writeln!(out, "#   {t}");
        }
        out
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "volume \"{volume}\": no device that is free shows \"{identity}\"{in_use}; `mpio discover` shows what there is"
)]
pub struct NoPaths {
    volume: String,
    identity: String,
    in_use: String,
}

/// Volumes that name only their identity get the paths that there are: at least one, else nobody knows the size.
pub fn fill(config: &mut Config, root: &Path) -> Result<(), NoPaths> {
    if !config.volumes.iter().any(Volume::finds_paths) {
        return Ok(());
    }
    let disks = disks(root);
    for v in config.volumes.iter_mut().filter(|v| v.finds_paths()) {
        let identity = v.identity.clone().unwrap_or_default();
        let shows = |d: &&Disk| d.identity.as_deref() == Some(&identity);
        let (free, used): (Vec<&Disk>, Vec<&Disk>) =
            disks.iter().filter(shows).partition(|d| d.in_use.is_none());
        if free.is_empty() {
            let why = used.iter().map(|d| {
                let why = d.in_use.as_deref().unwrap_or_default();
                format!(", {} does and {why}", d.device().display())
            });
            return Err(NoPaths {
                volume: v.name.clone(),
                identity,
                in_use: why.collect(),
            });
        }
        v.paths = free.iter().map(|d| d.device()).collect();
        v.found = true;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::disks::tests::Host;

    fn host() -> Host {
        let host = Host::new();
        host.disk("sda", "naa.600144f0aa01", 1024)
            .disk("sdb", "naa.600144f0aa02", 2048)
            .disk("sdc", "naa.600144f0aa01", 1024)
            .disk("sdd", "naa.600144f0aa02", 2048)
            .disk("sde", "naa.5000000000000007", 64)
            .disk("sdf", "naa.odd", 10)
            .disk("sdg", "naa.odd", 11)
            .disk("sdh", "\n", 12);
        host.write("sys/class/block/sdd/holders/dm-3", "");
        host
    }

    #[test]
    fn disks_become_volumes_and_a_configuration() {
        let host = host();
        let found = discover(host.root(), 1, &BTreeMap::new());
        insta::assert_snapshot!(found.toml());
        insta::assert_json_snapshot!(found);
        // What is printed is what is read.
        let config = Config::parse(&found.toml(), Path::new("mpio.toml"));
        let mut config = config.unwrap();
        fill(&mut config, host.root()).unwrap();
        let paths = |n: usize| config.volumes[n].paths.clone();
        assert_eq!(paths(1), [Path::new("/dev/sda"), Path::new("/dev/sdc")]);
        assert_eq!(paths(2), [Path::new("/dev/sdb")]);
    }

    #[test]
    fn a_volume_whose_devices_are_not_there_is_named_with_the_reason() {
        let host = host();
        let text = "[[volume]]\nname = \"db\"\nidentity = \"naa.600144f0aa02\"\n";
        host.write("sys/class/block/sdb/ro", "1");
        let mut config = Config::parse(text, Path::new("mpio.toml")).unwrap();
        let error = fill(&mut config, host.root()).unwrap_err().to_string();
        assert!(error.contains("/dev/sdb does and is read-only"), "{error}");
        assert!(error.contains("/dev/sdd does and held by dm-3"), "{error}");
    }

    #[test]
    fn a_lonely_disk_is_no_volume_unless_it_is_asked_for() {
        let served = [("/dev/sda".into(), "db".into())].into();
        let found = discover(host().root(), 2, &served);
        assert!(found.volumes.is_empty(), "{found:?}");
        assert_eq!(found.left_out[0].why, "a path of \"db\", which is served");
        let found = discover(host().root(), 2, &BTreeMap::new());
        assert_eq!(found.volumes.len(), 1);
        let lonely = found.left_out.iter().find(|l| l.path.ends_with("sde"));
        assert!(lonely.unwrap().why.contains("--paths-min 1"));
    }

    #[test]
    fn names_do_not_collide() {
        let mut taken = BTreeMap::new();
        let names = ["naa.1234567890", "eui.1234567890", "", "nvme.a b"];
        let names = names.map(|i| name(i, &mut taken));
        assert_eq!(
            names,
            ["vol-34567890", "vol-34567890-2", "vol-", "vol-nvmeab"]
        );
    }
}

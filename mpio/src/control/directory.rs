//! What the shards' numbers mean: volumes and paths by name. Shards know indices only; the control side is the one that talks to people.
#![forbid(unsafe_code)]

use crate::kernel::Kernel;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub policy: String,
    pub kernel: Kernel,
    pub volumes: Vec<Entry>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    /// `/dev/ublkbN`.
    pub device: String,
    pub identity: String,
    /// Its paths are whatever shows its identity, also what comes later.
    pub finds_paths: bool,
    /// By the core's index; `None`: a place that is free.
    pub paths: Vec<Option<PathBuf>>,
}

/// Read at each look, written when a path is added.
pub type Names = Arc<RwLock<Directory>>;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("no volume \"{name}\" is served; there {}", are(.known))]
    Volume { name: String, known: Vec<String> },
    #[error("volume \"{volume}\" has no path {path}; there {}", are(.known))]
    Path {
        volume: String,
        path: String,
        known: Vec<String>,
    },
}

fn are(known: &[String]) -> String {
    match known {
        [] => "is none".into(),
        [one] => format!("is {one}"),
        more => format!("are {}", more.join(", ")),
    }
}

impl Directory {
    pub fn volume(&self, name: &str) -> Result<(u16, &Entry), NameError> {
        let at = self.volumes.iter().position(|v| v.name == name);
        match at {
            Some(at) => Ok((at as u16, &self.volumes[at])),
            None => Err(NameError::Volume {
                name: name.into(),
                known: self.volumes.iter().map(|v| v.name.clone()).collect(),
            }),
        }
    }
}

impl Entry {
    /// By its whole name, or by its last part: `/dev/sda`, `sda`.
    pub fn path(&self, name: &str) -> Result<u16, NameError> {
        let given = Path::new(name);
        let is = |p: &PathBuf| p == given || p.file_name() == Some(given.as_os_str());
        let at = self.paths.iter().position(|p| p.as_ref().is_some_and(is));
        at.map(|at| at as u16).ok_or_else(|| NameError::Path {
            volume: self.name.clone(),
            path: name.into(),
            known: self.names().collect(),
        })
    }

    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        let shown = self.paths.iter().flatten();
        shown.map(|p| p.display().to_string())
    }

    pub fn path_name(&self, path: u16) -> String {
        let name = self.paths.get(usize::from(path)).cloned().flatten();
        name.map_or_else(|| format!("path {path}"), |p| p.display().to_string())
    }
}

#[cfg(test)]
pub fn example() -> Directory {
    let paths = ["/dev/sda", "/dev/sdb"].map(|p| Some(PathBuf::from(p)));
    Directory {
        policy: "adaptive".into(),
        kernel: Kernel::default(),
        volumes: vec![Entry {
            name: "db".into(),
            device: "/dev/ublkb0".into(),
            identity: "naa.50001".into(),
            finds_paths: false,
            paths: [paths.to_vec(), vec![None]].concat(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_or_the_known_ones_told() {
        let d = example();
        let (at, db) = d.volume("db").unwrap();
        assert_eq!(at, 0);
        assert_eq!((db.path("sdb"), db.path("/dev/sda")), (Ok(1), Ok(0)));
        let error = db.path("sdc").unwrap_err().to_string();
        assert_eq!(
            error,
            "volume \"db\" has no path sdc; there are /dev/sda, /dev/sdb"
        );
        let error = d.volume("x").unwrap_err().to_string();
        assert_eq!(error, "no volume \"x\" is served; there is db");
        assert_eq!(db.path_name(2), "path 2");
    }
}

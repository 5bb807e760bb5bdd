//! A run's folder: what a person, a plot or a second run needs, without anything that changes from run to run but
//! `wall_ns`.
//!
//! The files are rendered in memory first: so two runs can be compared byte by byte, and a folder appears whole or not
//! at all. A folder of an earlier run is replaced by renaming; a folder that is no run's is never touched.

use super::model::{EventLine, TimelineRow};
use super::outcome::Outcome;
use crate::scenario::{self, Scenario};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of one run, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    pub report: String,
    pub events: String,
    pub timeline: String,
    pub scenario: String,
}

/// Something of the disk went wrong.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct FolderError {
    pub path: PathBuf,
    pub what: String,
}

fn error(path: &Path, what: impl ToString) -> FolderError {
    FolderError {
        path: path.to_path_buf(),
        what: what.to_string(),
    }
}

/// The files of a run that will stand in `folder`; `drawn` is the scenario of its seed.
pub fn render(outcome: &Outcome, drawn: &Scenario, folder: &Path) -> Files {
    let paths: Vec<String> = scenario::topology::paths(drawn)
        .into_iter()
        .map(|p| p.name)
        .collect();
    Files {
        report: report(outcome),
        events: events(&outcome.report.events),
        timeline: timeline(&outcome.report.timeline, &paths),
        scenario: scenario::to_toml_in(drawn, folder),
    }
}

fn report(outcome: &Outcome) -> String {
    outcome.json() + "\n"
}

pub fn events(events: &[EventLine]) -> String {
    let mut out = String::with_capacity(events.len() * 64);
    for event in events {
        out += &serde_json::to_string(event).unwrap_or_default();
        out.push('\n');
    }
    out
}

pub fn timeline(rows: &[TimelineRow], paths: &[String]) -> String {
    let mut out = String::from("at_ns,ios,errors,bytes,mean_ns,max_ns");
    for path in paths {
        let _ = write!(out, ",ios.{path}");
    }
    out.push('\n');
    for row in rows {
        let _ = write!(
            out,
            "{},{},{},{},{},{}",
            row.at_ns, row.ios, row.errors, row.bytes, row.mean_ns, row.max_ns
        );
        for path in 0..paths.len() {
            let ios = row.per_path_ios.get(path).copied().unwrap_or(0);
            let _ = write!(out, ",{ios}");
        }
        out.push('\n');
    }
    out
}

impl Files {
    fn each(&self) -> [(&'static str, &str); 4] {
        [
            ("scenario.toml", &self.scenario),
            ("events.jsonl", &self.events),
            ("timeline.csv", &self.timeline),
            ("report.json", &self.report),
        ]
    }

    /// The first line in which two runs differ.
    pub fn difference(&self, other: &Files) -> Option<String> {
        for ((name, a), (_, b)) in self.each().into_iter().zip(other.each()) {
            if a == b {
                continue;
            }
            let (mut a, mut b) = (a.lines(), b.lines());
            for line in 1u64.. {
                match (a.next(), b.next()) {
                    (None, None) => break,
                    (x, y) if x == y => {}
                    (x, y) => {
                        let shown = |l: Option<&str>| match l {
                            Some(l) => super::human::cut(l, 200),
                            None => "the end of the file".into(),
                        };
                        return Some(format!(
                            "{name} line {line}: first {}, then {}",
                            shown(x),
                            shown(y)
                        ));
                    }
                }
            }
            return Some(format!("{name}: line ends differ"));
        }
        None
    }

    /// Writes the folder, in the place of an earlier run's.
    pub fn write(&self, folder: &Path) -> Result<(), FolderError> {
        let parent = folder.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)
            .map_err(|e| error(parent, format!("cannot make the folder: {e}")))?;
        let stays = is_replaceable(folder)?;
        let aside = |what: &str| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            parent.join(format!(".{name}.{what}-{}", std::process::id()))
        };
        let (new, old) = (aside("new"), aside("old"));
        let _ = fs::remove_dir_all(&new);
        fs::create_dir(&new).map_err(|e| error(&new, format!("cannot make the folder: {e}")))?;
        let written = self.each().into_iter().try_for_each(|(name, text)| {
            let file = new.join(name);
            fs::write(&file, text)
                .map_err(|e| error(&folder.join(name), format!("cannot write: {e}")))
        });
        let renamed = written.and_then(|()| {
            let failed = |e| error(folder, format!("cannot replace the folder: {e}"));
            if stays {
                fs::rename(folder, &old).map_err(failed)?;
            }
            fs::rename(&new, folder).map_err(failed)
        });
        let _ = fs::remove_dir_all(&old);
        if renamed.is_err() {
            let _ = fs::remove_dir_all(&new);
        }
        renamed
    }
}

/// Writes `report.json` anew, when the other seeds of a run changed its verdict.
pub fn rewrite_report(folder: &Path, outcome: &Outcome) -> Result<(), FolderError> {
    let file = folder.join("report.json");
    let new = folder.join(format!(".report.json.new-{}", std::process::id()));
    fs::write(&new, report(outcome))
        .and_then(|()| fs::rename(&new, &file))
        .map_err(|e| error(&file, format!("cannot write: {e}")))
}

/// Whether something stands there that may be replaced.
fn is_replaceable(folder: &Path) -> Result<bool, FolderError> {
    let meta = match fs::symlink_metadata(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(error(folder, e)),
        Ok(meta) => meta,
    };
    let empty = || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if meta.is_dir() && (folder.join("report.json").is_file() || empty()) {
        return Ok(true);
    }
    Err(error(
        folder,
        "is in the way: not the folder of an earlier run, so it is not replaced",
    ))
}

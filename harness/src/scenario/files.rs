//! Finds scenario files and reads them, whatever is in them.

// A finding is large because it says much, and it is returned once a run.
#![allow(clippy::result_large_err)]

use super::diag::Diagnostic;
use super::model::Scenario;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf, absolute};

/// A scenario is about ten lines; what is larger than this is something else.
pub const MAX_FILE_BYTES: u64 = 4 << 20;

pub(super) fn too_large(file: &Path) -> Diagnostic {
    Diagnostic::of_file(file, "larger than 4MiB: not a scenario")
}

/// Reads one scenario file.
pub fn load(file: &Path, sets: &[(String, String)]) -> Result<Scenario, Vec<Diagnostic>> {
    let text = text_of(file).map_err(|d| vec![d])?;
    super::document::read(&text, file, &name_of(file), sets, true)
}

fn text_of(file: &Path) -> Result<String, Diagnostic> {
    let unreadable = |e: std::io::Error| Diagnostic::of_file(file, format!("cannot be read: {e}"));
    if fs::metadata(file).map_err(unreadable)?.is_dir() {
        return Err(Diagnostic::of_file(file, "a folder, not a scenario file"));
    }
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|f| f.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_large(file));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|b| **b == b'\n').count() + 1;
        let start = valid.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let column = String::from_utf8_lossy(&valid[start..]).chars().count() + 1;
        let message = format!("not a text in UTF-8: byte {}", valid.len());
        let mut d = Diagnostic::of_file(file, message);
        (d.line, d.column) = (line, column);
        d
    })?;
    if text.trim().is_empty() {
        return Err(Diagnostic::of_file(
            file,
            "the file is empty; a scenario needs [scenario] with a title, and a [[workload]]",
        ));
    }
    Ok(text)
}

/// A scenario's name: its path below the innermost folder `scenarios`, without `.toml`; elsewhere its file's name.
pub fn name_of(file: &Path) -> String {
    let absolute = absolute(file).unwrap_or_else(|_| file.to_path_buf());
    let parts: Vec<String> = absolute
        .with_extension("")
        .components()
        .filter_map(|c| match c {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let folders = parts.len().saturating_sub(1);
    let root = parts[..folders].iter().rposition(|p| p == "scenarios");
    parts[root.map_or(folders, |i| i + 1)..].join("/")
}

/// The scenario files among and below `paths`: files as given, folders searched for `*.toml`, in sorted order.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostic> {
    let mut found = Vec::new();
    for path in paths {
        let unreadable =
            |e: std::io::Error| Diagnostic::of_file(path, format!("cannot be read: {e}"));
        match fs::metadata(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Diagnostic::of_file(path, "no such file or folder"));
            }
            Err(e) => return Err(unreadable(e)),
            Ok(meta) if meta.is_dir() => below(path, &mut found, 0)?,
            Ok(_) => found.push(path.clone()),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|f| seen.insert(f.clone()));
    Ok(found)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>, depth: usize) -> Result<(), Diagnostic> {
    let unreadable =
        |e: std::io::Error| Diagnostic::of_file(folder, format!("cannot be read: {e}"));
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(unreadable)?.collect();
    let mut entries = entries.map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A linked folder is not entered: links can run in circles.
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() && depth < 32 {
            below(&path, found, depth + 1)?;
        } else if !kind.is_dir() && path.extension().is_some_and(|e| e == "toml") && path.is_file()
        {
            found.push(path);
        }
    }
    Ok(())
}

/// `file` as seen from `folder`. What both have above them is not named, so that a run's folder is the same wherever
/// the project lies.
pub(super) fn relative(file: &Path, folder: &Path) -> PathBuf {
    if let Ok(below) = file.strip_prefix(folder) {
        return below.to_path_buf();
    }
    let (Ok(file), Ok(folder)) = (absolute(file), absolute(folder)) else {
        return file.to_path_buf();
    };
    let climbs = |p: &Path| p.components().any(|c| c == Component::ParentDir);
    if climbs(&file) || climbs(&folder) {
        return file;
    }
    let common = file
        .components()
        .zip(folder.components())
        .take_while(|(a, b)| a == b)
        .count();
    let mut seen: PathBuf = folder.components().skip(common).map(|_| "..").collect();
    seen.extend(file.components().skip(common));
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_named_from_where_the_text_stands() {
        let seen = |file: &str, folder: &str| {
            relative(Path::new(file), Path::new(folder))
                .to_string_lossy()
                .into_owned()
        };
        assert_eq!(seen("scenarios/replay/a.fio", "scenarios/replay"), "a.fio");
        assert_eq!(
            seen("scenarios/replay/t/a.fio", "results/runs/x"),
            "../../../scenarios/replay/t/a.fio"
        );
        assert_eq!(seen("/a/b/c", "/a/d"), "../b/c");
        assert_eq!(seen("a.fio", ""), "a.fio");
        assert_eq!(seen("/x/../a.fio", "/b"), "/x/../a.fio");
    }
}

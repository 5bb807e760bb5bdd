//! From paths to scenarios. Everything that is wrong with any of them is told at once, before anything runs.

// A finding is large because it says much, and it is returned once a run.
#![allow(clippy::result_large_err)]

use super::{INVALID, NOTHING, Stop, Streams};
use crate::report::github::Annotations;
use crate::scenario::{self, Diagnostic, Scenario};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The scenarios among and below `paths`. On any error all of them are written, and the command stops.
pub fn scenarios(
    paths: &[PathBuf],
    sets: &[(String, String)],
    github: bool,
    streams: &mut Streams<'_>,
) -> Result<Vec<Scenario>, Stop> {
    let mut files = Vec::new();
    let mut findings = Vec::new();
    for path in paths {
        match scenario::find(std::slice::from_ref(path)) {
            Ok(found) => files.extend(found),
            Err(d) => findings.push(d),
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|f| seen.insert(f.clone()));
    let mut all = Vec::with_capacity(files.len());
    for file in &files {
        match scenario::load(file, sets) {
            Ok(s) => all.push(s),
            Err(found) => findings.extend(found),
        }
    }
    if !findings.is_empty() {
        let count = findings.len();
        if github {
            let mut annotations = Annotations::default();
            annotations.invalid(&findings);
            streams.out.write_all(annotations.write().as_bytes())?;
        }
        for text in once_per_set(findings) {
            writeln!(streams.err, "{} {text}", streams.err_style.bad("error:"))?;
        }
        let errors = crate::report::human::plural(count, "error");
        writeln!(streams.err, "{errors}: nothing was run")?;
        return Err(Stop {
            code: INVALID,
            message: String::new(),
        });
    }
    if all.is_empty() {
        let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
        return Err(Stop {
            code: NOTHING,
            message: format!("no scenario (*.toml) in {}", names.join(", ")),
        });
    }
    distinct(&mut all);
    Ok(all)
}

/// What is wrong with a `--set` is often wrong for every file: it is said once, with the number of the others.
fn once_per_set(findings: Vec<Diagnostic>) -> Vec<String> {
    let mut repeated: BTreeMap<(String, String), usize> = BTreeMap::new();
    let key = |d: &Diagnostic| Some((d.set.clone()?, d.message.clone()));
    for key in findings.iter().filter_map(key) {
        *repeated.entry(key).or_insert(0) += 1;
    }
    let mut lines = Vec::new();
    for d in &findings {
        match key(d) {
            None => lines.push(d.to_string()),
            Some(key) => match repeated.remove(&key) {
                None => {}
                Some(1) => lines.push(d.to_string()),
                Some(n) => lines.push(format!("{d} (and in {} more)", n - 1)),
            },
        }
    }
    lines
}

/// Two files of one name (resolved scenarios of several runs, say) must not share a folder: the later ones get a number.
fn distinct(all: &mut [Scenario]) {
    let mut taken = std::collections::BTreeSet::new();
    for s in all {
        let mut name = s.name.clone();
        let mut n = 1;
        while !taken.insert(name.clone()) {
            n += 1;
            name = format!("{}-{n}", s.name);
        }
        s.name = name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn names_are_told_apart() {
        let named = |name: &str| Scenario::named(name, Path::new("x"));
        let mut all = vec![named("a"), named("a-2"), named("a"), named("b"), named("a")];
        distinct(&mut all);
        let names: Vec<&str> = all.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["a", "a-2", "a-3", "b", "a-4"]);
    }
}

//! Joins the summaries of a search that ran in parts. What cannot be one search is refused: parts that share seeds would
//! count twice, and other builds or profiles are other searches.

use super::summary::Summary;
use std::path::{Path, PathBuf};

/// The folders with a summary among `given`: each itself, or those right below it.
pub fn find(given: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    for folder in given {
        if folder.join("summary.json").is_file() {
            found.push(folder.clone());
            continue;
        }
        let entries = std::fs::read_dir(folder)
            .map_err(|e| format!("{}: cannot be read: {e}", folder.display()))?;
        let mut below: Vec<PathBuf> = entries
            .filter_map(|e| e.ok())
            .map(|e| e.path())
            .filter(|p| p.join("summary.json").is_file())
            .collect();
        if below.is_empty() {
            return Err(format!(
                "{}: no summary.json here or in the folders below; harness fuzz --out writes it at its end",
                folder.display()
            ));
        }
        below.sort();
        found.append(&mut below);
    }
    Ok(found)
}

pub fn read(folder: &Path) -> Result<Summary, String> {
    let file = folder.join("summary.json");
    let text = std::fs::read_to_string(&file)
        .map_err(|e| format!("{}: cannot be read: {e}", file.display()))?;
    let summary: Summary = serde_json::from_str(&text)
        .map_err(|e| format!("{}: not a summary of harness fuzz: {e}", file.display()))?;
    if summary.schema != 1 {
        return Err(format!(
            "{}: schema {}, this build reads schema 1",
            file.display(),
            summary.schema
        ));
    }
    Ok(summary)
}

/// One summary of all, with the folders of the findings as seen from here.
pub fn join(all: &[(PathBuf, Summary)]) -> Result<Summary, String> {
    let [(first_folder, first), rest @ ..] = all else {
        return Err("nothing to merge".into());
    };
    let mut joined = located(first_folder, first);
    for (folder, other) in rest {
        let both = || format!("{} and {}", first_folder.display(), folder.display());
        if other.build != first.build {
            return Err(format!(
                "{} are of different builds ({} and {}): run all shards with one binary",
                both(),
                first.build,
                other.build
            ));
        }
        if other.profile != first.profile {
            return Err(format!(
                "{} have different profiles ({} and {})",
                both(),
                first.profile,
                other.profile
            ));
        }
        let mut here = located(folder, other);
        for part in &here.parts {
            for before in &joined.parts {
                if let Some(seed) = part.common(before) {
                    return Err(format!(
                        "{}: seed {seed} of shard {}/{} was also run by shard {}/{}: each seed may count once",
                        folder.display(),
                        part.shard.index,
                        part.shard.of,
                        before.shard.index,
                        before.shard.of
                    ));
                }
            }
        }
        joined.parts.append(&mut here.parts);
        joined.findings.append(&mut here.findings);
        joined.totals.join(&here.totals);
        joined.wall_ns = joined.wall_ns.max(here.wall_ns);
    }
    joined.findings.sort_by_key(|f| f.seed);
    joined.settle();
    Ok(joined)
}

/// A finding's folder is written relative to its summary.
fn located(folder: &Path, summary: &Summary) -> Summary {
    let mut s = summary.clone();
    for f in &mut s.findings {
        f.folder = folder.join(&f.folder).display().to_string();
        f.repro = format!("harness run {}/scenario.toml", f.folder);
    }
    s
}

/// Shards of a division that are not there, as `k/n`.
pub fn missing(s: &Summary) -> Vec<String> {
    let mut out = Vec::new();
    let mut divisions: Vec<u64> = s.parts.iter().map(|p| p.shard.of).collect();
    divisions.sort_unstable();
    divisions.dedup();
    for of in divisions {
        let there = |k: u64| {
            s.parts
                .iter()
                .any(|p| p.shard.of == of && p.shard.index == k)
        };
        // A number that nobody has machines for is a mistake elsewhere; it must not fill the terminal.
        out.extend(
            (0..of.min(10_000))
                .filter(|k| !there(*k))
                .map(|k| format!("{k}/{of}")),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::summary::{Finding, Line, Part, Shard, Totals};
    use super::*;

    fn part(index: u64, of: u64, codes: &[i32]) -> (PathBuf, Summary) {
        let mut totals = Totals::default();
        for _ in 0..5 {
            totals.add(&Line {
                ios: 10,
                virtual_ns: 1_000_000_000,
                ..Line::default()
            });
        }
        let finding = |exit: &i32| Finding {
            seed: index,
            exit: *exit,
            what: "ghost_write".into(),
            text: String::new(),
            folder: format!("seed-{index}"),
            repro: String::new(),
        };
        let mut s = Summary {
            schema: 1,
            build: "b".into(),
            profile: "swarm".into(),
            parts: vec![Part {
                shard: Shard { index, of },
                first: index,
                last: index + 4 * of,
            }],
            totals,
            findings: codes.iter().map(finding).collect(),
            exit: 0,
            wall_ns: 1_000 + index,
        };
        s.settle();
        (PathBuf::from(format!("out/{index}")), s)
    }

    #[test]
    fn totals_and_findings_add_up_to_one_exit_code() {
        let all = [part(0, 3, &[]), part(1, 3, &[12]), part(2, 3, &[11, 14])];
        let joined = join(&all).unwrap();
        assert_eq!((joined.totals.seeds, joined.totals.ios), (15, 150));
        assert_eq!(joined.exit, 11);
        assert_eq!(joined.findings.len(), 3);
        assert_eq!(joined.findings[0].folder, "out/1/seed-1");
        assert_eq!(
            joined.findings[0].repro,
            "harness run out/1/seed-1/scenario.toml"
        );
        assert_eq!(joined.wall_ns, 1_002);
        assert!(missing(&joined).is_empty());
        assert_eq!(missing(&join(&all[..2]).unwrap()), ["2/3"]);
    }

    #[test]
    fn what_is_not_one_search_is_refused() {
        let twice = join(&[part(1, 3, &[]), part(1, 3, &[])]).unwrap_err();
        assert!(twice.contains("seed 1 of shard 1/3"), "{twice}");
        let mut other = part(1, 3, &[]);
        other.1.build = "c".into();
        let build = join(&[part(0, 3, &[]), other]).unwrap_err();
        assert!(build.contains("different builds (b and c)"), "{build}");
        let mut other = part(1, 3, &[]);
        other.1.profile = "ghosts".into();
        let profile = join(&[part(0, 3, &[]), other]).unwrap_err();
        assert!(profile.contains("different profiles"), "{profile}");
        assert!(join(&[]).is_err());
    }

    #[test]
    fn a_joined_summary_can_be_joined_again() {
        let half = join(&[part(0, 4, &[]), part(1, 4, &[])]).unwrap();
        let text = serde_json::to_string(&half).unwrap();
        let read: Summary = serde_json::from_str(&text).unwrap();
        assert_eq!(read, half);
        let whole = join(&[(PathBuf::from("x"), read), part(2, 4, &[]), part(3, 4, &[])]).unwrap();
        assert_eq!(whole.totals.seeds, 20);
    }
}

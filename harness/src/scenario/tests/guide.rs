//! The guide to the language is tested as a newcomer would: its scenarios read, and it names what there is.

use super::{EVERYTHING, read};
use crate::scenario::metric;

const GUIDE: &str = include_str!("../../../../scenarios/README.md");

#[test]
fn the_scenarios_of_the_guide_read() {
    let blocks: Vec<&str> = GUIDE
        .split("```toml\n")
        .skip(1)
        .filter_map(|b| b.split("```").next())
        .collect();
    assert!(blocks.len() >= 2);
    for block in blocks {
        read(block).unwrap_or_else(|e| panic!("{e:#?}\n{block}"));
    }
}

#[test]
fn the_guide_names_every_key_and_every_fault() {
    for line in EVERYTHING.lines() {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        let named = [format!("`{key}`"), format!(".{key}`"), format!("{key} = ")];
        assert!(named.iter().any(|n| GUIDE.contains(n.as_str())), "{key}");
    }
    for kind in crate::scenario::faults::KINDS {
        assert!(GUIDE.contains(&format!("`{kind}`")), "{kind}");
    }
    for group in crate::scenario::targets::GROUPS {
        assert!(GUIDE.contains(&format!("`{group}`")), "{group}");
    }
}

#[test]
fn the_guide_names_every_metric() {
    // `app.{read,write}.{ios,errors}` stands for four names.
    let mut named = std::collections::BTreeSet::new();
    for pattern in GUIDE.split('`').filter(|p| !p.contains(' ')) {
        let mut names = vec![String::new()];
        for part in pattern.split_inclusive('}') {
            let (plain, choices) = part.split_once('{').unwrap_or((part, ""));
            let choices: Vec<&str> = choices.trim_end_matches('}').split(',').collect();
            names = names
                .iter()
                .flat_map(|n| choices.iter().map(move |c| format!("{n}{plain}{c}")))
                .collect();
        }
        named.extend(names);
    }
    for (name, _) in metric::all(&["<name>".to_string()]) {
        let rule = name.strip_prefix("rules.").unwrap_or(&name);
        assert!(named.contains(rule), "{name}");
    }
}

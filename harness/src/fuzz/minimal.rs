//! Writes a scenario with as few keys as possible. Which key is a default is not known here: a key that can be taken away so
//! that the rest still reads as the same scenario is superfluous, whatever the reason.

use crate::scenario::{self, Scenario};
use std::path::Path;
use toml_edit::{DocumentMut, Item, TableLike};

/// The scenario as TOML for `folder`, without what it says anyway.
pub fn to_toml(s: &Scenario, folder: &Path) -> String {
    let full = scenario::to_toml_in(s, folder);
    let Ok(mut doc) = full.parse::<DocumentMut>() else {
        return full;
    };
    let file = folder.join("scenario.toml");
    let Some(wanted) = read(&full, &file) else {
        return full;
    };
    let same = |doc: &DocumentMut| read(&doc.to_string(), &file).is_some_and(|s| s == wanted);
    for place in places(&doc) {
        let mut without = doc.clone();
        if remove(without.as_table_mut(), &place) && same(&without) {
            doc = without;
        }
    }
    let text = doc.to_string().trim_start().to_string();
    // What is left says the same, or everything is said.
    if read(&text, &file).is_some_and(|s| s == wanted) {
        text
    } else {
        full
    }
}

/// A scenario without what depends on the text's form.
fn read(text: &str, file: &Path) -> Option<Scenario> {
    let mut s = scenario::parse(text, file, "minimal", &[]).ok()?;
    for e in &mut s.expects {
        e.line = 0;
    }
    Some(s)
}

#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Everything that may be superfluous, whole tables before their keys; of several tables the last first, so that places
/// stay right.
fn places(doc: &DocumentMut) -> Vec<Vec<Step>> {
    let mut out = Vec::new();
    for (key, item) in doc.iter() {
        below(item, vec![Step::Key(key.to_string())], &mut out);
    }
    out
}

fn below(item: &Item, at: Vec<Step>, out: &mut Vec<Vec<Step>>) {
    let with = |step: Step| {
        let mut longer = at.clone();
        longer.push(step);
        longer
    };
    out.push(at.clone());
    if let Some(tables) = item.as_array_of_tables() {
        for i in (0..tables.len()).rev() {
            let Some(table) = tables.get(i) else { continue };
            out.push(with(Step::Index(i)));
            for (key, item) in table.iter() {
                let mut longer = with(Step::Index(i));
                longer.push(Step::Key(key.to_string()));
                below(item, longer, out);
            }
        }
    } else if let Some(table) = item.as_table_like() {
        for (key, item) in table.iter() {
            below(item, with(Step::Key(key.to_string())), out);
        }
    }
    // Once more when its keys are gone: an empty table says nothing.
    if item.is_array_of_tables() || item.is_table() {
        out.push(at);
    }
}

fn remove(table: &mut dyn TableLike, place: &[Step]) -> bool {
    match place {
        [Step::Key(key)] => table.remove(key).is_some(),
        [Step::Key(key), Step::Index(i), rest @ ..] => {
            let tables = table.get_mut(key).and_then(Item::as_array_of_tables_mut);
            let Some(tables) = tables.filter(|t| *i < t.len()) else {
                return false;
            };
            match rest {
                [] => {
                    tables.remove(*i);
                    true
                }
                rest => tables.get_mut(*i).is_some_and(|t| remove(t, rest)),
            }
        }
        [Step::Key(key), rest @ ..] => table
            .get_mut(key)
            .and_then(Item::as_table_like_mut)
            .is_some_and(|t| remove(t, rest)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal(text: &str) -> String {
        let s = scenario::parse(text, Path::new("x/scenario.toml"), "x", &[]).unwrap();
        to_toml(&s, Path::new("x"))
    }

    #[test]
    fn defaults_are_not_said() {
        assert_eq!(
            minimal(
                "[scenario]\ntitle = \"t\"\nduration = \"3s\"\n[array]\nports = 2\n[[workload]]\nread = 70\n"
            ),
            "[scenario]\ntitle = \"t\"\n\n[[workload]]\n"
        );
    }

    #[test]
    fn what_differs_stays_also_inside_tables() {
        let text = minimal(
            "[scenario]\ntitle = \"t\"\n[array]\nservice = { read = \"1ms\", write = \"80us\" }\n\
             [[volume]]\nname = \"vol0\"\n[[volume]]\nname = \"b\"\nowner = \"B\"\n\
             [[workload]]\nvolume = \"b\"\n[[fault]]\nat = \"1s\"\non = \"all\"\ndo = \"late\"\nafter = \"1s\"\n",
        );
        assert!(
            text.contains("service = { read = \"1ms\"}")
                || text.contains("service = { read = \"1ms\" }"),
            "{text}"
        );
        assert_eq!(text.matches("[[volume]]").count(), 2, "{text}");
        assert!(
            text.contains("owner = \"B\"") && text.contains("volume = \"b\""),
            "{text}"
        );
        assert!(
            !text.contains("after") && !text.contains("present"),
            "{text}"
        );
    }
}

//! The command that repeats a run, ready to be pasted into a shell.

use std::path::Path;

/// Everything of the command line that changes what a run does.
pub struct Given<'g> {
    pub policy: Option<&'g str>,
    pub sets: &'g [(String, String)],
    pub twice: bool,
    /// Words for a run on a real device.
    pub target: &'g [String],
}

pub fn command(file: &Path, seed: u64, given: &Given<'_>) -> String {
    let mut out = format!(
        "harness run {} --seed {seed}",
        quoted(&file.to_string_lossy())
    );
    if let Some(policy) = given.policy {
        out += &format!(" --policy {}", quoted(policy));
    }
    for (key, value) in given.sets {
        out += &format!(" --set {}", quoted(&format!("{key}={value}")));
    }
    for word in given.target {
        out += &format!(" {}", quoted(word));
    }
    if given.twice {
        out += " --twice";
    }
    out
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@%+,".contains(c);
    if !word.is_empty()
        && word.chars().all(plain)
        && (!word.starts_with('-') || word.starts_with("--"))
    {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_it_as_it_was_meant() {
        let sets = [
            ("datapath.policy".into(), "\"numa\"".into()),
            ("workload.0.depth".into(), "64".into()),
        ];
        let given = Given {
            policy: Some("numa"),
            sets: &sets,
            twice: false,
            target: &[],
        };
        assert_eq!(
            command(Path::new("scenarios/it's.toml"), 7, &given),
            r#"harness run 'scenarios/it'\''s.toml' --seed 7 --policy numa --set 'datapath.policy="numa"' --set workload.0.depth=64"#
        );
    }
}

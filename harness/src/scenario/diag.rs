//! What is wrong in a scenario, where, and what would be right. All findings of a file are reported together.

use std::fmt;
use std::path::PathBuf;

/// One finding. `line` and `column` count from 1; they are 0 where the finding has no place in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
    pub message: String,
    /// What stands there.
    pub found: Option<String>,
    /// What may stand there.
    pub allowed: Vec<String>,
    /// The nearest allowed word.
    pub nearest: Option<String>,
    /// The `--set` that the finding is about, as it was given.
    pub set: Option<String>,
}

impl Diagnostic {
    /// A finding about the file as a whole.
    pub fn of_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Diagnostic {
            file: file.into(),
            line: 0,
            column: 0,
            message: message.into(),
            found: None,
            allowed: Vec::new(),
            nearest: None,
            set: None,
        }
    }

    pub fn found(&mut self, what: impl AsRef<str>) -> &mut Self {
        self.found = Some(shortened(what.as_ref()));
        self
    }

    pub fn allowed<I: IntoIterator<Item = S>, S: Into<String>>(&mut self, words: I) -> &mut Self {
        self.allowed = words.into_iter().map(Into::into).collect();
        self
    }

    /// Names the allowed words and the nearest of them to what was found.
    pub fn instead_of(&mut self, word: &str, allowed: &[&str]) -> &mut Self {
        self.nearest = nearest(word, allowed.iter().copied());
        self.allowed(allowed.iter().copied())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(set) = &self.set {
            write!(f, ": --set {set}")?;
        } else if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(found) = &self.found {
            write!(f, ", found {found}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; did you mean '{nearest}'?")?;
        }
        if !self.allowed.is_empty() {
            let lead = if self.nearest.is_some() { " " } else { "; " };
            write!(f, "{lead}allowed: {}", self.allowed.join(", "))?;
        }
        Ok(())
    }
}

/// The allowed word that is nearest to `word`, if one is near enough to be a slip of the fingers.
pub fn nearest<'a>(word: &str, allowed: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    allowed
        .into_iter()
        .map(|a| {
            let distance = strsim::damerau_levenshtein(&lower, &a.to_lowercase());
            (distance, a)
        })
        .filter(|(distance, a)| *distance <= 1 + a.len().max(word.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, a)| *distance < a.chars().count().max(2))
        .map(|(_, a)| a.to_string())
}

/// A quotation short enough for one line, without control characters.
pub fn shortened(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(60)
        .flat_map(|c| c.escape_debug())
        .collect();
    out = out.replace("\\\"", "\"").replace("\\'", "'");
    if text.chars().nth(60).is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_has_a_neighbour_and_noise_has_none() {
        let keys = ["policy", "io_timeout", "no_path", "fence", "quiesce"];
        assert_eq!(nearest("polcy", keys).as_deref(), Some("policy"));
        assert_eq!(nearest("Fence", keys).as_deref(), Some("fence"));
        assert_eq!(nearest("zzzzzzzz", keys), None);
        assert_eq!(nearest("", keys), None);
    }

    #[test]
    fn it_reads_as_one_line() {
        let mut d = Diagnostic::of_file("a.toml", "unknown key 'polcy' in [datapath]");
        (d.line, d.column) = (4, 1);
        d.instead_of("polcy", &["policy", "fence"]);
        assert_eq!(
            d.to_string(),
            "a.toml:4:1: unknown key 'polcy' in [datapath]; did you mean 'policy'? allowed: policy, fence"
        );
    }

    #[test]
    fn control_characters_and_long_texts_are_tamed() {
        assert_eq!(shortened("a\nb\u{1b}[1m"), "a\\nb\\u{1b}[1m");
        assert!(shortened(&"x".repeat(1000)).chars().count() <= 61);
    }
}

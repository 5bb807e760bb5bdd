//! Why a case could not be judged. Never a fact: a case that ends in one of these fails.

use std::path::Path;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
    #[error("{command} ended with {code:?}: {text}")]
    Command {
        command: String,
        code: Option<i32>,
        text: String,
    },
    #[error("{what} did not happen within {seconds} s")]
    Waited { what: String, seconds: u64 },
    #[error("{0}")]
    Unexpected(String),
    #[error("line {line}: {why}")]
    Events { line: usize, why: String },
}

pub type Result<T> = std::result::Result<T, Error>;

/// Names the file in the error.
pub fn at<T>(path: &Path, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|source| Error::Io {
        what: path.display().to_string(),
        source,
    })
}

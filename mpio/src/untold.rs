//! A flush that failed, and whose application has not been told: kept on disk, since a daemon that is killed between the array's word and
//! its own would take the word along, and the flush that its successor is given again would succeed (`datapath::core::Core::untold`).
//!
//! A byte for each shard in a file for each volume, beside the state. It is made with its pages before the volume is served, so that
//! writing the word needs nothing; a killed daemon's writes are the kernel's, and a machine that dies takes the volume's device along.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Of one volume, beside the state.
pub fn file(state: &Path, volume: &str) -> PathBuf {
    let stem = state.with_extension("").with_extension("");
    let name = stem.file_name().unwrap_or_default().to_string_lossy();
    state.with_file_name(format!("{name}.untold.{volume}"))
}

/// By shard of a dead daemon: its word is still to be told.
pub fn left(file: &Path) -> io::Result<Vec<bool>> {
    match std::fs::read(file) {
        Ok(words) => Ok(words.iter().map(|w| *w != 0).collect()),
        // One of before there were such files, or of a daemon that ended before it served.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// The file for a daemon that begins: what one before it left `untold` is in it until it is told, also while this is done.
pub fn open(file: &Path, shards: u16, untold: &[bool]) -> io::Result<Arc<File>> {
    let mut options = File::options();
    let open = options.read(true).write(true).create(true).truncate(false);
    let open = open.open(file)?;
    let shards = 0..usize::from(shards);
    let words: Vec<u8> = shards
        .map(|s| u8::from(untold.get(s) == Some(&true)))
        .collect();
    open.write_all_at(&words, 0)?;
    open.set_len(words.len() as u64)?;
    Ok(Arc::new(open))
}

/// A shard's end of it.
#[derive(Debug, Default)]
pub struct Word {
    file: Option<Arc<File>>,
    shard: u16,
    /// What the file says.
    pub written: bool,
    /// An answer is on its way that may have told it.
    pub answered: bool,
}

impl Word {
    pub fn new(file: Arc<File>, shard: u16, written: bool) -> Word {
        Word {
            file: Some(file),
            shard,
            written,
            answered: false,
        }
    }

    /// A flush has failed. On disk when this returns.
    #[cold]
    pub fn keep(&mut self) {
        self.write(true);
    }

    /// Every application that was to be told has been.
    #[cold]
    pub fn told(&mut self) {
        self.write(false);
    }

    fn write(&mut self, word: bool) {
        self.answered = false;
        self.written = word;
        let Some(file) = &self.file else { return };
        if let Err(e) = file.write_all_at(&[u8::from(word)], u64::from(self.shard)) {
            tracing::error!("a failed flush is not written down: {e}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_outlives_its_daemon_until_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let state = crate::state::file(&folder.path().join("mpio.sock"));
        let file = file(&state, "db.1");
        assert_eq!(file, folder.path().join("mpio.untold.db.1"));
        assert_eq!(left(&file).unwrap(), [false; 0]);
        std::fs::write(&file, [1, 1, 1, 1]).unwrap();
        let words = open(&file, 3, &[]).unwrap();
        assert_eq!(left(&file).unwrap(), [false; 3], "of a volume that is gone");
        Word::new(words.clone(), 1, false).keep();
        drop(words);
        let untold = left(&file).unwrap();
        assert_eq!(untold, [false, true, false]);
        let words = open(&file, 3, &untold).unwrap();
        assert_eq!(
            left(&file).unwrap(),
            untold,
            "a second crash changes nothing"
        );
        let mut word = Word::new(words, 1, true);
        word.told();
        assert_eq!(left(&file).unwrap(), [false; 3]);
        assert!(!word.written);
    }
}

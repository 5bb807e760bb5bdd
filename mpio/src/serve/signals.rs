//! SIGTERM and SIGINT. A daemon that serves stops in order. One that takes over what a dead daemon left cannot: stopping in order would
//! take the devices from programs that wait for them. It ends at once, and what was left stays left; so does one that is told twice.
#![forbid(unsafe_code)]

use super::{ServeError, system};
use crate::handover::Word;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

pub struct Signals {
    /// While devices are taken over: the socket of this daemon's own.
    recovering: Arc<Mutex<Option<PathBuf>>>,
}

impl Signals {
    pub fn watch(words: Sender<Word>, socket: &Path) -> Result<Signals, ServeError> {
        let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
            .map_err(system("watching for signals"))?;
        let recovering = Arc::<Mutex<Option<PathBuf>>>::default();
        let (now, socket) = (recovering.clone(), socket.to_path_buf());
        let watch = move || {
            for (nth, _) in signals.forever().enumerate() {
                let mine = now.lock().unwrap_or_else(|e| e.into_inner()).clone();
                if mine.is_none() && nth == 0 {
                    let _ = words.send(Word::Stop);
                    continue;
                }
                let when = match mine.is_some() {
                    true => "while taking over what a daemon before it left",
                    false => "a second time, before it had stopped in order",
                };
                eprintln!(
                    "mpio: told to end {when}: it ends at once. The devices stay and their I/O waits; `mpio serve` takes them over, `mpio recover` shows them"
                );
                // A dead socket would be no harm, but nobody would know whose it was.
                let _ = std::fs::remove_file(mine.as_ref().unwrap_or(&socket));
                std::process::exit(1);
            }
        };
        let thread = std::thread::Builder::new()
            .name("signals".into())
            .spawn(watch);
        thread.map_err(system("starting the signals' thread"))?;
        Ok(Signals { recovering })
    }

    /// Devices are being taken over that another daemon left, by one whose socket stands here for now; or not any more.
    pub fn recovering(&self, socket: Option<&Path>) {
        let mut now = self.recovering.lock().unwrap_or_else(|e| e.into_inner());
        *now = socket.map(Path::to_path_buf);
    }
}

//! `mpio serve`: from the configuration to running devices, and back to none; or to another daemon that serves them.
#![forbid(unsafe_code)]

mod crew;
mod devices;
mod generation;
mod plan;
mod signals;

use crate::config::Config;
use crate::control::admin::{Admin, AdminError};
use crate::control::process;
use crate::device::DeviceError;
use crate::front::FrontError;
use crate::handover::{Asked, PROTOCOL, TakeOver, TakeOverError, Word};
use crate::state::{self, StateError};
use generation::Generation;
use plan::{Inherited, Ready};
use sd_notify::NotifyState;
use signals::Signals;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    TakeOver(#[from] TakeOverError),
    #[error("volume \"{volume}\": {source}")]
    Device { volume: String, source: DeviceError },
    #[error("volume \"{volume}\": {source}")]
    Front { volume: String, source: FrontError },
    #[error("volume \"{volume}\": {what}")]
    Volume { volume: String, what: String },
    #[error(
        "told to end before it had taken over what a daemon before it left: the devices stay and their I/O waits; `mpio serve` takes them over, `mpio recover` shows them"
    )]
    Stopped,
    #[error("{doing}: {source}")]
    System {
        doing: &'static str,
        source: io::Error,
    },
}

impl ServeError {
    pub fn exit_code(&self) -> u8 {
        match self {
            ServeError::TakeOver(TakeOverError::Client(e)) => e.exit_code(),
            _ => 1,
        }
    }
}

fn system(doing: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |source| ServeError::System { doing, source }
}

/// Serves until it is told to stop, by a signal or over the socket, or until another daemon serves in its place.
///
/// `take_over`: from the daemon that answers at the socket, which must be one.
pub fn serve(config: &Config, take_over: bool) -> Result<(), ServeError> {
    let socket = &config.daemon.socket;
    let (words, hear) = mpsc::channel();
    let state_file = state::file(socket);
    let signals = Signals::watch(words.clone(), socket)?;
    let (mut admin, mut ready, predecessor) = if take_over {
        let (admin, ready, predecessor) = take(config)?;
        (admin, ready, Some(predecessor))
    } else {
        let admin = Admin::bind(socket)?;
        devices::drop_unstarted(&state_file)?;
        let before = Inherited::of_the_dead(&state_file)?;
        signals.recovering(admin.file().filter(|_| !before.is_empty()));
        (admin, Ready::new(config, &before)?, None)
    };
    let mut predecessor = predecessor;
    let mut number = 0;
    loop {
        let began = Instant::now();
        signals.recovering(admin.file().filter(|_| ready.inherits()));
        // From here on a signal ends it at once; this is for one that came before.
        if ready.inherits() && is_told_to_stop(&hear) {
            return Err(ServeError::Stopped);
        }
        let generation = Generation::begin(config, ready, &admin, &state_file, &words, number)?;
        if let Some(other) = predecessor.take() {
            tracing::info!("taken over after {} ms", began.elapsed().as_millis());
            admin.publish(socket)?;
            if let Err(e) = other.taken() {
                tracing::warn!("telling the daemon before this one that it may end: {e}");
            }
            process::tell(NotifyState::MainPid(std::process::id()));
        }
        signals.recovering(None);
        println!("ready");
        process::tell(NotifyState::Ready);
        let Some(asked) = attend(&hear, &generation, number) else {
            process::tell(NotifyState::Stopping);
            tracing::info!("stopping");
            return generation.stop();
        };
        let version = asked.version.clone();
        tracing::info!("handing over to a daemon of version {version}");
        if asked.give(generation.let_go()?) {
            tracing::info!("the other daemon serves: ending");
            admin.leave();
            return Ok(());
        }
        tracing::error!("the other daemon did not come to serve: its devices are taken back");
        // It may have sent something, and have written down what.
        let before = Inherited::of_the_dead(&state_file)?;
        ready = Ready::new(config, &before)?;
        number += 1;
    }
}

/// Until there is a reason to end: `None`, or a successor that may have the volumes.
fn attend(hear: &Receiver<Word>, generation: &Generation, number: u32) -> Option<Asked> {
    loop {
        match hear.recv() {
            Ok(Word::HandOver(asked)) if asked.waits() => match refusal(&asked, generation) {
                Some(why) => {
                    tracing::warn!("a hand-over is refused: {why}");
                    asked.refuse(why);
                }
                None => return Some(asked),
            },
            Ok(Word::HandOver(_)) => {}
            // Of one that has let go.
            Ok(Word::Ended(of)) if of != number => {}
            Ok(Word::Stop | Word::Ended(_)) | Err(_) => return None,
        }
    }
}

/// Nothing else is said before a generation serves, but by those that have ended.
fn is_told_to_stop(hear: &Receiver<Word>) -> bool {
    hear.try_iter().any(|word| matches!(word, Word::Stop))
}

/// Why a successor cannot have the volumes.
fn refusal(asked: &Asked, generation: &Generation) -> Option<String> {
    if asked.protocol != PROTOCOL {
        return Some(format!(
            "this daemon, version {}, hands over by protocol {PROTOCOL}, and the other one, version {}, takes over by {}: stop this one with `mpio stop`, and start the other",
            env!("CARGO_PKG_VERSION"),
            asked.version,
            asked.protocol
        ));
    }
    generation.cannot_let_go(&asked.volumes)
}

/// Everything that can fail is done before the other daemon is asked; from then on applications wait.
fn take(config: &Config) -> Result<(Admin, Ready, TakeOver), ServeError> {
    let socket = &config.daemon.socket;
    let before = Inherited::of_the_dead(&state::file(socket))?;
    let ready = Ready::new(config, &before)?;
    let admin = Admin::beside(socket)?;
    let volumes = config.volumes.iter().map(|v| v.name.clone()).collect();
    let (other, handed) = TakeOver::ask(socket, volumes)?;
    let ready = ready.again(config, &Inherited::of_the_living(handed))?;
    Ok((admin, ready, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_to_stop_is_not_forgotten_on_the_way() {
        let (words, hear) = mpsc::channel();
        assert!(!is_told_to_stop(&hear));
        words.send(Word::Ended(0)).unwrap();
        assert!(!is_told_to_stop(&hear));
        words.send(Word::Stop).unwrap();
        assert!(is_told_to_stop(&hear));
    }
}

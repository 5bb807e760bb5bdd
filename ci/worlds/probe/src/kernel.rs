//! The kernel's half of a case: a command is sent over the path that is cut, a newer write of the same block over the other
//! one, and the media tell what happened in which order.

use crate::block;
use crate::cuts::Cut;
use crate::error::{Error, Result};
use crate::facts::{Answered, Executed, Facts, Path};
use crate::shell::{must, wait_for};
use crate::stage::{Media, Stage};
use std::fs::File;
use std::sync::mpsc::{Receiver, channel};

/// How long the cut lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Until the host has told its user something about the command.
    Answered,
    /// Shorter than every timer of the host.
    Short,
    /// Until the host has given the connection up, although its user was told nothing.
    Disconnected,
}

pub struct Case {
    pub name: &'static str,
    pub cut: Cut,
    pub hold: Hold,
    /// How long the host holds I/O of a path that it has lost, in seconds; None: for ever.
    pub fast_io_fail: Option<u32>,
    pub read: bool,
    /// Two outcomes between which two of the kernel's workers race; either is the fact.
    pub race: Option<[&'static str; 2]>,
}

const fn case(name: &'static str, cut: Cut, hold: Hold) -> Case {
    Case {
        name,
        cut,
        hold,
        fast_io_fail: Some(1),
        read: false,
        race: None,
    }
}

/// The host's own time-out for the command, or for the path, whichever comes first on a loaded machine.
const GIVEN_UP: Option<[&str; 2]> = Some(["ENOLINK", "EIO"]);

pub const CASES: [Case; 12] = [
    case("short-silence", Cut::Drop, Hold::Short),
    Case {
        race: GIVEN_UP,
        ..case("long-silence", Cut::Drop, Hold::Answered)
    },
    Case {
        race: GIVEN_UP,
        ..case("answers-lost", Cut::DropAnswers, Hold::Answered)
    },
    Case {
        fast_io_fail: None,
        ..case("answers-lost-resent", Cut::DropAnswers, Hold::Disconnected)
    },
    case("reset", Cut::Reset, Hold::Answered),
    case("port-disabled", Cut::Port, Hold::Answered),
    Case {
        // The target's error, or that of a device that the host has removed on the target's notice.
        race: Some(["EIO", "ENOSPC"]),
        ..case("namespace-disabled", Cut::Namespace, Hold::Answered)
    },
    case("inaccessible", Cut::Inaccessible, Hold::Answered),
    Case {
        read: true,
        ..case("medium-error", Cut::Medium, Hold::Answered)
    },
    case("short-stall", Cut::Stall, Hold::Short),
    Case {
        race: GIVEN_UP,
        ..case("long-stall", Cut::Stall, Hold::Answered)
    },
    case("deleted-in-a-stall", Cut::StallAndDelete, Hold::Answered),
];

const BLOCK: u64 = 2;
/// A block that only the last question uses.
const OTHER_BLOCK: u64 = 40;
const OLD: u64 = 0x01d;
const HIT: u64 = 0x417;
const NEWER: u64 = 0x9e3e7;
const LAST: u64 = 0x1a57;

/// How long something that should not happen is waited for, and something that should: both generous on an emulated machine.
const GRACE_S: u64 = 2;
const PATIENCE_S: u64 = 30;
/// A short cut ends before the host's timers do, which are set to five seconds.
const SHORT_S: u64 = 1;

pub fn run(case: &Case) -> Result<Facts> {
    let media = if case.read {
        Media::Scsi
    } else {
        Media::Memory
    };
    let stage = Stage::build(media, case.fast_io_fail)?;
    let facts = play(case, &stage);
    if facts.is_err() {
        // The next case needs a whole machine; whether this one was broken yet is not known.
        let _ = case.cut.heal();
    }
    let struck = stage.strike();
    let facts = facts?;
    struck?;
    Ok(facts)
}

/// The command's outcome, when there is one.
struct Pending {
    answer: Receiver<String>,
    got: Option<String>,
}

impl Pending {
    fn send(file: File, read: bool) -> Pending {
        let (tell, answer) = channel();
        std::thread::spawn(move || {
            let outcome = if read {
                block::outcome(&block::read(&file, BLOCK))
            } else {
                block::outcome(&block::write(&file, BLOCK, HIT))
            };
            // Nobody listens any more where the case has given up.
            let _ = tell.send(outcome);
        });
        Pending { answer, got: None }
    }

    fn ask(&mut self) -> Option<String> {
        if self.got.is_none() {
            self.got = self.answer.try_recv().ok();
        }
        self.got.clone()
    }
}

fn play(case: &Case, stage: &Stage) -> Result<Facts> {
    // A device has its name a little before it can be opened.
    let opened =
        |path: usize, what: &str| must(what, PATIENCE_S, || block::open(&stage.device(path)?).ok());
    let path = opened(0, "the cut path's device")?;
    let other = opened(1, "the other path's device")?;
    let media = block::open(stage.media())?;
    let on_media = || io("the media", block::read(&media, BLOCK));
    io("the other path", block::write(&other, BLOCK, OLD))?;
    io("the path", block::write(&path, OTHER_BLOCK, OLD))?;
    if on_media()? != OLD {
        return Err(Error::Unexpected(
            "a write over the other path is not on the media".into(),
        ));
    }

    case.cut.start()?;
    let mut pending = Pending::send(io("the path", path.try_clone())?, case.read);
    // Whatever is going to happen at once has happened after this.
    let at_once_s = match case.hold {
        Hold::Short => SHORT_S,
        Hold::Answered | Hold::Disconnected => GRACE_S,
    };
    let at_once = wait_for(at_once_s, || (on_media().ok()? == HIT).then_some(())).is_some();
    case.cut.then(stage)?;
    if !case.read {
        let newer = if case.cut.spares_the_other_path() {
            &other
        } else {
            &media
        };
        io("the newer write", block::write(newer, BLOCK, NEWER))?;
    }
    match case.hold {
        Hold::Short => {}
        Hold::Answered => {
            must("an answer", PATIENCE_S, || pending.ask())?;
        }
        Hold::Disconnected => {
            let state = stage.controller(0).join("state");
            must("the loss of the connection", PATIENCE_S, || {
                let state = std::fs::read_to_string(&state).ok()?;
                (state.trim() != "live").then_some(())
            })?;
        }
    }
    let told = pending.ask();
    let again = !case.read && on_media()? == HIT;
    case.cut.heal()?;

    let named = |outcome: String| match case.race {
        Some([a, b]) if outcome == a || outcome == b => format!("{a} or {b}"),
        _ => outcome,
    };
    let answered = match told {
        Some(outcome) => Answered::During(named(outcome)),
        None => wait_for(PATIENCE_S, || pending.ask())
            .map_or(Answered::Nothing, |outcome| Answered::After(named(outcome))),
    };
    let after =
        !case.read && wait_for(GRACE_S, || (on_media().ok()? == HIT).then_some(())).is_some();
    Ok(Facts {
        executed: (!case.read).then_some(Executed {
            during: at_once || again,
            after,
        }),
        answered,
        late: after || again,
        path: comes_back(stage, &path),
    })
}

fn comes_back(stage: &Stage, file: &File) -> Path {
    let found = wait_for(PATIENCE_S, || {
        if !stage.controller(0).exists() {
            return Some(Path::Gone);
        }
        let device = stage.device(0)?;
        if block::write(file, OTHER_BLOCK, LAST).is_ok() {
            return Some(Path::Back);
        }
        let anew = block::open(&device).ok()?;
        block::write(&anew, OTHER_BLOCK, LAST)
            .is_ok()
            .then_some(Path::Reopen)
    });
    found.unwrap_or(Path::Gone)
}

fn io<T>(what: &str, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|source| Error::Io {
        what: what.to_string(),
        source,
    })
}

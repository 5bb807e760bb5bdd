//! The core's events as log lines, with the volume and the path as fields: to the journal where standard error is connected to it, to standard
//! error else. What repeats itself is told a few times and then counted: a flapping fabric with hundreds of paths must not fill a disk.
#![forbid(unsafe_code)]

use super::directory::{Directory, Entry};
use crate::seen::{Note, spelled};
use datapath::core::path::Admin;
use datapath::core::{Event, LossCause};
use protocol::PathId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tracing_subscriber::prelude::*;

/// So many lines of one kind for one path, in so long; what comes beyond them is counted.
const BURST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// To be called once, before the first line.
pub fn init() {
    let level = std::env::var("MPIO_LOG").ok();
    let level = level.and_then(|l| l.parse::<tracing::level_filters::LevelFilter>().ok());
    let level = level.unwrap_or(tracing::level_filters::LevelFilter::INFO);
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let plain = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_target(false)
    });
    // A second call (in tests) finds a logger in place, which is as good.
    let _ = tracing_subscriber::registry()
        .with(level)
        .with(journal)
        .with(plain)
        .try_init();
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    Info,
    Warn,
    Error,
}

/// One line, before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub weight: Weight,
    /// What kind of line it is: each is limited by itself.
    pub kind: &'static str,
    pub path: Option<PathId>,
    pub text: String,
}

/// What an admin would want to know of an event; most events are nobody's business.
pub fn line(event: &Event) -> Option<Line> {
    use Weight::{Error, Info, Warn};
    let of = |weight, kind, path: Option<PathId>, text: String| {
        Some(Line {
            weight,
            kind,
            path,
            text,
        })
    };
    match *event {
        Event::Health { path, from, to } => {
            let text = format!("health {} → {}", spelled(from), spelled(to));
            of(Info, "health", Some(path), text)
        }
        Event::Admin { path, to, .. } => {
            let text = match to {
                Admin::Enabled => "enabled by the operator",
                Admin::Standby => "standby, by the operator",
                Admin::Failed => "failed by the operator",
                Admin::Absent => "removed",
            };
            of(Info, "admin", Some(path), text.into())
        }
        Event::Access { path, from, to, .. } => {
            let text = format!("access {} → {}", spelled(from), spelled(to));
            of(Info, "access", Some(path), text)
        }
        Event::Usable { path, usable, .. } => match usable {
            true => of(Info, "usable", Some(path), "usable".into()),
            false => of(Warn, "usable", Some(path), "not usable".into()),
        },
        Event::Identity { path, wrong, .. } => match wrong {
            true => {
                let text = "shows another volume: not used";
                of(Error, "identity", Some(path), text.into())
            }
            false => {
                let text = "shows the right volume again";
                of(Info, "identity", Some(path), text.into())
            }
        },
        Event::Lost {
            path,
            cause,
            attempts,
            ..
        } => {
            let weight = if cause == LossCause::Removed {
                Info
            } else {
                Warn
            };
            let text = format!("lost ({}), {attempts} commands to redo", spelled(cause));
            of(weight, "lost", Some(path), text)
        }
        Event::AttemptLost { path, .. } => {
            let text = "one command is not answered: it is sent again, the path stays";
            of(Warn, "attempt_lost", Some(path), text.into())
        }
        Event::Register { path } => of(Info, "register", Some(path), "new path".into()),
        Event::NoPath { queued, .. } => {
            let text = format!("no usable path, {queued} commands wait");
            of(Error, "no_path", None, text)
        }
        Event::PathBack { outage, .. } => {
            let ms = outage.0 / 1_000_000;
            let text = format!("a path again after {}.{:03} s", ms / 1000, ms % 1000);
            of(Warn, "path_back", None, text)
        }
        Event::NoPathFailed { failed, .. } => {
            let text = format!("{failed} commands failed for want of a path");
            of(Error, "no_path_failed", None, text)
        }
        Event::Resized { from, to, .. } => {
            let text = format!("{to} blocks, {from} before");
            of(Warn, "resized", None, text)
        }
        Event::DoubtsFull { path, held, .. } => {
            let text = format!("{held} lost writes are held: too many ranges are in doubt");
            of(Warn, "doubts_full", Some(path), text)
        }
        Event::ShadowsFull { bytes, .. } => {
            let text = format!(
                "no room beside {bytes} bytes of shadows: writes over what is in doubt are held"
            );
            of(Warn, "shadows_full", None, text)
        }
        Event::Shadows { count: 0, .. } => {
            let text = "what was in memory only is written".to_string();
            of(Info, "shadows_over", None, text)
        }
        Event::Shadows { .. } => {
            let text = "writes are kept in memory, since a lost command may overwrite them: a crash of this host now may lose them".to_string();
            of(Warn, "shadows", None, text)
        }
        Event::Illegal { path, what } => {
            let text = format!("an illegal transition of {what}: a defect, please report it");
            of(Error, "illegal", Some(path), text)
        }
        Event::Link { .. }
        | Event::Redispatch { .. }
        | Event::InDoubt { .. }
        | Event::Closed { .. }
        | Event::Held { .. }
        | Event::Hedge { .. }
        | Event::HedgeWon { .. }
        | Event::StaleCompletion { .. } => None,
    }
}

type Key = (u16, Option<PathId>, &'static str);

#[derive(Debug)]
struct Recent {
    began: Instant,
    lines: u32,
    volume: String,
    path: Option<String>,
}

/// Lines of the latest moments, by what they are about.
#[derive(Debug, Default)]
pub struct Log {
    recent: BTreeMap<Key, Recent>,
}

impl Log {
    /// Writes the line of a note, if it has one and it may be written.
    pub fn tell(&mut self, now: Instant, names: &Directory, note: &Note) {
        let Some(line) = line(&note.event) else {
            return;
        };
        let entry = names.volumes.get(usize::from(note.volume));
        let volume = entry.map_or_else(|| format!("volume {}", note.volume), |v| v.name.clone());
        let path = line.path.map(|p| match entry {
            Some(entry) => Entry::path_name(entry, p.0),
            None => format!("path {}", p.0),
        });
        let key = (note.volume, line.path, line.kind);
        if self.may(now, key, &volume, path.as_deref()) {
            write(&volume, path.as_deref(), &line, note.shard);
        }
    }

    fn may(&mut self, now: Instant, key: Key, volume: &str, path: Option<&str>) -> bool {
        let recent = self.recent.entry(key).or_insert_with(|| Recent {
            began: now,
            lines: 0,
            volume: volume.into(),
            path: path.map(Into::into),
        });
        recent.lines += 1;
        recent.lines <= BURST
    }

    /// Windows that are over: what was kept back in them is counted.
    pub fn due(&mut self, now: Instant) {
        self.recent.retain(|(_, _, kind), r| {
            if now.saturating_duration_since(r.began) < WINDOW {
                return true;
            }
            if r.lines > BURST {
                let more = r.lines - BURST;
                let path = r.path.as_deref().map(|p| format!("{p}: "));
                let path = path.unwrap_or_default();
                tracing::warn!(
                    volume = r.volume,
                    kind,
                    "{}: {path}{more} more lines of kind {kind} in {WINDOW:?}",
                    r.volume
                );
            }
            false
        });
    }

    pub fn dropped(&self, notes: u64) {
        if notes > 0 {
            tracing::warn!("{notes} events came faster than they could be logged");
        }
    }
}

fn write(volume: &str, path: Option<&str>, line: &Line, shard: u16) {
    let (kind, text) = (line.kind, &line.text);
    let whole = match path {
        Some(path) => format!("{volume}: {path}: {text}"),
        None => format!("{volume}: {text}"),
    };
    match line.weight {
        Weight::Info => tracing::info!(volume, path, kind, shard, "{whole}"),
        Weight::Warn => tracing::warn!(volume, path, kind, shard, "{whole}"),
        Weight::Error => tracing::error!(volume, path, kind, shard, "{whole}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::directory::example;
    use protocol::VolumeId;
    use std::sync::{Arc, Mutex};

    /// What was written, as text.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn note(event: Event) -> Note {
        Note {
            shard: 1,
            volume: 0,
            event,
        }
    }

    #[test]
    fn a_line_has_its_fields_and_a_flood_is_counted() {
        let page = Page::default();
        let to = page.clone();
        let logger = tracing_subscriber::fmt()
            .with_writer(move || to.clone())
            .with_ansi(false)
            .without_time()
            .finish();
        tracing::subscriber::with_default(logger, || {
            let (mut log, start) = (Log::default(), Instant::now());
            let event = Event::Usable {
                path: PathId(1),
                volume: VolumeId(0),
                usable: false,
            };
            for _ in 0..25 {
                log.tell(start, &example(), &note(event));
            }
            let volume = VolumeId(0);
            log.tell(
                start,
                &example(),
                &note(Event::NoPath { volume, queued: 3 }),
            );
            log.due(start + WINDOW);
            log.tell(start + WINDOW, &example(), &note(event));
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 13, "{text}");
        assert!(lines[0].contains("WARN") && lines[0].contains("db: /dev/sdb: not usable"));
        assert!(lines[0].contains("volume=\"db\"") && lines[0].contains("path=\"/dev/sdb\""));
        assert!(lines[10].contains("ERROR") && lines[10].contains("3 commands wait"));
        assert!(lines[11].contains("15 more lines of kind usable"), "{text}");
    }

    #[test]
    fn what_comes_with_every_command_is_no_line() {
        let event = Event::Held {
            ticket: datapath::core::Ticket {
                slot: 0,
                generation: 0,
            },
            waited: protocol::Duration::ZERO,
        };
        assert_eq!(line(&event), None);
    }
}

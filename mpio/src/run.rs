//! Carries a command out: what is printed where, and which exit code a failure has.
#![forbid(unsafe_code)]

use crate::cli::{Ask, Command, Generate, OnePath, PathCommand, VolumeCommand};
use crate::config::{Config, ConfigError};
use crate::control::client::{ClientError, Talk, ask};
use crate::control::protocol::{Answer, Request, Wish};
use crate::control::trace::Iolog;
use crate::control::view::View;
use crate::control::{discover, log, preflight, process, recover, status, timers};
use crate::kernel::Kernel;
use crate::{generate, serve};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Missing(#[from] preflight::Missing),
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Recover(#[from] recover::RecoverError),
    #[error(transparent)]
    NoPaths(#[from] discover::NoPaths),
    #[error("no volume was found")]
    NothingFound,
    #[error("no volume \"{0}\" is served; `mpio volume list` shows those that are")]
    NoVolume(String),
    #[error("{socket}: the daemon was asked to stop, and still runs after {after:?}")]
    StillRuns { socket: String, after: Duration },
    #[error("{file}: {source}")]
    File {
        file: std::path::PathBuf,
        source: std::io::Error,
    },
    #[error("{doing}: {source}")]
    System {
        doing: &'static str,
        source: std::io::Error,
    },
}

impl RunError {
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Config(_) | RunError::NoVolume(_) => 2,
            RunError::NothingFound => 4,
            RunError::Client(e) => e.exit_code(),
            RunError::Recover(e) => e.exit_code(),
            RunError::Serve(e) => e.exit_code(),
            _ => 1,
        }
    }
}

/// How long `mpio stop` waits: I/O that no path serves is failed after `queue_for`, which may be long.
const STOP_WITHIN: Duration = Duration::from_secs(120);

pub fn run(command: Command) -> Result<(), RunError> {
    match command {
        Command::CheckConfig { config, json } => check_config(&config, json),
        Command::Serve { config, take_over } => {
            let mut config = Config::load(&config)?;
            log::init();
            preflight::look(config.daemon.any_kernel)?;
            discover::fill(&mut config, Path::new("/"))?;
            process::prepare(config.daemon.lock_memory);
            Ok(serve::serve(&config, take_over)?)
        }
        Command::Status { volume, ask } => {
            let view = view(&ask, volume.as_deref())?;
            show(&ask, &view, status::status)
        }
        Command::Volume(command) => volume(command),
        Command::Path(command) => path(command),
        Command::Discover { paths_min, ask } => {
            let found = discover::discover(Path::new("/"), paths_min, &served(&ask));
            print(&match ask.json {
                true => format!("{}\n", serde_json::json!(found)),
                false => found.toml(),
            })?;
            match found.volumes.is_empty() {
                true => Err(RunError::NothingFound),
                false => Ok(()),
            }
        }
        Command::Recover { give_up, ask } => match give_up {
            None => print(&recover::show(&ask.socket, ask.json)?),
            Some(volume) => print(&recover::give_up(&ask.socket, &volume, ask.json)?),
        },
        Command::Trace {
            volume,
            out,
            max_size,
            time,
            ask,
        } => trace(&volume, &out, max_size, time, &ask),
        Command::Generate(what) => generate_files(what),
        Command::Stop {
            no_wait,
            force,
            ask,
        } => stop(&ask, no_wait, force),
    }
}

fn check_config(file: &Path, json: bool) -> Result<(), RunError> {
    let mut config = Config::load(file)?;
    let volumes = config.volumes.len();
    let kernel = Kernel::running();
    for v in config.volumes.iter().filter(|v| v.is_unverified()) {
        eprintln!("{}: {}", file.display(), v.unverified());
    }
    // Its devices need not be here: what is not there has no timers.
    let _ = discover::fill(&mut config, Path::new("/"));
    let paths = config.volumes.iter().flat_map(|v| &v.paths);
    let long = timers::long(Path::new("/"), paths.map(PathBuf::as_path));
    let long: Vec<String> = long.iter().map(ToString::to_string).collect();
    print(&match json {
        true => {
            let names = config.volumes.iter().map(|v| v.name.as_str());
            let names: Vec<&str> = names.collect();
            format!(
                "{}\n",
                serde_json::json!({ "file": file, "volumes": names, "kernel": kernel, "timers": long })
            )
        }
        false => {
            let long = long.iter().map(|t| format!("long timer: {t}\n"));
            let long: String = long.collect();
            format!(
                "{}: {volumes} volume{}\n{}{long}",
                file.display(),
                if volumes == 1 { "" } else { "s" },
                kernel.text()
            )
        }
    })
}

fn volume(command: VolumeCommand) -> Result<(), RunError> {
    match command {
        VolumeCommand::List { ask } => {
            let view = view(&ask, None)?;
            show(&ask, &view, status::volumes)
        }
        VolumeCommand::Show { volume, ask } => {
            let view = view(&ask, Some(&volume))?;
            show(&ask, &view, status::status)
        }
        VolumeCommand::FailQueued { volume, ask } => order(&ask, &Request::FailQueued { volume }),
        VolumeCommand::TakeSize { volume, ask } => order(&ask, &Request::TakeSize { volume }),
    }
}

fn path(command: PathCommand) -> Result<(), RunError> {
    let (one, to) = match command {
        PathCommand::List { volume, ask } => {
            let view = view(&ask, volume.as_deref())?;
            return show(&ask, &view, status::path_list);
        }
        PathCommand::Add(OnePath { volume, path, ask }) => {
            let device = path.into();
            return order(&ask, &Request::AddPath { volume, device });
        }
        PathCommand::Remove(OnePath { volume, path, ask }) => {
            let device = path.into();
            return order(&ask, &Request::RemovePath { volume, device });
        }
        PathCommand::Enable(one) => (one, Wish::Enabled),
        PathCommand::Standby(one) => (one, Wish::Standby),
        PathCommand::Fail(one) => (one, Wish::Failed),
    };
    let OnePath { volume, path, ask } = one;
    order(&ask, &Request::Path { volume, path, to })
}

/// What the daemon has, where there is one that tells.
fn served(how: &Ask) -> BTreeMap<PathBuf, String> {
    let Ok(view) = view(how, None) else {
        return BTreeMap::new();
    };
    let volumes = view.volumes.into_iter();
    let paths = volumes.flat_map(|v| {
        let name = v.name;
        v.paths
            .into_iter()
            .map(move |p| (PathBuf::from(p.path), name.clone()))
    });
    paths.collect()
}

/// The daemon's view, of all volumes or of one.
fn view(how: &Ask, volume: Option<&str>) -> Result<View, RunError> {
    let Answer::Status(mut view) = ask(&how.socket, &Request::Status)? else {
        return Err(odd(how));
    };
    if let Some(name) = volume {
        view.volumes.retain(|v| v.name == name);
        if view.volumes.is_empty() {
            return Err(RunError::NoVolume(name.into()));
        }
    }
    Ok(view)
}

fn show(how: &Ask, view: &View, human: fn(&View) -> String) -> Result<(), RunError> {
    match how.json {
        // In the order of the fields.
        true => {
            let text = serde_json::to_string(view).map_err(|e| RunError::System {
                doing: "writing JSON",
                source: e.into(),
            })?;
            print(&format!("{text}\n"))
        }
        false => print(&human(view)),
    }
}

fn order(how: &Ask, request: &Request) -> Result<(), RunError> {
    let Answer::Done { what } = ask(&how.socket, request)? else {
        return Err(odd(how));
    };
    print(&match how.json {
        true => format!("{}\n", serde_json::json!({ "done": what })),
        false => format!("{what}\n"),
    })
}

fn stop(how: &Ask, no_wait: bool, force: bool) -> Result<(), RunError> {
    let Answer::Done { .. } = ask(&how.socket, &Request::Stop { force })? else {
        return Err(odd(how));
    };
    let began = Instant::now();
    while !no_wait && std::os::unix::net::UnixStream::connect(&how.socket).is_ok() {
        if began.elapsed() > STOP_WITHIN {
            return Err(RunError::StillRuns {
                socket: how.socket.display().to_string(),
                after: STOP_WITHIN,
            });
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let word = if no_wait { "stopping" } else { "stopped" };
    print(&match how.json {
        true => format!("{}\n", serde_json::json!({ "done": word })),
        false => format!("{word}\n"),
    })
}

/// The file is whole after each answer: who interrupts this has what was written.
fn trace(
    volume: &str,
    out: &Path,
    max_bytes: u64,
    time: Option<Duration>,
    how: &Ask,
) -> Result<(), RunError> {
    let file = |source| RunError::File {
        file: out.into(),
        source,
    };
    let volume = volume.to_string();
    let (mut log, head) = Iolog::begin(&format!("/dev/mpio/{volume}"), max_bytes);
    // Whether there is anything to trace is known before the file is touched.
    let mut talk = Talk::begin(&how.socket, &Request::Trace { volume })?;
    let mut answer = talk.next()?;
    let mut to = std::fs::File::create(out).map_err(file)?;
    append(&mut to, &head).map_err(file)?;
    let began = Instant::now();
    let mut missed = 0;
    while let Some(Answer::Traced(traced)) = answer {
        missed = traced.missed;
        let text = log.lines(&traced);
        append(&mut to, &text).map_err(file)?;
        if log.full || time.is_some_and(|time| began.elapsed() >= time) {
            break;
        }
        answer = talk.next()?;
    }
    let (ios, full) = (log.ios, log.full);
    if how.json {
        let shown = serde_json::json!({ "ios": ios, "missed": missed, "full": full, "file": out });
        return print(&format!("{shown}\n"));
    }
    let missed = match missed {
        0 => String::new(),
        n => format!(", {n} MISSED: they came faster than they could be told"),
    };
    let full = if full { ", the file is full" } else { "" };
    print(&format!("{}: {ios} I/Os{missed}{full}\n", out.display()))
}

/// All of it or, on a disk that is full, nothing: a log has whole lines.
fn append(to: &mut std::fs::File, text: &str) -> std::io::Result<()> {
    let was = to.metadata()?.len();
    to.write_all(text.as_bytes())
        .inspect_err(|_| drop(to.set_len(was)))
}

fn generate_files(what: Generate) -> Result<(), RunError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    match what {
        Generate::Completions { shell } => print(&text(generate::completions(shell))),
        Generate::Unit => print(generate::UNIT),
        Generate::Man { out } => {
            let pages = generate::man(&out).map_err(|source| RunError::System {
                doing: "writing the man pages",
                source,
            })?;
            let names = pages.iter().map(|p| format!("{}\n", p.display()));
            print(&names.collect::<String>())
        }
    }
}

fn odd(how: &Ask) -> RunError {
    RunError::Client(ClientError::Talk {
        socket: how.socket.clone(),
        source: std::io::Error::other("an answer to another question"),
    })
}

/// A reader that has gone (`mpio status | head`) is no failure.
pub fn print(text: &str) -> Result<(), RunError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(RunError::System {
            doing: "writing to standard output",
            source: e,
        }),
        _ => Ok(()),
    }
}

//! Commands of the operator's that are run on an event. A new path of a host has to be registered with many an array before it may be used fully;
//! how is the array's business, so the daemon says that there is one, and runs what it is given.
//!
//! A hook runs beside everything else, and nothing waits for it; one that takes too long is ended.
#![forbid(unsafe_code)]

use super::directory::Directory;
use crate::seen::Note;
use datapath::core::Event;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// A command for the shell, once for each path that is used for the first time since the daemon began: `MPIO_EVENT`, `MPIO_VOLUME`,
    /// `MPIO_PATH`, `MPIO_IDENTITY` and `MPIO_DEVICE` say which.
    pub path_added: Option<String>,
}

/// Which hooks have run.
#[derive(Debug, Default)]
pub struct Runner {
    hooks: Hooks,
    /// Every shard tells of a path; the host has it once.
    registered: BTreeSet<(u16, u16)>,
}

impl Runner {
    pub fn new(hooks: Hooks) -> Runner {
        Runner {
            hooks,
            ..Runner::default()
        }
    }

    /// On the control thread's runtime.
    pub fn note(&mut self, names: &Directory, note: &Note) {
        let Event::Register { path } = note.event else {
            return;
        };
        if !self.registered.insert((note.volume, path.0)) {
            return;
        }
        let (Some(hook), Some(v)) = (
            &self.hooks.path_added,
            names.volumes.get(usize::from(note.volume)),
        ) else {
            return;
        };
        let path = v.path_name(path.0);
        let what = format!("{}: {path}: hook path_added", v.name);
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", hook])
            .env("MPIO_EVENT", "path_added")
            .env("MPIO_VOLUME", &v.name)
            .env("MPIO_PATH", path)
            .env("MPIO_IDENTITY", &v.identity)
            .env("MPIO_DEVICE", &v.device)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        tokio::spawn(run(command, what));
    }
}

async fn run(mut command: Command, what: String) {
    match tokio::time::timeout(PATIENCE, command.status()).await {
        Ok(Ok(status)) if status.success() => tracing::info!("{what}: done"),
        Ok(Ok(status)) => tracing::warn!("{what}: {status}"),
        Ok(Err(e)) => tracing::warn!("{what}: /bin/sh: {e}"),
        Err(_) => tracing::warn!("{what}: ended, after {PATIENCE:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::directory::example;
    use protocol::PathId;

    #[test]
    fn a_hook_runs_once_for_each_path_and_knows_which() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let path_added = format!(
            "echo $MPIO_EVENT $MPIO_VOLUME $MPIO_PATH $MPIO_IDENTITY $MPIO_DEVICE >>{}",
            out.display()
        );
        let mut runner = Runner::new(Hooks {
            path_added: Some(path_added),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let wanted = "path_added db /dev/sdb naa.50001 /dev/ublkb0\n";
        runtime.block_on(async {
            for shard in 0..2 {
                let path = PathId(1);
                let event = Event::Register { path };
                let note = Note {
                    shard,
                    volume: 0,
                    event,
                };
                runner.note(&example(), &note);
            }
            for _ in 0..500 {
                tokio::time::sleep(Duration::from_millis(10)).await;
                if std::fs::read_to_string(&out).is_ok_and(|t| !t.is_empty()) {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        });
        assert_eq!(std::fs::read_to_string(&out).unwrap(), wanted);
    }
}

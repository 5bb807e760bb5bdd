//! Commands of the operator's that are run on an event. A hook runs beside everything else, and nothing waits for it; one that takes too long is
//! ended.
#![forbid(unsafe_code)]

use serde::Deserialize;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// A command for the shell, once for each path that is used for the first time since the daemon began: `MPIO_EVENT`, `MPIO_VOLUME`,
    /// `MPIO_PATH`, `MPIO_IDENTITY` and `MPIO_DEVICE` say which, `MPIO_METADATA` what its controller said of the host's metadata.
    pub path_added: Option<String>,
}

/// Runs a hook with these variables; `what` names it in the log.
pub async fn run(hook: &str, variables: &[(&str, &str)], what: String) {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", hook])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.status()).await {
        Ok(Ok(status)) if status.success() => tracing::info!("{what}: done"),
        Ok(Ok(status)) => tracing::warn!("{what}: {status}"),
        Ok(Err(e)) => tracing::warn!("{what}: /bin/sh: {e}"),
        Err(_) => tracing::warn!("{what}: ended, after {PATIENCE:?}"),
    }
}

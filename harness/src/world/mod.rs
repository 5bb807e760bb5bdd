//! Virtual time: one event loop around datapath, array and workloads.

use crate::report::model::RunReport;
use crate::scenario::Scenario;

/// What a caller may wish of a run, besides the scenario.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Record every command in the events (`--events io`).
    pub events_io: bool,
}

/// Why a run could not be carried out: always the input's fault (exit code 2).
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    #[error(transparent)]
    Workload(#[from] crate::workload::WorkloadError),
    #[error("datapath: {0}")]
    Config(#[from] datapath::core::ConfigError),
}

/// Runs one scenario, already drawn for `seed`, in virtual time. The report's expectations are judged, `expect_fail` is
/// not applied yet; `progress` is called with the virtual time now and then.
pub fn run(
    _scenario: &Scenario,
    _seed: u64,
    _options: Options,
    _progress: &mut dyn FnMut(protocol::Instant),
) -> Result<RunReport, WorldError> {
    Err(datapath::core::ConfigError::NoVolume.into())
}

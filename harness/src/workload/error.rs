//! Why a workload cannot go on: always the input's fault, never a panic.

use crate::scenario::model::Workload;
use crate::trace::TraceError;

#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error("the scenario has {count} workloads, there is no number {index}")]
    NoSuchWorkload { index: usize, count: usize },
    /// The model cannot be carried out (a reader that validates never lets it through).
    #[error("workload '{workload}': {why}")]
    Invalid { workload: String, why: String },
    /// Its trace cannot be read, or cannot be laid over the volume.
    #[error("workload '{workload}': {source}")]
    Trace {
        workload: String,
        source: TraceError,
    },
}

impl WorkloadError {
    pub(super) fn invalid(workload: &Workload, why: String) -> Self {
        WorkloadError::Invalid {
            workload: workload.name.clone(),
            why,
        }
    }

    pub(super) fn trace(workload: &str, source: TraceError) -> Self {
        WorkloadError::Trace {
            workload: workload.to_string(),
            source,
        }
    }
}

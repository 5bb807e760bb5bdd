//! Why a workload cannot go on: always the input's fault, never a panic.

use crate::scenario::model::Workload;

#[derive(Debug, thiserror::Error)]
pub enum WorkloadError {
    #[error("the scenario has {count} workloads, there is no number {index}")]
    NoSuchWorkload { index: usize, count: usize },
    /// The model cannot be carried out (a reader that validates never lets it through).
    #[error("workload '{workload}': {why}")]
    Invalid { workload: String, why: String },
}

impl WorkloadError {
    pub(super) fn invalid(workload: &Workload, why: String) -> Self {
        WorkloadError::Invalid {
            workload: workload.name.clone(),
            why,
        }
    }
}

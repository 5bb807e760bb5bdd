//! Search: scenarios that nobody thought of. A seed draws topology, limits, loads and faults (`draw`), the envelope says
//! which application errors they make legitimate (`envelope`), and what remains is judged like any other run. A failing
//! scenario is made small (`shrink`, `minimal`), and the results of many machines are joined (`summary`, `merge`).
//!
//! Everything that a seed means is written into its scenario, expectations included: a finding is repeated by
//! `harness run`, without this module.

pub mod draw;
pub mod envelope;
mod inject;
pub mod loss;
pub mod merge;
pub mod minimal;
pub mod profile;
pub mod shrink;
pub mod signature;
pub mod summary;
#[cfg(test)]
mod tests;

pub use profile::Profile;

//! `harness serve`: the simulated array behind a real block device, in wall time, with faults on demand.

mod content;
pub mod control;
#[cfg(feature = "ublk")]
pub mod device;
mod served;
#[cfg(test)]
mod tests;

pub use content::Content;
pub use served::{Answer, Served};

//! A scenario file: its model, its parser, and the draws of one seed.
//!
//! A text becomes a tree with places (`tree`), `--set` changes the tree (`sets`), the readers turn it into the model and
//! report everything that is wrong with it at once (`reader`, `sections`, `workloads`, `faults`, `expects`).

mod defaults;
mod diag;
mod document;
mod draw;
mod effects;
mod emit;
mod emit_fault;
mod expects;
mod faults;
mod files;
pub mod metric;
pub mod model;
pub mod policy;
pub mod quantity;
mod reader;
mod replays;
mod sections;
mod sets;
mod sharing;
mod status;
mod targets;
#[cfg(test)]
mod tests;
pub mod topology;
mod tree;
mod typed;
mod workloads;

pub use diag::{Diagnostic, nearest};
pub use document::{CAPABILITIES, parse};
pub use draw::draw;
pub use emit::{to_toml, to_toml_in};
pub use emit_fault::kind_name;
pub use files::{MAX_FILE_BYTES, find, load, name_of};
pub use model::Scenario;
pub use policy::{policy_name, policy_named};
pub use targets::write as target_name;

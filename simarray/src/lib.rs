#![doc = include_str!("../README.md")]

mod access;
pub mod api;
mod array;
mod assoc;
mod cache;
mod conn;
mod controller;
mod data;
mod draw;
mod events;
mod faults;
mod fence;
mod kept;
mod limiter;
pub mod mutant;
pub mod outlook;
mod service;
mod slab;
pub mod sparse;
mod transport;
mod volume;
pub mod wire;

pub use array::Array;
pub use service::WRITE_FAULT;

//! The core alone against a small array in virtual time.

mod random;
mod timing;
mod world;

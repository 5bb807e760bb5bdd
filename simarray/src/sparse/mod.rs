//! Contents of volumes, which cost memory only for what was written: 64 TiB of nothing is free.

mod bytes;
mod stamps;
mod table;

pub use bytes::ByteMap;
pub use stamps::StampMap;
pub(crate) use table::PageTable;

#[cfg(test)]
mod tests;

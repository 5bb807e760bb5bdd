//! Block trace formats.

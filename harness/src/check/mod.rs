//! Rules that are always on.

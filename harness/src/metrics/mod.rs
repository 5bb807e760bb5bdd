//! Metrics of a run, by window.

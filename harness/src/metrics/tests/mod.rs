//! Hand-made sequences, metric by metric.

//! `mpio status` for people, in the spirit of `multipath -ll`.
#![forbid(unsafe_code)]

use serde_json::Value;
use std::fmt::Write;

fn text<'a>(v: &'a Value, key: &str) -> &'a str {
    v[key].as_str().unwrap_or("?")
}

/// The daemon's answer as a table a volume.
pub fn human(status: &Value) -> String {
    let mut out = String::new();
    let none = Vec::new();
    for v in status["volumes"].as_array().unwrap_or(&none) {
        let gib = v["bytes"].as_u64().unwrap_or(0) as f64 / f64::from(1 << 30);
        let _ = writeln!(
            out,
            "{}  {}  {gib:.2} GiB  {} I/Os, {} errors, {} buffers held by stuck commands",
            text(v, "name"),
            text(v, "device"),
            v["ios"],
            v["errors"],
            v["parked_buffers"]
        );
        for p in v["paths"].as_array().unwrap_or(&none) {
            let state = match (p["usable"].as_bool(), p["identity_wrong"].as_bool()) {
                (_, Some(true)) => "WRONG VOLUME",
                (Some(true), _) => "usable",
                _ => "not usable",
            };
            let _ = writeln!(
                out,
                "  {:<20} {:<12} link {:<10} access {:<13} health {:<9}  in flight {:>4}  I/Os {:>10}  errors {:>6}  losses {:>4}",
                text(p, "path"),
                state,
                text(p, "link"),
                text(p, "access"),
                text(p, "health"),
                p["inflight"],
                p["ios"],
                p["errors"],
                p["losses"]
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_that_shows_another_volume_stands_out() {
        let status = serde_json::json!({ "volumes": [{ "name": "db", "device": "/dev/ublkb0", "bytes": 1u64 << 30, "ios": 1, "errors": 0, "parked_buffers": 0,
            "paths": [{ "path": "/dev/sda", "link": "up", "access": "optimized", "health": "good", "usable": false, "identity_wrong": true,
                "ios": 0, "errors": 0, "losses": 0, "inflight": 0 }] }] });
        let text = super::human(&status);
        assert!(text.contains("db  /dev/ublkb0  1.00 GiB"), "{text}");
        assert!(text.contains("WRONG VOLUME"), "{text}");
    }
}

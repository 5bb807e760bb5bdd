//! What a scenario is where it says nothing.

use super::model::*;
use protocol::Duration;
use std::path::Path;

impl Volume {
    pub const DEFAULT_BYTES: u64 = 64 << 30;
}

impl Scenario {
    /// Every default, no title and no workload yet.
    pub fn named(name: &str, file: &Path) -> Self {
        Scenario {
            name: name.to_string(),
            file: file.to_path_buf(),
            title: String::new(),
            why: String::new(),
            tags: Vec::new(),
            duration: Duration::from_secs(3),
            seed: 1,
            requires: Vec::new(),
            expect_fail: None,
            array: Array {
                controllers: 2,
                ports: 2,
                fabrics: 2,
                block: 512,
                asymmetric: true,
                forward: Duration::from_micros(50),
                service_read: Duration::from_micros(120),
                service_write: Duration::from_micros(80),
                tail: Tail::Exp,
                parallel: 32,
                cache: Cache::Mirrored,
                fence: ArrayFence::Ccr,
                ccr: Duration::from_millis(1),
                cqt: Duration::from_secs(2),
            },
            volumes: vec![Volume {
                name: "vol0".into(),
                bytes: Volume::DEFAULT_BYTES,
                owner: 0,
            }],
            host: Host {
                count: 1,
                ports: 2,
                shards: 2,
            },
            link: Link {
                latency: Duration::from_micros(25),
                bits_per_s: 25_000_000_000,
            },
            paths: Vec::new(),
            datapath: Datapath {
                policy: Policy::Adaptive,
                split: Vec::new(),
                io_timeout: Duration::from_secs(5),
                queue_for: Duration::from_secs(30),
                fence: FencePolicy::InDoubt,
                quiesce: Duration::from_secs(12),
                shadow_bytes: datapath::core::SHADOW_BYTES,
                hedge: 2,
            },
            workloads: Vec::new(),
            faults: Vec::new(),
            expects: Vec::new(),
            ranges: Vec::new(),
        }
    }
}

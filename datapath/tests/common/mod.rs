//! A core with all its paths up, for measurements, and a ring that answers nothing by itself.

use datapath::core::{
    Actions, BufId, Config, Core, Epoch, FencePolicy, HEDGE_PERMILLE, Input, PathConfig, Policy,
    Request, VolumeConfig,
};
use protocol::{Access, Duration, Identity, Instant, Op, PathId, VolumeId};

pub fn up(policy: Policy, paths: u16, out: &mut Actions) -> Core {
    let config = Config {
        shard: 0,
        shards: 1,
        policy,
        io_timeout: Duration::from_secs(5),
        queue_for: Duration::from_secs(30),
        fence: FencePolicy::InDoubt,
        quiesce: Duration::from_secs(12),
        anatt: Duration::from_secs(10),
        array_confirms: true,
        block_bytes: 512,
        volumes: vec![VolumeConfig {
            identity: Identity(1),
            blocks: 1 << 30,
            max_blocks: 256,
        }],
        paths: vec![
            PathConfig {
                present: true,
                distance: 10
            };
            usize::from(paths)
        ],
        hedge_permille: HEDGE_PERMILLE,
        max_requests: 4096,
        prior: Vec::new(),
        first_epoch: Epoch(0),
        untold: Vec::new(),
        #[cfg(feature = "mutants")]
        planted: Default::default(),
    };
    let now = Instant::ZERO;
    let mut core = Core::new(config, now).expect("a valid configuration");
    core.on_deadline(now, out);
    let volume = VolumeId(0);
    for path in (0..paths).map(PathId) {
        core.handle(
            now,
            Input::Identity {
                path,
                volume,
                identity: Some(Identity(1)),
                blocks: 1 << 30,
            },
            out,
        );
        let access = Access::Optimized;
        core.handle(
            now,
            Input::Access {
                path,
                volume,
                access,
            },
            out,
        );
        let epoch = Epoch(1);
        core.handle(now, Input::Connected { path, epoch }, out);
    }
    out.clear();
    core
}

pub fn request(n: u64) -> Request {
    Request {
        volume: VolumeId(0),
        op: if n.is_multiple_of(4) {
            Op::Write
        } else {
            Op::Read
        },
        lba: (n.wrapping_mul(0x9e37_79b9) % (1 << 29)) & !7,
        blocks: 8,
        fua: false,
        failfast: false,
        buf: BufId(n as u32),
        cookie: n,
    }
}

//! A core with all its paths up, for measurements, and a ring that answers nothing by itself.

use datapath::core::{
    Actions, Board, BufId, Config, Core, Epoch, FencePolicy, HEDGE_PERMILLE, Input, PathConfig,
    Policy, Request, VolumeConfig,
};
use protocol::{Access, Duration, Identity, Instant, Op, PathId, VolumeId};

/// A command of 1 MiB.
pub const MIB_BLOCKS: u32 = 2048;

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
            max_blocks: MIB_BLOCKS,
        }],
        paths: (0..paths)
            .map(|port| PathConfig {
                present: true,
                distance: 10,
                port,
            })
            .collect(),
        // With a sibling that says nothing.
        board: Board::new(2, usize::from(paths)),
        hedge_permille: HEDGE_PERMILLE,
        shadow_bytes: 0,
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

/// Of 4 KiB, but each of which `large_every` is a divisor is of 1 MiB; 0: none.
pub fn request(n: u64, large_every: u64) -> Request {
    let large = n.checked_rem(large_every) == Some(0);
    let blocks = if large { MIB_BLOCKS } else { 8 };
    Request {
        volume: VolumeId(0),
        op: if n.is_multiple_of(4) {
            Op::Write
        } else {
            Op::Read
        },
        lba: (n.wrapping_mul(0x9e37_79b9) % (1 << 29)) & !7,
        blocks,
        fua: false,
        failfast: false,
        buf: BufId(n as u32),
        cookie: n,
    }
}

//! The small scenarios in which planted defects show.

pub const CALM: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
"#;

pub const TWO_VOLUMES: &str = r#"
[array]
access = "symmetric"
[[volume]]
name = "vol0"
[[volume]]
name = "vol1"
[[workload]]
volume = "vol0"
read = 50
span = "1MiB"
depth = 8
[[workload]]
volume = "vol1"
read = 50
span = "1MiB"
depth = 8
"#;

pub const SWAPPED: &str = r#"
[[volume]]
name = "vol0"
[[volume]]
name = "vol1"
[[workload]]
volume = "vol0"
read = 50
span = "1MiB"
depth = 8
[[fault]]
at = "100ms"
for = "100ms"
on = "all"
do = "swap"
volume = "vol0"
with = "vol1"
"#;

/// Nobody says that the second volume is another one behind a path that carries nothing yet.
pub const SWAPPED_SILENTLY: &str = r#"
duration = "800ms"
[[volume]]
name = "vol0"
[[volume]]
name = "vol1"
[[volume]]
name = "other"
[[workload]]
volume = "vol1"
span = "1MiB"
depth = 4
[[fault]]
at = "100ms"
on = "path:h0-B0"
do = "swap"
volume = "vol1"
with = "other"
silent = true
[[fault]]
at = "600ms"
for = "100ms"
on = "controller:A"
do = "reset"
"#;

pub const CRASH: &str = r#"
[[workload]]
read = 30
span = "4MiB"
depth = 16
flush_every = 50
[[fault]]
at = "100ms..200ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

pub const VOLATILE_CRASH: &str = r#"
[array]
cache = "volatile"
[[workload]]
read = 30
fua = 20
span = "4MiB"
depth = 16
flush_every = 200
[[fault]]
at = "100ms..200ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

/// Two hosts write what a crash takes, and both flush now and then.
pub const TWO_HOSTS_LOSE: &str = r#"
[array]
cache = "volatile"
[host]
count = 2
[[workload]]
read = 30
span = "4MiB"
depth = 16
flush_every = 200
[[workload]]
host = 1
read = 30
span = "4MiB"
offset = "16MiB"
depth = 16
flush_every = 200
[[fault]]
at = "100ms..200ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

/// Commands that the array holds back outlive the path that they came over: everything on it, from a moment before it falls silent.
pub const GHOSTS: &str = r#"
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..150ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

/// Commands are held for less than their path is given before it is suspect: reads are sent a second time, nothing is lost.
pub const HELD_FOR_A_MOMENT: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "late"
share = 5
after = "5ms..15ms"
"#;

/// The same, where the array proves nothing: some execute while they are feared, and some never may.
pub const GHOSTS_IN_TIME: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "200ms"
[datapath]
quiesce = "300ms"
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..500ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

/// One shard learns late what the other has lost.
pub const GHOSTS_BEHIND_LAG: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "200ms"
[datapath]
quiesce = "300ms"
[[workload]]
read = 0
span = "32KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..200ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
[[fault]]
at = "105ms"
for = "200ms"
on = "shard:1"
do = "lag"
"#;

/// Writes over each other are under way on several paths, and all of them are slow.
pub const GHOSTS_ENTANGLED: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "200ms"
[datapath]
quiesce = "300ms"
policy = "round_robin"
[[workload]]
read = 0
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "controller:A"
do = "late"
after = "20ms..200ms"
[[fault]]
at = "110ms"
for = "100ms"
on = "path:h0-A0"
do = "reset"
"#;

/// Nothing is lost but discards.
pub const GHOSTS_OF_DISCARDS: &str = r#"
[[workload]]
read = 20
discard = 50
write_zeroes = 30
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..150ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

pub const TWO_CACHES: &str = r#"
[array]
access = "symmetric"
cache = "volatile"
[[workload]]
read = 30
span = "4MiB"
depth = 16
flush_every = 50
[[fault]]
at = "100ms..200ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

/// There is one path, and it comes back at once.
pub const GHOSTS_OF_ONE_PATH: &str = r#"
[array]
controllers = 1
ports = 1
fabrics = 1
[host]
ports = 1
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms"
for = "11ms"
on = "path:h0-A0"
do = "late"
after = "60ms..150ms"
[[fault]]
at = "110ms"
for = "1ms"
on = "path:h0-A0"
do = "reset"
"#;

/// Writes fail for want of a path while they are still in the array.
pub const GHOSTS_OF_FAILED_WRITES: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "300ms"
[datapath]
quiesce = "400ms"
no_path = { queue_for = "50ms" }
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms"
for = "40ms"
on = "all"
do = "late"
after = "200ms..300ms"
[[fault]]
at = "140ms"
for = "100ms"
on = "all"
do = "reset"
"#;

pub const RETRY_THEN_CRASH: &str = r#"
[array]
cache = "volatile"
[[workload]]
read = 0
fua = 100
span = "64MiB"
depth = 16
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "reset"
[[fault]]
at = "110ms"
for = "100ms"
on = "controller:A"
do = "crash"
takeover = "50ms"
"#;

pub const READ_ONLY: &str = r#"
[[volume]]
name = "vol0"
[[volume]]
name = "vol1"
[[workload]]
volume = "vol1"
read = 100
"#;

/// Ghosts on a hot spot that nothing ends but time, and a shard that hears late what its sibling says.
pub const IN_DOUBT: &str = r#"
[array]
fence = "time"
cqt = "100ms"
[datapath]
quiesce = "200ms"
[[workload]]
read = 20
block = "512B..4KiB"
span = "1MiB"
depth = 16
[[fault]]
at = "100ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "40ms..100ms"
[[fault]]
at = "105ms"
for = "95ms"
on = "path:h0-A0"
do = "drop_answers"
[[fault]]
at = "120ms..140ms"
for = "30ms"
on = "shard:1"
do = "lag"
"#;

/// The same where nearly every write overlaps another that is under way.
pub const ENTANGLED: &str = r#"
[array]
fence = "time"
cqt = "100ms"
[datapath]
quiesce = "200ms"
[[workload]]
read = 20
block = "512B..4KiB"
span = "16KiB"
depth = 16
[[fault]]
at = "100ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "40ms..100ms"
[[fault]]
at = "105ms"
for = "95ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

pub const KILLED: &str = r#"
[[workload]]
read = 20
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms"
for = "40ms"
on = "all"
do = "late"
after = "60ms..150ms"
[[fault]]
at = "130ms"
for = "20ms"
on = "datapath"
do = "kill"
"#;

pub const BROKEN: &str = r#"
[datapath]
policy = "round_robin"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms..150ms"
for = "200ms"
on = "any 1 of optimized"
do = "reset"
"#;

pub const ALL_BROKEN: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms..150ms"
for = "50ms"
on = "all"
do = "reset"
"#;

/// One path falls silent, and no read is sent again before it is lost.
pub const SILENT_ONCE: &str = r#"
[datapath]
hedge = 0
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "100ms..150ms"
for = "100ms"
on = "any 1 of optimized"
do = "drop"
"#;

pub const FLAPPING: &str = r#"
[[workload]]
depth = 4
[[fault]]
at = "50ms"
on = "path:h0-A0"
do = "flap"
period = "150ms"
down = 20
"#;

pub const REMOVED: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "100ms..150ms"
on = "any 1 of optimized"
do = "remove_path"
"#;

pub const INACCESSIBLE: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "100ms..150ms"
for = "100ms"
on = "controller:A"
do = "access"
state = "inaccessible"
"#;

pub const DUPLICATES: &str = r#"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "50ms"
on = "all"
do = "duplicate"
share = 30
"#;

pub const MEDIUM_ERRORS: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "50ms"
on = "all"
do = "error"
status = "nvme:0x281"
share = 10
"#;

pub const INTERNAL_ERRORS: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "50ms"
on = "all"
do = "error"
status = "nvme:0x006"
"#;

pub const ACCESS_ERRORS: &str = r#"
[[workload]]
depth = 64
[[fault]]
at = "50ms"
on = "all"
do = "error"
status = "nvme:0x302"
share = 20
"#;

pub const LARGE: &str = r#"
[[workload]]
read = 30
block = "2MiB..4MiB"
span = "64MiB"
depth = 4
"#;

pub const LARGE_ERRORS: &str = r#"
[[workload]]
read = 30
block = "2MiB..4MiB"
span = "64MiB"
depth = 4
[[fault]]
at = "50ms"
on = "all"
do = "error"
status = "nvme:0x280"
share = 30
"#;

/// Writes of several commands and flushes, and a crash that takes some of the former.
pub const LARGE_OVER_A_LOSS: &str = r#"
duration = "150ms"
[array]
access = "symmetric"
cache = "volatile"
service = { write = "500us", parallel = 4 }
[host]
shards = 4
[link]
rate = "100Gbit/s"
[[workload]]
read = 0
block = "1MiB..4MiB"
span = "8MiB"
depth = 8
flush_every = 2
[[fault]]
at = "50ms..60ms"
on = "controller:B"
do = "crash"
"#;

/// More writes are lost at once than the table of ranges in doubt has room for, and their ghosts come late; over so many blocks that most
/// of them overlap none in the table, and so few that each is written again meanwhile.
pub const FULL_TABLE: &str = r#"
duration = "200ms"
[array]
fence = "time"
cqt = "150ms"
[host]
shards = 1
[datapath]
quiesce = "200ms"
[[workload]]
read = 0
block = "512B"
span = "8MiB"
depth = 12000
[[fault]]
at = "60ms"
for = "50ms"
on = "path:h0-A0"
do = "late"
after = "60ms..120ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "reset"
"#;

pub const NO_PATH_FOR_LONG: &str = r#"
duration = "1500ms"
[datapath]
no_path = { queue_for = "300ms" }
[[workload]]
depth = 8
[[fault]]
at = "100ms..200ms"
for = "1s"
on = "all"
do = "reset"
[[expect]]
metric = "no_path.fails_after_max <= 301ms"
"#;

/// A shard is not scheduled for longer than silence is borne; then a path falls silent, and its patience must be what it was.
pub const SLOW_SHARD: &str = r#"
duration = "800ms"
[host]
shards = 1
[[workload]]
depth = 16
[[fault]]
at = "100ms"
for = "120ms"
on = "shard:0"
do = "lag"
[[fault]]
at = "300ms"
for = "300ms"
on = "path:h0-A0"
do = "drop"
[[expect]]
metric = "failover.detect_max < 100ms"
"#;

pub const STALLED: &str = r#"
[[workload]]
depth = 16
[[fault]]
at = "100ms"
for = "200ms"
on = "array"
do = "stall"
[[expect]]
metric = "failover.count == 0"
"#;

/// Far more reads are on a path that falls silent than may be sent a second time.
pub const SILENT_UNDER_LOAD: &str = r#"
[[workload]]
read = 100
depth = 4000
[[fault]]
at = "100ms"
for = "200ms"
on = "path:h0-A0"
do = "drop"
[[expect]]
metric = "hedge.issued < 700"
"#;

/// Every read of the volume's first part fails: the medium's fault, whatever path tells of it.
pub const MEDIUM_RANGE: &str = r#"
[[workload]]
read = 100
span = "64MiB"
depth = 16
[[fault]]
at = "100ms"
for = "100ms"
on = "volume:vol0"
do = "medium"
lba = 0
blocks = 65536
[[expect]]
metric = "path.flips == 0"
"#;

/// A path in reserve fails its probes before it is needed.
pub const IDLE_ERRORS: &str = r#"
duration = "1500ms"
[[workload]]
span = "64MiB"
rate = "5k/s"
[[fault]]
at = "100ms"
on = "path:h0-B0"
do = "error"
status = "nvme:0x370"
[[fault]]
at = "1s"
for = "300ms"
on = "controller:A"
do = "reset"
[[expect]]
metric = "path.h0-B0.errors == 0"
"#;

/// What ghosts overwrite is kept in memory meanwhile, and written once more when nothing is feared.
pub const SHADOWED_GHOSTS: &str = r#"
duration = "1200ms"
[array]
fence = "time"
cqt = "200ms"
[datapath]
fence = "shadow"
quiesce = "300ms"
[[workload]]
read = 50
block = "512B..4KiB"
span = "64KiB"
depth = 16
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..200ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
"#;

/// The same over a cache that loses what is not flushed, in crashes after the end of the fear.
pub const SHADOWED_CRASH: &str = r#"
duration = "1500ms"
[array]
fence = "time"
cqt = "200ms"
cache = "volatile"
[datapath]
fence = "shadow"
quiesce = "300ms"
[[workload]]
read = 0
block = "512B..4KiB"
span = "64KiB"
depth = 16
flush_every = 8
stop = "300ms"
[[workload]]
read = 100
span = "64KiB"
depth = 4
[[fault]]
at = "99ms"
for = "60ms"
on = "path:h0-A0"
do = "late"
after = "60ms..200ms"
[[fault]]
at = "100ms"
for = "100ms"
on = "path:h0-A0"
do = "drop_answers"
[[fault]]
at = "600ms"
for = "100ms"
on = "array"
do = "crash"
"#;

/// Some commands of one path are answered long after the hard limit.
pub const SWALLOWED: &str = r#"
duration = "800ms"
[datapath]
io_timeout = "100ms"
[[workload]]
read = 50
span = "64GiB"
depth = 16
[[fault]]
at = "100ms"
for = "200ms"
on = "path:h0-A0"
do = "late"
share = 1
after = "250ms..400ms"
[[expect]]
metric = "failover.count == 0"
"#;

/// The same over few blocks, with an array that proves nothing.
pub const SWALLOWED_HOT: &str = r#"
duration = "800ms"
[array]
fence = "time"
cqt = "300ms"
[datapath]
io_timeout = "60ms"
quiesce = "400ms"
[[workload]]
read = 0
block = "512B"
span = "32KiB"
depth = 4
[[fault]]
at = "100ms"
for = "400ms"
on = "path:h0-A0"
do = "late"
share = 1
after = "100ms..250ms"
"#;

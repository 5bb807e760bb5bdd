#!/bin/sh
# Runs in the machine of `ci/vm`: the daemon over four scsi_debug paths to one LUN, under fio's verify. One line a test.
set -u
ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $2"; failed=1; }
failed=0

# scsi_debug makes its hosts one after another.
for _ in $(seq 50); do [ "$(ls -d /sys/block/sd* 2>/dev/null | wc -l)" = 4 ] && break; sleep 0.1; done
paths=
for d in /sys/block/sd*; do paths="$paths /dev/${d##*/}"; done
set -- $paths
[ $# = 4 ] || { fail paths "$# scsi_debug devices instead of 4"; exit 1; }
list=
for p; do list="$list\"$p\", "; done
cat >/tmp/mpio.toml <<TOML
[daemon]
socket = "/run/mpio.sock"
[[volume]]
name = "db"
paths = [$list]
TOML

start() {
    mpio serve --config /tmp/mpio.toml >/tmp/serve.out 2>/tmp/serve.err &
    daemon=$!
    for _ in $(seq 100); do
        grep -q ready /tmp/serve.out && return 0
        kill -0 $daemon 2>/dev/null || break
        sleep 0.1
    done
    cat /tmp/serve.out /tmp/serve.err
    return 1
}
verify() { # NAME RUNTIME: random writes and reads, each block checked
    fio --name="$1" --filename="$dev" --rw=randwrite --bs=4k --iodepth=16 --ioengine=io_uring --direct=1 --size=32m \
        --verify=crc32c --verify_backlog=256 --verify_fatal=1 --time_based --runtime="$2" --eta=never --output=/tmp/fio.out
}

mpio check-config /tmp/mpio.toml >/dev/null && ok check-config || fail check-config "refused"
if start; then ok start; else fail start "the daemon is not ready"; exit 1; fi
dev=$(sed -n 's/^db is //p' /tmp/serve.out)

if verify plain 5; then ok verify; else fail verify "$(tail -3 /tmp/fio.out)"; fi
mpio status --socket /run/mpio.sock >/tmp/status
[ "$(grep -cE '^  /dev/.* usable +up ' /tmp/status)" = 4 ] && ok status || fail status "$(cat /tmp/status)"

# Each path offline in turn, under verify.
verify offline 12 & f=$!
for p in $paths; do
    sleep 1
    echo offline >/sys/block/${p##*/}/device/state
    sleep 1
    echo running >/sys/block/${p##*/}/device/state
done
if wait $f; then ok offline-in-turn; else fail offline-in-turn "$(tail -3 /tmp/fio.out)"; fi
grep -q 'not usable' /tmp/serve.err && ok offline-is-noticed || fail offline-is-noticed "no path became unusable"

# The daemon is killed under verify, again and again; another takes over what it left.
uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
verify killed 50 & f=$!
longest=0 kills=0
while [ $kills -lt 20 ]; do
    sleep 1
    began=$(uptime_ms)
    kill -9 $daemon
    start || break
    took=$(($(uptime_ms) - began))
    [ $took -gt $longest ] && longest=$took
    kills=$((kills + 1))
done
echo "figure killed: $kills times under load, ready again after at most $longest ms"
if wait $f && [ $kills = 20 ]; then ok killed; else fail killed "$(tail -3 /tmp/fio.out)"; fi

# One removed for good.
verify removed 5 & f=$!
sleep 1
gone=${paths##* }
echo 1 >/sys/block/${gone##*/}/device/delete
if wait $f; then ok removed; else fail removed "$(tail -3 /tmp/fio.out)"; fi
mpio status --socket /run/mpio.sock >/tmp/status
[ "$(grep -cE '^  /dev/.* usable +up ' /tmp/status)" = 3 ] && ok removed-is-shown || fail removed-is-shown "$(cat /tmp/status)"

# A second daemon, and a device that somebody has.
if mpio serve --config /tmp/mpio.toml >/tmp/second 2>&1; then fail second-daemon "it runs"; else
    grep -q 'answers there already' /tmp/second && ok second-daemon || fail second-daemon "$(cat /tmp/second)"
fi

# A path whose commands never come back: every READ(10) and WRITE(10) on it is swallowed. Reads and writes are jobs of their own,
# over blocks of their own. No block is written twice: what overlaps a write that never came back waits for it. What is printed is the longest of each, in milliseconds.


set -- $paths
stuck=$1
hctl=$(basename "$(readlink -f /sys/block/${stuck##*/}/device)")
longest() { # the longest latency of a fio report in terse form, in ms
    awk -F';' -v at="$1" '{ if ($at > most) most = $at } END { printf "%d", most / 1000 }' "$2"
}
load() { # NAME RW OFFSET SIZE
    fio --name="$1" --filename="$dev" --rw="$2" --bs=4k --iodepth=8 --ioengine=io_uring --direct=1 --offset="$3" --size="$4" \
        --time_based --runtime=10 --eta=never --minimal >/tmp/"$1".out 2>&1
}
load reads randread 32m 16m & r=$!
load writes write 64m 192m & w=$!
sleep 2
echo "0 1 0x28" >/sys/kernel/debug/scsi_debug/$hctl/error
echo "0 1 0x2a" >/sys/kernel/debug/scsi_debug/$hctl/error
sleep 5
echo "0 0 0x28" >/sys/kernel/debug/scsi_debug/$hctl/error
echo "0 0 0x2a" >/sys/kernel/debug/scsi_debug/$hctl/error
if wait $r && wait $w; then
    read_ms=$(longest 39 /tmp/reads.out) write_ms=$(longest 80 /tmp/writes.out)
    echo "figure stuck-path: longest read $read_ms ms, longest write $write_ms ms"
    # The bound is for a machine with other work; dm-multipath takes 30 s here.
    if [ "$read_ms" -lt 2000 ] && [ "$write_ms" -lt 2000 ]; then ok stuck-path; else fail stuck-path "see the figure"; fi
else
    fail stuck-path "$(tail -3 /tmp/reads.out /tmp/writes.out)"
fi

mpio stop --socket /run/mpio.sock
n=0
while kill -0 $daemon 2>/dev/null && [ $n -lt 100 ]; do n=$((n + 1)); sleep 0.1; done
# Its commands that never come back must not keep it.
left=$(ls -d /dev/ublkb* /dev/ublkc* /run/mpio.sock 2>/dev/null)
if [ $n -lt 100 ] && [ -z "$left" ]; then ok stop; else fail stop "after $n tenths: ${left:-the daemon lives}"; fi
[ $failed = 0 ] || { tail -30 /tmp/serve.err; mpio status --socket /run/mpio.sock; }
exit $failed

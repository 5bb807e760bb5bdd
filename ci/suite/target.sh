# `harness run --target` on the daemon's volume over four scsi_debug paths, which go offline and answer with errors as the scenario says.

wait_for_devices 4
paths=
for d in /sys/block/sd*; do paths="$paths ${d##*/}"; done
set -- $paths
[ $# = 4 ] || { fail target-paths "$# scsi_debug devices instead of 4"; exit 1; }
cat >/tmp/target.toml <<TOML
[daemon]
socket = "$socket"
[[volume]]
name = "db"
paths = ["/dev/$1", "/dev/$2", "/dev/$3", "/dev/$4"]
TOML
cat >/tmp/inject.toml <<TOML
[[injector]]
on = "path:h0-A0"
sysfs = { device = "$1" }
[[injector]]
on = "path:h1-A1"
sysfs = { device = "$2" }
[[injector]]
on = "path:h0-B0"
scsi_debug = { device = "$4" }
TOML
mpio serve --config /tmp/target.toml >/tmp/target.out 2>/tmp/target.err &
daemon=$!
for _ in $(seq 100); do grep -q ready /tmp/target.out && break; sleep 0.1; done
dev=$(sed -n 's/^db is //p' /tmp/target.out)
run() { harness run /scenarios/through-losses.toml --out /tmp/runs "$@" >/tmp/run.out 2>&1; }

run --target "$dev" --inject /tmp/inject.toml
code=$?
[ $code = 0 ] && ok target-run || fail target-run "exit $code: $(tail -30 /tmp/run.out)"
echo "figure target-run: $(grep 'longest stall' /tmp/run.out | sed 's/^ *//')"
starts=$(cat /tmp/runs/through-losses/seed-1/events.jsonl 2>/dev/null | grep -c '"fault_start"')
[ "$starts" = 3 ] && ok target-faults || fail target-faults "$starts faults began instead of 3"

run --target "$dev"
code=$?
[ $code = 77 ] && grep -q 'inject.reset on path:h0-A0' /tmp/run.out && ok target-skips || fail target-skips "exit $code: $(tail -5 /tmp/run.out)"

# The device holds the data of somebody else.
dd if=/dev/urandom of="$dev" bs=4k count=1 oflag=direct 2>/dev/null
run --target "$dev" --inject /tmp/inject.toml
code=$?
[ $code = 2 ] && grep -q -e '--overwrite' /tmp/run.out && ok target-keeps-data || fail target-keeps-data "exit $code: $(tail -5 /tmp/run.out)"
dd if=/dev/zero of="$dev" bs=4k count=1 oflag=direct 2>/dev/null

# A path that lies: the same blocks are overwritten beside the daemon's back. The judge must see it.
(sleep 4; dd if=/dev/zero of=/dev/$1 bs=1M count=48 oflag=direct 2>/dev/null) &
run --target "$dev" --inject /tmp/inject.toml
code=$?
[ $code = 10 ] && ok target-finds-loss || fail target-finds-loss "exit $code: $(tail -5 /tmp/run.out)"

mpio stop --socket $socket
wait $daemon

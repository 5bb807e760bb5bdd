# The ways that data go: the kernel copies them, the daemon does, nobody does. With each, 4 KiB and 64 KiB under verify while a path is offline (what
# it had is sent again by another), while the daemon is killed and another takes over, and while a path swallows commands until the kernel's
# own timer ends them, after 3 s here.
stop || fail copy-stop "after $stop_tenths tenths: ${stop_left:-the daemon lives}"
cp /tmp/mpio.toml /tmp/mpio.suite.toml
stuck=$(devices_of 0 | head -1)
hctl=$(basename "$(readlink -f /sys/block/${stuck##*/}/device)")
patience=$(cat /sys/block/${stuck##*/}/device/timeout)
echo 3 >/sys/block/${stuck##*/}/device/timeout
both() { # NAME SECONDS: two sizes at once, over places of their own
    verify "$1"-small "$2" $dev --output-format=normal,terse & small=$!
    verify "$1"-large "$2" $dev --bs=64k --offset=64m --output-format=normal,terse & large=$!
}
verified() { # NAME
    if wait $small && wait $large; then ok "$1"; else fail "$1" "$(why "$1"-small) $(why "$1"-large)"; fi
}
most_of() { # COLUMN NAME: over both
    awk -F';' -v at="$1" '$at > most { most = $at } END { printf "%d", most / 1000 }' /tmp/fio."$2"-small /tmp/fio."$2"-large
}
for mode in copy user zero; do
    # In turns, so that the path that goes wrong has its share.
    sed "s/^shards = 2/&\ncopy = \"$mode\"\n[datapath]\npolicy = \"round_robin\"/" /tmp/mpio.suite.toml >/tmp/mpio.toml
    said=$(wc -l </tmp/serve.err)
    start || { fail copy-$mode "the daemon is not ready"; continue; }
    dev=$(device_of db)
    if tail -n +$((said + 1)) /tmp/serve.err | grep -q 'UBLK_F_AUTO_BUF_REG'; then
        ok copy-zero-said
        for test in zero zero-stuck; do skip copy-$test "this kernel's ublk lends no pages (Linux 6.16 does)"; done
        stop
        continue
    fi
    wait_usable 4 100 >/dev/null
    both copy-$mode 6
    sleep 1
    offline $stuck
    sleep 1
    online $stuck
    sleep 1
    kill -9 $daemon
    start || fail copy-$mode "the daemon is not ready again"
    verified copy-$mode

    wait_usable 4 200 >/dev/null
    both copy-$mode-stuck 7
    sleep 1
    echo "0 1 0x28" >/sys/kernel/debug/scsi_debug/$hctl/error
    echo "0 1 0x2a" >/sys/kernel/debug/scsi_debug/$hctl/error
    sleep 2
    echo "0 0 0x28" >/sys/kernel/debug/scsi_debug/$hctl/error
    echo "0 0 0x2a" >/sys/kernel/debug/scsi_debug/$hctl/error
    verified copy-$mode-stuck
    read_ms=$(most_of 39 copy-$mode-stuck) write_ms=$(most_of 80 copy-$mode-stuck)
    echo "figure copy-$mode-stuck: longest read $read_ms ms, longest write $write_ms ms"
    # Whoever lends the application's pages waits until the kernel gives the command back; whoever does not, must not. (A write waits where it overlaps
    # one that is in doubt, whoever copies.)
    [ $mode = zero ] || [ "$read_ms" -lt 2500 ] || fail copy-$mode-stuck "a read waited $read_ms ms for the path that hangs"
    stop || fail copy-$mode "stop: after $stop_tenths tenths: ${stop_left:-the daemon lives}"
done
echo "$patience" >/sys/block/${stuck##*/}/device/timeout
cp /tmp/mpio.suite.toml /tmp/mpio.toml
start || fail copy-again "the daemon is not ready"
dev=$(device_of db)
log=$(device_of log)
wait_usable 4 200 >/dev/null

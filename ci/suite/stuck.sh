# A path whose commands never come back: every READ(10) and WRITE(10) on it is swallowed. Reads and writes are jobs of their own,
# over blocks of their own. No block is written twice: what overlaps a write that never came back waits for it. What is printed is the
# longest of each, in milliseconds.
stuck=$(devices_of 0 | head -1)
hctl=$(basename "$(readlink -f /sys/block/${stuck##*/}/device)")
# The kernel's own timer ends what is stuck after the test, and before the next one needs the device.
echo 15 >/sys/block/${stuck##*/}/device/timeout
load() { # NAME RW OFFSET SIZE
    fio --name="$1" --filename="$dev" --rw="$2" --bs=4k --iodepth=8 --ioengine=io_uring --direct=1 --offset="$3" --size="$4" \
        --time_based --runtime=8 --eta=never --minimal >/tmp/"$1".out 2>&1
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

# One write that does not come back, on a path that answers everything else: after io_timeout (5 s, and what a busy machine adds; the kernel would
# give it up after 25 s) it alone is sent again, and its path
# stays. Beside it nothing waits.
one=$(devices_of 0 | sed -n 2p)
hctl=$(basename "$(readlink -f /sys/block/${one##*/}/device)")
echo 25 >/sys/block/${one##*/}/device/timeout
losses=$(grep -c ' lost (' /tmp/serve.err)
load reads randread 32m 16m & r=$!
load writes write 64m 192m & w=$!
sleep 1
echo "0 -1 0x2a" >/sys/kernel/debug/scsi_debug/$hctl/error
if wait $r && wait $w; then
    read_ms=$(longest 39 /tmp/reads.out) write_ms=$(longest 80 /tmp/writes.out)
    echo "figure stuck-command: longest read $read_ms ms, longest write $write_ms ms"
    if [ "$write_ms" -ge 4500 ] && [ "$write_ms" -lt 20000 ]; then ok stuck-command; else fail stuck-command "see the figure"; fi
    grep -q 'one command is not answered' /tmp/serve.err && ok stuck-command-alone || fail stuck-command-alone "nothing was given up alone"
    lost=$(($(grep -c ' lost (' /tmp/serve.err) - losses))
    [ $lost = 0 ] && ok stuck-command-keeps-its-path || fail stuck-command-keeps-its-path "$lost paths were lost: $(grep ' lost (' /tmp/serve.err | tail -3)"
else
    fail stuck-command "$(tail -3 /tmp/reads.out /tmp/writes.out)"
fi

# Its commands that never come back must not keep it.
if stop; then ok stop; else fail stop "after $stop_tenths tenths: ${stop_left:-the daemon lives}"; fi

# With `exclusive`: what is stuck is proven gone by a reset of the unit, and its blocks can be written again long before the kernel's timer ends
# it. While the unit refuses the reset nothing is proven.
for device in $stuck $one; do
    for _ in $(seq 60); do [ "$(awk '{ print $1 + $2 }' /sys/block/"${device##*/}"/inflight)" = 0 ] && break; sleep 1; done
done
hctl=$(basename "$(readlink -f /sys/block/${stuck##*/}/device)")
echo 30 >/sys/block/${stuck##*/}/device/timeout
errors=/sys/kernel/debug/scsi_debug/$hctl/error
was_retries=$(cat /sys/block/${stuck##*/}/device/scsi_disk/*/max_retries)
cp /tmp/mpio.toml /tmp/shared.toml
{
    printf '[daemon]\nsocket = "%s"\nshards = 2\n' $socket
    volume db $(devices_of 0)
    printf 'exclusive = true\nreset_after = "2s"\n'
} >/tmp/mpio.toml
writes() { # NAME: each of these blocks once
    fio --name="$1" --filename="$dev" --rw=write --bs=4k --iodepth=16 --ioengine=io_uring --direct=1 --offset=96m --size=8m --eta=never --output=/tmp/"$1".out
}
ends() { # PROCESS SECONDS
    for _ in $(seq $(($2 * 10))); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
    return 1
}
written() { awk '{ print $5 }' /sys/block/"${dev##*/}"/stat; }
if start; then
    dev=$(device_of db)
    wait_usable 4 100 >/dev/null
    from=$(written)
    writes once & f=$!
    for _ in $(seq 200); do [ "$(written)" -gt $((from + 200)) ] && break; sleep 0.05; done
    echo "4 -100 0xff" >$errors
    echo "0 1 0x2a" >$errors
    echo "0 1 0x28" >$errors
    # What the path swallows is written over another one, and its blocks stay in doubt.
    check exclusive-writes "they fail" wait $f
    writes again & f=$!
    for _ in $(seq 40); do grep -q 'a reset of its unit proves nothing: the device did not take it' /tmp/serve.err && break; sleep 1; done
    check reset-refused "$(grep 'its unit' /tmp/serve.err)" grep -q 'a reset of its unit proves nothing: the device did not take it' /tmp/serve.err
    if kill -0 $f 2>/dev/null; then ok exclusive-in-doubt; else fail exclusive-in-doubt "nothing was in doubt, or it was forgotten"; fi
    echo "4 0 0xff" >$errors
    began=$(uptime_ms)
    check exclusive-reset "the blocks are still in doubt" ends $f 20
    grep -q "its unit was reset: what was stuck is over" /tmp/serve.err && ok reset-proves || fail reset-proves "$(grep 'a reset of its' /tmp/serve.err | tail -3)"
    echo "figure exclusive: blocks of a stuck write are free $(($(uptime_ms) - began)) ms after the unit takes a reset"
    echo "0 0 0x28" >$errors
    echo "0 0 0x2a" >$errors
    if stop; then ok exclusive-stop; else fail exclusive-stop "after $stop_tenths tenths: ${stop_left:-the daemon lives}"; fi
    [ "$(cat /sys/block/${stuck##*/}/device/scsi_disk/*/max_retries)" = "$was_retries" ] && ok exclusive-puts-back || fail exclusive-puts-back "max_retries stays changed"
else
    fail exclusive-start "the daemon is not ready"
fi
mv /tmp/shared.toml /tmp/mpio.toml

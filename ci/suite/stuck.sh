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

# One write that does not come back, on a path that answers everything else: after io_timeout (5 s) it alone is sent again, and its path
# stays. Beside it nothing waits.
one=$(devices_of 0 | sed -n 2p)
hctl=$(basename "$(readlink -f /sys/block/${one##*/}/device)")
echo 12 >/sys/block/${one##*/}/device/timeout
losses=$(grep -c ' lost (' /tmp/serve.err)
load reads randread 32m 16m & r=$!
load writes write 64m 192m & w=$!
sleep 1
echo "0 -1 0x2a" >/sys/kernel/debug/scsi_debug/$hctl/error
if wait $r && wait $w; then
    read_ms=$(longest 39 /tmp/reads.out) write_ms=$(longest 80 /tmp/writes.out)
    echo "figure stuck-command: longest read $read_ms ms, longest write $write_ms ms"
    if [ "$write_ms" -ge 4500 ] && [ "$write_ms" -lt 7500 ]; then ok stuck-command; else fail stuck-command "see the figure"; fi
    grep -q 'one command is not answered' /tmp/serve.err && ok stuck-command-alone || fail stuck-command-alone "nothing was given up alone"
    lost=$(($(grep -c ' lost (' /tmp/serve.err) - losses))
    [ $lost = 0 ] && ok stuck-command-keeps-its-path || fail stuck-command-keeps-its-path "$lost paths were lost: $(grep ' lost (' /tmp/serve.err | tail -3)"
else
    fail stuck-command "$(tail -3 /tmp/reads.out /tmp/writes.out)"
fi

# Its commands that never come back must not keep it.
if stop; then ok stop; else fail stop "after $stop_tenths tenths: ${stop_left:-the daemon lives}"; fi

# The same with fence = "shadow", over blocks that are written again and again: what comes over a write that never came back is not held, its data
# are kept in memory. The bound is a fifth of the kernel's timer, which would end the wait otherwise. Every block reads as it was written last, and when the commands are back the paths hold the same.
kill -0 $daemon 2>/dev/null && stop
# A daemon that has ended has its devices until its last command is back.
for _ in $(seq 60); do
    cat /sys/block/sd*/inflight | awk '{ n += $1 + $2 } END { exit n > 0 }' && break
    sleep 1
done
cp /tmp/mpio.toml /tmp/plain.toml
sed 's/^shards = 2$/shards = 2\n[datapath]\nfence = "shadow"/' /tmp/plain.toml >/tmp/mpio.toml
check shadow-start "the daemon with another fence" start
dev=$(device_of db)
stuck=$(devices_of 0 | head -1)
hctl=$(basename "$(readlink -f /sys/block/${stuck##*/}/device)")
check shadow-paths "all paths" wait_usable 4 200
echo 25 >/sys/block/${stuck##*/}/device/timeout
kept() { mpio status --socket $socket | grep -q 'kept in memory'; }
fio --name=hot --filename="$dev" --rw=randwrite --bs=4k --iodepth=8 --ioengine=io_uring --direct=1 --size=256k --verify=crc32c \
    --verify_backlog=64 --verify_fatal=1 --time_based --runtime=12 --eta=never --minimal >/tmp/hot.out 2>&1 & hot=$!
sleep 2
# Some writes are swallowed; then the path says itself that it is down.
echo "0 1 0x2a" >/sys/kernel/debug/scsi_debug/$hctl/error
sleep 1
offline $stuck
sleep 5
check shadow-told "the status says nothing of it" kept
echo "0 0 0x2a" >/sys/kernel/debug/scsi_debug/$hctl/error
if wait $hot; then
    write_ms=$(longest 80 /tmp/hot.out)
    echo "figure shadow: longest write $write_ms ms over blocks in doubt"
    if [ "$write_ms" -lt 5000 ]; then ok shadow-path; else fail shadow-path "see the figure"; fi
else
    fail shadow-path "$(tail -3 /tmp/hot.out)"
fi
online $stuck
settled() { for _ in $(seq 450); do kept || return 0; sleep 0.1; done; return 1; }
check shadow-settled "$(mpio status --socket $socket | grep 'kept in memory')" settled
echo 3 >/proc/sys/vm/drop_caches
sum() { dd if="$1" bs=64k count=4 2>/dev/null | md5sum; }
other=$(devices_of 0 | tail -1)
if [ "$(sum "$dev")" = "$(sum "$other")" ]; then ok shadow-written; else fail shadow-written "the path holds other data than the volume"; fi
if stop; then ok shadow-stop; else fail shadow-stop "after $stop_tenths tenths: ${stop_left:-the daemon lives}"; fi
cp /tmp/plain.toml /tmp/mpio.toml

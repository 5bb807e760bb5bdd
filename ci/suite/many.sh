# Sixty volumes with four paths each, in one daemon with one shard: 6.12 allows 64 ublk devices.
kill -0 $daemon 2>/dev/null && stop
echo 60 >$debug/max_luns
echo 0 >$debug/vpd_use_hostno
for h in 0 1 2 3; do echo "- - -" >/sys/class/scsi_host/host$h/scan & done
wait
echo 1 >$debug/vpd_use_hostno
for _ in $(seq 300); do [ "$(ls -d /sys/block/sd* | wc -l)" = 240 ] && break; sleep 0.1; done
# A daemon that has ended has its devices until its last command is back.
for _ in $(seq 130); do
    cat /sys/block/sd*/inflight | awk '{ n += $1 + $2 } END { exit n > 0 }' && break
    sleep 1
done
sleep 0.5
{
    printf '[daemon]\nsocket = "%s"\nshards = 1\n' $socket
    for l in $(seq 0 59); do volume v$l $(devices_of $l); done
} >/tmp/mpio.toml
began=$(uptime_ms)
if start 600; then
    took=$(($(uptime_ms) - began))
    for _ in $(seq 100); do
        mpio status --socket $socket >/tmp/status
        n=$(grep -cE '^  /dev/.* usable +up ' /tmp/status)
        [ "$n" = 240 ] && break
        sleep 0.2
    done
    [ "$n" = 240 ] && ok sixty-volumes || fail sixty-volumes "$n paths of 240 are usable"
    verify first 3 $(device_of v0) --size=8m & a=$!
    verify last 3 $(device_of v59) --size=8m --offset=64m & b=$!
    wait $a && wait $b && ok sixty-volumes-verify || fail sixty-volumes-verify "$(why first) $(why last)"
    ticks() { awk '{ print $14 + $15 }' /proc/$daemon/stat; }
    before=$(ticks)
    sleep 3
    idle=$(($(ticks) - before))
    rss=$(awk '/^VmRSS/ { print int($2 / 1024) }' /proc/$daemon/status)
    echo "figure sixty-volumes: ready after $took ms, $rss MiB resident, $(ls /proc/$daemon/task | wc -l) threads, $((idle / 3)) % of a CPU while idle"
    [ "$rss" -lt 320 ] && ok sixty-volumes-memory || fail sixty-volumes-memory "$rss MiB"
    # The flushes of sixty volumes that are stuck on two ports hold up no other one: each is sent again over another path after io_timeout (5 s), and
    # ends before the kernel's timer ends what is stuck.
    ports=$(for d in $(devices_of 0 | sed -n 2,3p); do host_of "$d"; done)
    swallow() { # COUNT of flushes on each device of the ports: 1 always, 0 no more
        for h in $ports; do for e in /sys/kernel/debug/scsi_debug/"$h":*/error; do echo "0 $1 0x35" >$e; done; done
    }
    for h in $ports; do for t in /sys/class/scsi_device/"$h":*/device/timeout; do echo 40 >$t; done; done
    swallow 1
    began=$(uptime_ms)
    flushes=
    for l in $(seq 0 59); do
        dd if=/dev/zero of="$(device_of v$l)" bs=4k count=1 seek=9000 conv=fsync 2>/dev/null & flushes="$flushes $!"
    done
    failed_flushes=0
    for flush in $flushes; do wait "$flush" || failed_flushes=$((failed_flushes + 1)); done
    flushed=$(($(uptime_ms) - began))
    stuck=$(mpio status --json --socket $socket | grep -o '"inflight":[0-9]*' | awk -F: '{ n += $2 } END { print n }')
    swallow 0
    echo "figure sixty-volumes-flushes: sixty in $flushed ms beside two ports that swallow flushes, $stuck commands out at the end, $(grep -c 'one command is not answered' /tmp/serve.err) given up alone"
    [ $failed_flushes = 0 ] && [ "$stuck" -gt 20 ] && [ $flushed -lt 35000 ] && ok sixty-volumes-flushes || fail sixty-volumes-flushes "$failed_flushes fail, see the figure"
    began=$(uptime_ms)
    if stop; then ok sixty-volumes-stop; else fail sixty-volumes-stop "after $stop_tenths tenths: ${stop_left:-the daemon lives}"; fi
    # It waits for what is stuck, until the kernel's timer ends it.
    echo "figure sixty-volumes-stop: $(($(uptime_ms) - began)) ms"
else
    fail sixty-volumes "the daemon is not ready"
fi

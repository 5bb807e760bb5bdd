# What the daemon costs: its CPU time for one I/O, and its memory, while one volume is read, and eight at once.
echo "cost of 4 KiB random reads, four paths a volume, one shard${EXTRA:+, $EXTRA}"
ran() { # nanoseconds that the daemon's threads have run
    cat /proc/$daemon/task/*/schedstat 2>/dev/null | awk '{ n += $1 } END { printf "%.0f", n }'
}
ticks() { awk '{ print $14, $15 }' /proc/$daemon/stat; } # of user code, of the kernel
for volumes in 1 8 60; do
    null_devices $((volumes * 4))
    : >/tmp/volumes
    for v in $(seq 0 $((volumes - 1))); do
        volume v$v $(for p in 0 1 2 3; do echo /dev/nullb$((v * 4 + p)); done)
    done | sed 's/depth = 128/depth = 64/' >/tmp/volumes
    start 1
    devices=$(for v in $(seq 0 $((volumes < 8 ? volumes - 1 : 7))); do printf '%s:' "$(device_of v$v)"; done)
    before=$(ran) ticks_before=$(ticks)
    ios=$(EACH=3 iops "${devices%:}" randread 2)
    after=$(ran)
    share=$(echo "$ticks_before $(ticks)" | awk '{ u = $3 - $1; s = $4 - $2; printf "%d", 100 * u / (u + s + 0.001) }')
    rss=$(awk '/^VmRSS/ { print int($2 / 1024) }' /proc/$daemon/status)
    idle=$(ran)
    sleep 3
    idle=$((($(ran) - idle) / 30000000))
    echo "$volumes volumes: $(((after - before) / (ios * 3 + 1))) ns of CPU for one I/O ($share % of it in user code) at $ios a second, $rss MiB resident, $idle % of a CPU while idle"
    stop
done

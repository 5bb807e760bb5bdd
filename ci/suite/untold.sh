# A flush fails, and the daemon is killed before it has told so: the successor tells. One shard is kept from running (a busy loop of a higher
# class has its CPU), and the other waits for its word, so that the kill finds the failure untold.
fails() { # COUNT: so many flushes of each path fail with a medium error; -: none
    for p in $(devices_of 0); do
        e=$(basename "$(readlink -f /sys/block/"${p##*/}"/device)")
        if [ "$1" = - ]; then echo "- 2 0x35" >/sys/kernel/debug/scsi_debug/"$e"/error
        else echo "2 $1 0x35 0 0 0x2 0x3 0x11 0x0" >/sys/kernel/debug/scsi_debug/"$e"/error; fi
    done
}
shard() { for t in /proc/$daemon/task/*; do grep -qx "shard-$1" "$t"/comm && echo "${t##*/}"; done; }
untold=${socket%.sock}.untold.db
wait_usable 4 600 >/dev/null
realtime=/proc/sys/kernel/sched_rt_runtime_us
was=$(cat $realtime)
taskset -p 1 "$(shard 0)" >/dev/null
taskset -p 2 "$(shard 1)" >/dev/null
fails 100
echo -1 >$realtime
taskset 2 $bin/chrt -f 50 sh -c 'while :; do :; done' & hog=$!
sleep 0.3
taskset 1 dd if=/dev/zero of=$dev bs=4k count=1 seek=20000 conv=fsync >/tmp/untold.dd 2>&1 & flush=$!
for _ in $(seq 50); do [ "$(tr '\000\001' 01 <$untold)" = 10 ] && break; sleep 0.1; done
word=$(tr '\000\001' 01 <$untold)
kill -9 $daemon
kill $hog
echo "$was" >$realtime
wait $hog $daemon 2>/dev/null
fails -
[ "$word" = 10 ] && ok untold-is-kept || fail untold-is-kept "\"$word\" is on disk; $(cat /tmp/untold.dd)"
kill -0 $flush 2>/dev/null && ok untold-waits || fail untold-waits "the flush ended before: $(cat /tmp/untold.dd)"
check untold-start "no successor" start
if wait $flush; then fail untold-is-told "the flush succeeded"; else
    grep -qE 'I/O error|Input/output error' /tmp/untold.dd && ok untold-is-told || fail untold-is-told "$(cat /tmp/untold.dd)"
fi
for _ in $(seq 20); do [ "$(tr '\000\001' 01 <$untold)" = 00 ] && break; sleep 0.1; done
[ "$(tr '\000\001' 01 <$untold)" = 00 ] && ok untold-once || fail untold-once "$(od -c $untold)"
check untold-later-flush "a flush without a failure fails" dd if=/dev/zero of=$dev bs=4k count=1 seek=20000 conv=fsync

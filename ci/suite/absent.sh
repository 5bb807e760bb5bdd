# A path whose device is not there keeps no volume from being served, nor a dead daemon's volume from being recovered, and is used when it comes.
kill -0 $daemon 2>/dev/null || start
dev=$(device_of db)
wait_usable 4 600 >/dev/null
gone=$(devices_of 0 | tail -1)
host=$(host_of $gone)
verify absent 12 $dev & f=$!
sleep 1
echo 1 >/sys/block/${gone##*/}/device/delete
sleep 1
kill -9 $daemon
wait $daemon 2>/dev/null
check absent-recovered "the daemon is not ready" start
check absent-serves "three paths are not used" wait_usable 3 50
before=$(awk '{ print $5 }' /sys/block/${dev##*/}/stat)
sleep 1
[ "$(awk '{ print $5 }' /sys/block/${dev##*/}/stat)" -gt "$before" ] && ok absent-writes || fail absent-writes "nothing is written: $(tail -5 /tmp/serve.err)"
scan $host
check absent-found "the path did not come" wait_usable 4 600
wait $f && ok absent-verify || fail absent-verify "$(why absent)"

stop >/dev/null
echo 1 >/sys/block/${gone##*/}/device/delete
check absent-start "the daemon is not ready" start
grep -q "no $gone: it is served over its other paths" /tmp/serve.err && ok absent-said || fail absent-said "$(tail -5 /tmp/serve.err)"
check absent-start-serves "three paths are not used" wait_usable 3 50
scan $host
check absent-start-found "the path did not come" wait_usable 4 600
dev=$(device_of db)
log=$(device_of log)

# The array's units lead elsewhere, and it says so: who each path's device is, is asked of it anew.
echo 3 >$debug/max_luns
# (The first host shows then what all show otherwise.)
check remapped "it is not noticed" wait_usable 1 100
grep -q 'WRONG VOLUME' /tmp/status && ok remapped-is-shown || fail remapped-is-shown "$(cat /tmp/status)"
echo 0 >$debug/vpd_use_hostno
echo 2 >$debug/max_luns
for _ in $(seq 100); do mpio status --socket $socket | grep -q 'WRONG VOLUME' || break; sleep 0.1; done
echo 1 >$debug/vpd_use_hostno
check remapped-back "the right volume is not used" wait_usable 4 600

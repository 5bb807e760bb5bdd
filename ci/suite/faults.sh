# Each path offline in turn, under verify.
verify offline 9 & f=$!
for p in $paths; do
    sleep 1
    offline $p
    sleep 1
    online $p
done
wait $f && ok offline-in-turn || fail offline-in-turn "$(why offline)"
grep -q 'not usable' /tmp/serve.err && ok offline-is-noticed || fail offline-is-noticed "no path became unusable"

# All of them, and back.
wait_usable 4 50 >/dev/null
verify all-down 6 & f=$!
sleep 1
for p in $paths; do offline $p; done
sleep 3
for p in $paths; do online $p; done
wait $f && ok all-paths-down-and-back || fail all-paths-down-and-back "$(why all-down)"
check all-back "not every path came back" wait_usable 4 600

# A bad place of the medium is the application's, and no path's.
echo 2 >$debug/opts
fio --name=medium --filename=$dev --rw=read --bs=4k --offset=$((0x1230 * 512)) --size=4k --direct=1 --eta=never >/tmp/fio.medium 2>&1
echo 0 >$debug/opts
grep -q 'No data available' /tmp/fio.medium && ok medium-error || fail medium-error "$(tail -3 /tmp/fio.medium)"
[ "$(usable)" = 4 ] && ok medium-error-kills-no-path || fail medium-error-kills-no-path "$(cat /tmp/status)"

# One path serves twenty commands a second at most: the others carry on.
if mkdir -p /tmp/cg && mount -t cgroup2 none /tmp/cg && echo +io >/tmp/cg/cgroup.subtree_control && mkdir /tmp/cg/slow; then
    echo "$(cat /sys/block/${1##*/}/dev) riops=20 wiops=20" >/tmp/cg/slow/io.max
    echo $daemon >/tmp/cg/slow/cgroup.procs
    fio --name=delayed --filename=$dev --rw=randread --bs=4k --iodepth=8 --ioengine=io_uring --direct=1 --size=32m --time_based --runtime=5 --eta=never \
        --minimal >/tmp/fio.delayed 2>&1
    code=$?
    echo $daemon >/tmp/cg/cgroup.procs
    n=$(awk -F';' '{ print int($8) }' /tmp/fio.delayed)
    echo "figure delayed-path: $n reads a second beside a path that serves 20, longest $(longest 39 /tmp/fio.delayed) ms"
    [ $code = 0 ] && [ "$n" -gt 200 ] && ok delayed-path || fail delayed-path "$(tail -3 /tmp/fio.delayed)"
else
    skip delayed-path "no io controller"
fi

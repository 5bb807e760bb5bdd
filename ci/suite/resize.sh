# The array makes the units larger under load: the volume's device follows where the kernel can (Linux 6.16), and says so where it cannot. Smaller
# it becomes by the operator's word alone. The store of scsi_debug stays as it is: what is behind its end is only looked at.
kill -0 $daemon 2>/dev/null || start
dev=$(device_of db)
size_of() { blockdev --getsize64 "$1"; }
wait_size() { # BYTES TENTHS
    for _ in $(seq "$2"); do [ "$(size_of $dev)" = "$1" ] && return; sleep 0.1; done
    size_of $dev
    tail -5 /tmp/serve.err
    return 1
}
capacity() { # GIB: 0 is what the store has
    # The kernel reads the identity again, too, and 0 gives each path the same.
    echo 0 >$debug/vpd_use_hostno
    echo "$1" >$debug/virtual_gb
    for d in /sys/block/sd*; do echo 1 >"$d"/device/rescan; done
    echo 1 >$debug/vpd_use_hostno
}
small=$(size_of $dev) large=1073741824
verify grows 6 $dev & f=$!
sleep 0.5
capacity 1
if mpio check-config /tmp/mpio.toml | grep -q 'update_size *yes'; then
    check resize-grows "it is not larger" wait_size $large 100
    [ "$(dd if=$dev bs=1M skip=1023 count=1 iflag=direct 2>/tmp/resize.dd | wc -c)" = 1048576 ] && ok resize-serves-it || fail resize-serves-it "$(cat /tmp/resize.dd)"
    capacity 0
    sleep 2
    [ "$(size_of $dev)" = $large ] && ok resize-does-not-shrink || fail resize-does-not-shrink "$(size_of $dev)"
    mpio volume take-size db --socket $socket >/dev/null
    mpio volume take-size log --socket $socket >/dev/null
    check resize-shrinks-when-told "it is not smaller" wait_size $small 50
    wait $f && ok resize-verify || fail resize-verify "$(why grows)"
    capacity 1
    check resize-grows-again "it is not larger" wait_size $large 100
    sleep 0.5
    kill -9 $daemon
    check resize-recovered "the daemon is not ready" start 200
    [ "$(size_of $dev)" = $large ] && ok resize-is-remembered || fail resize-is-remembered "$(size_of $dev)"
    # The store's size again, for who comes after: a device that is larger than its paths would not be taken over.
    capacity 0
    check resize-usable "no path is usable" wait_usable 4 100
    for v in db log; do mpio volume take-size $v --socket $socket >/dev/null; done
    check resize-back "it is not smaller" wait_size $small 50
else
    for _ in $(seq 100); do grep -q 'takes effect when the daemon is stopped and started' /tmp/serve.err && break; sleep 0.1; done
    grep -q 'takes effect when the daemon is stopped and started' /tmp/serve.err && ok resize-is-told || fail resize-is-told "$(tail -5 /tmp/serve.err)"
    [ "$(size_of $dev)" = "$small" ] && ok resize-keeps || fail resize-keeps "$(size_of $dev)"
    wait $f && ok resize-verify || fail resize-verify "$(why grows)"
    stop && start && [ "$(size_of "$(device_of db)")" = $large ] && ok resize-at-the-next-start || fail resize-at-the-next-start "$(size_of $dev)"
    stop
    capacity 0
    start || fail resize-back "the daemon is not ready"
    dev=$(device_of db)
fi

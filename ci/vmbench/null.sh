# ublk with nothing behind it, and the whole datapath over one path that answers at once.
echo "over a path that answers at once   I/Os a second (bound: 0.90 x rublk null)"
null_devices 1
volume null /dev/nullb0 >/tmp/volumes
start 1
peers="raw /dev/nullb0"
if command -v rublk >/dev/null; then
    for mode in "" "-u"; do
        rublk add null -q 1 -d 128 $mode >/tmp/rublk.out 2>&1 || cat /tmp/rublk.out
        sleep 0.5
    done
    all=$(ls /dev/ublkb* | grep -v "^$(device_of null)\$")
    set -- $all
    peers="rublk-null $1 rublk-null-user-copy $2 $peers"
fi
for rw in $LOADS; do
    # The path is the daemon's: a raw device in use is only read.
    [ $rw = randread ] || peers=${peers% raw /dev/nullb0}
    for jobs in $JOBS; do rounds null $rw $jobs mpio "$(device_of null)" $peers; done
done
for d in ${all:-}; do rublk del -n "${d#/dev/ublkb}" >/dev/null 2>&1; done
stop

# How long an application waits when a path is taken offline, answers everything with errors, or is removed, under load: no error, and no stall
# beyond two seconds (dm-multipath waits for its checker and, on silence, 30 s). One of the breaks is a port that both volumes share.
kill -0 $daemon 2>/dev/null || start
dev=$(device_of db)
log=$(device_of log)
load() { # NAME DEVICE RW OFFSET
    fio --name="$1" --filename="$2" --rw="$3" --bs=4k --iodepth=4 --ioengine=io_uring --direct=1 --offset="$4" --size=16m \
        --time_based --runtime=6 --eta=never --minimal >/tmp/"$1".out 2>&1
}
bounded() { # NAME BREAK MEND: both volumes under load
    load "$1"-reads $dev randread 32m & r=$!
    load "$1"-writes $dev randwrite 64m & w=$!
    load "$1"-other $log randrw 128m & o=$!
    sleep 2
    $2
    sleep 2
    $3
    if wait $r && wait $w && wait $o; then
        read_ms=$(longest 39 /tmp/"$1"-reads.out) write_ms=$(longest 80 /tmp/"$1"-writes.out)
        other_ms=$(($(longest 39 /tmp/"$1"-other.out) + $(longest 80 /tmp/"$1"-other.out)))
        echo "figure $1: longest read $read_ms ms, longest write $write_ms ms, of the other volume both $other_ms ms"
        [ "$read_ms" -lt 2000 ] && [ "$write_ms" -lt 2000 ] && [ "$other_ms" -lt 4000 ] && ok "$1" || fail "$1" "see the figure"
    else
        fail "$1" "$(tail -2 /tmp/"$1"-*.out)"
    fi
    check "$1-back" "a path stays away" wait_usable 4 600
}
wait_usable 4 600 >/dev/null
victim=$(devices_of 0 | sed -n 3p)
twin=$(devices_of 1 | sed -n 3p)
port=$(host_of $victim)
take_offline() { offline $victim; }
put_online() { online $victim; }
bounded bounded-offlined take_offline put_online
# Every read and write of the port ends with DID_ERROR, of both volumes.
errors() { # COUNT
    for e in /sys/kernel/debug/scsi_debug/"$port":*/error; do
        for command in 0x28 0x2a; do
            if [ "$1" = - ]; then echo "- 2 $command" >$e; else echo "2 $1 $command 0x7 0 0 0 0 0" >$e; fi
        done
    done
}
begin_errors() { errors 100000; }
end_errors() { errors -; }
told() { mpio status --json --socket $socket | grep -o '"usable":[a-z]*,"identity_wrong":[a-z]*,"inflight":[0-9]*,"ios":[0-9]*,"bytes":[0-9]*,"errors":[0-9]*' | awk -F: '{ n += $NF } END { print n }'; }
before=$(told)
bounded bounded-erroring begin_errors end_errors
[ "$(told)" -gt "$before" ] && ok bounded-errors-came || fail bounded-errors-came "$before errors before, $(told) after"
both_offline() { offline $victim; offline $twin; }
both_online() { online $victim; online $twin; }
bounded bounded-shared-port both_offline both_online
remove() { echo 1 >/sys/block/${victim##*/}/device/delete; }
found() { scan $port; }
bounded bounded-removed remove found

# What the chapters share.
set -u
socket=/run/mpio.sock

# A number of null_blk devices: they answer at once, and keep nothing.
null_devices() { # NUMBER
    modprobe -r null_blk 2>/dev/null
    modprobe null_blk nr_devices="$1" gb=1 bs=512 queue_mode=2 submit_queues=2 irqmode=1 hw_queue_depth=128
}
volume() { # NAME DEVICE…
    printf '[[volume]]\nname = "%s"\nidentity = "none"\ndepth = 128\npaths = [' "$1"
    shift
    for p; do printf '"%s", ' "$p"; done
    echo ']'
}
start() { # SHARDS: with the volumes of /tmp/volumes
    printf '[daemon]\nsocket = "%s"\nshards = %s\n%s\n' $socket "$1" "$EXTRA" | cat - /tmp/volumes >/tmp/mpio.toml
    mpio serve --config /tmp/mpio.toml >/tmp/serve.out 2>/tmp/serve.err &
    daemon=$!
    for _ in $(seq 600); do
        grep -qs ready /tmp/serve.out && break
        kill -0 $daemon 2>/dev/null || { cat /tmp/serve.err; exit 1; }
        sleep 0.1
    done
    # Until every path is in use.
    for _ in $(seq 100); do
        [ "$(mpio status --socket $socket | grep -cE '^  /dev/.* usable +up ')" = "$(grep -o '/dev/' /tmp/volumes | wc -l)" ] && return
        sleep 0.2
    done
    echo "not every path is usable:"
    mpio status --socket $socket
    exit 1
}
device_of() { sed -n "s/^$1 is //p" /tmp/serve.out; }
stop() {
    mpio stop --socket $socket || cat /tmp/serve.err
    wait $daemon
}
multipath() { # NAME SELECTOR DEVICE…: a map whose paths are one group
    name=$1 selector=$2
    shift 2
    sectors=$(blockdev --getsz "$1")
    # A path's own words: how often it is taken before the selector chooses anew, and of service-time its weight.
    case $selector in service-time) words="1 1" n=2 ;; *) words="1" n=1 ;; esac
    table="0 $sectors multipath 0 0 1 1 $selector 0 $# $n"
    for p; do table="$table $(cat /sys/class/block/"${p##*/}"/dev) $words"; done
    dmsetup --noudevsync --noudevrules create "$name" --table "$table" || exit 1
}
map_device() { echo "/dev/dm-$(dmsetup info -c --noheadings -o minor "$1" | tr -d ' ')"; }
# I/Os a second of one run.
iops() { # DEVICE RW JOBS
    fio --name=x --filename="$1" --rw="$2" --numjobs="$3" --bs=4k --iodepth=32 --ioengine=io_uring --direct=1 --time_based --runtime="$EACH" \
        --norandommap --randrepeat=1 --thread --group_reporting --gtod_reduce=1 --eta=never --minimal >/tmp/fio.out 2>&1 || { cat /tmp/fio.out >&2; exit 1; }
    awk -F';' 'NF > 50 { printf "%d\n", $8 + $49 }' /tmp/fio.out
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
# Each round runs every device once; the first is the one that the others are set against.
rounds() { # TITLE RW JOBS NAME DEVICE [NAME DEVICE]…
    title=$1 rw=$2 jobs=$3
    shift 3
    rm -f /tmp/run.* /tmp/ratio.*
    for _ in $(seq "$ROUNDS"); do
        n=0 ours=
        for x; do
            case $((n % 2)) in
            0) named=$x ;;
            1)
                got=$(iops "$x" "$rw" "$jobs")
                [ "$ours" ] || ours=$got
                echo "$got" >>/tmp/run."$named"
                awk -v a="$ours" -v b="$got" 'BEGIN { print a / b }' >>/tmp/ratio."$named"
                ;;
            esac
            n=$((n + 1))
        done
    done
    line=$(printf '%-14s %-9s %d' "$title" "$rw" "$jobs")
    first=$1
    for x; do
        case $x in
        /dev/*) ;;
        "$first") line="$line  $(printf '%7d' "$(median </tmp/run."$first")") $first" ;;
        *) line="$line  $(printf '%5.2f x %s (%d)' "$(median </tmp/ratio."$x")" "$x" "$(median </tmp/run."$x")")" ;;
        esac
    done
    echo "$line"
}
# Longest completions of a load, in milliseconds.
longest() { # COLUMN FILE
    awk -F';' -v at="$1" 'NF > 50 { if ($at > most) most = $at } END { printf "%d", most / 1000 }' "$2"
}

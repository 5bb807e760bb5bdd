# What the suite's scripts share. Each test prints one line: ok NAME, FAIL NAME: why, or skip NAME: why.
set -u
failed=0
socket=/run/mpio.sock
# busybox has programs of the same names.
bin=/suite/bin
debug=/sys/bus/pseudo/drivers/scsi_debug
ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $2"; failed=1; }
skip() { echo "skip suite/$1: $2"; }
check() { # NAME WHY COMMAND…: the command must succeed
    check_name=$1 check_why=$2
    shift 2
    if "$@" >/tmp/check.out 2>&1; then ok "$check_name"; else fail "$check_name" "$check_why: $(tail -12 /tmp/check.out)"; fi
}

# The scsi_debug devices of one unit, in the order of their hosts.
devices_of() { # LUN
    for d in $debug/adapter*/host*/target*/*:"$1"/block/*; do [ -e "$d" ] && echo "/dev/${d##*/}"; done
}
host_of() { basename "$(readlink -f /sys/block/"${1##*/}"/device)" | cut -d: -f1; }
wait_for_devices() { # NUMBER: scsi_debug makes its hosts one after another
    for _ in $(seq 100); do [ "$(ls -d /sys/block/sd* 2>/dev/null | wc -l)" = "$1" ] && return; sleep 0.1; done
    fail devices "$(ls -d /sys/block/sd* | wc -l) scsi_debug devices instead of $1"
    exit 1
}
volume() { # NAME DEVICE…: a table of the configuration
    printf '[[volume]]\nname = "%s"\npaths = [' "$1"
    shift
    for p; do printf '"%s", ' "$p"; done
    echo ']'
}

start() { # [TENTHS]
    mpio serve --config /tmp/mpio.toml >/tmp/serve.out 2>>/tmp/serve.err &
    daemon=$!
    for _ in $(seq "${1:-100}"); do
        grep -q ready /tmp/serve.out && return 0
        kill -0 $daemon 2>/dev/null || break
        sleep 0.1
    done
    cat /tmp/serve.out
    tail -20 /tmp/serve.err
    return 1
}
stop() {
    mpio stop --socket $socket
    stop_tenths=0
    while kill -0 $daemon 2>/dev/null && [ $stop_tenths -lt 200 ]; do stop_tenths=$((stop_tenths + 1)); sleep 0.1; done
    stop_left=$(ls -d /dev/ublkb* /dev/ublkc* $socket ${socket%.sock}.state.json ${socket%.sock}.untold.* 2>/dev/null)
    [ $stop_tenths -lt 200 ] && [ -z "$stop_left" ]
}
device_of() { sed -n "s/^$1 is //p" /tmp/serve.out; }
refused() { # NAME TEXT: the daemon must not start with /tmp/bad.toml, and say why
    if timeout 20 mpio serve --config /tmp/bad.toml >/tmp/bad.out 2>&1; then fail "$1" "it runs"; return; fi
    if grep -q "$2" /tmp/bad.out; then ok "$1"; else fail "$1" "$(cat /tmp/bad.out)"; fi
}
usable() { # [NUMBER]: how many paths of the first (or that) volume are usable
    mpio status --socket $socket >/tmp/status
    awk -v at="${1:-1}" '/^[^ ]/ { n++ } n == at' /tmp/status | grep -cE '^  /dev/.* usable +up '
}
wait_usable() { # NUMBER TENTHS [VOLUME]
    for _ in $(seq "$2"); do [ "$(usable "${3:-1}")" = "$1" ] && return; sleep 0.1; done
    cat /tmp/status
    return 1
}
verify() { # NAME RUNTIME [DEVICE [FIO OPTION…]]: random writes and reads, each block checked
    verify_name=$1 verify_time=$2 verify_device=${3:-$dev}
    shift 2
    [ $# -gt 0 ] && shift
    fio --name="$verify_name" --filename="$verify_device" --rw=randwrite --bs=4k --iodepth=16 --ioengine=io_uring --direct=1 --size=32m \
        --verify=crc32c --verify_backlog=256 --verify_fatal=1 --time_based --runtime="$verify_time" --eta=never \
        --output=/tmp/fio."$verify_name" "$@"
}
why() { tail -3 /tmp/fio."$1"; }
uptime_ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
longest() { # COLUMN FILE: the longest latency of a fio report in terse form, in ms
    awk -F';' -v at="$1" '{ if ($at > most) most = $at } END { printf "%d", most / 1000 }' "$2"
}
online() { # DEVICE: the kernel looks at its identity anew then
    echo 0 >$debug/vpd_use_hostno
    echo running >/sys/block/"${1##*/}"/device/state
    echo 1 >$debug/vpd_use_hostno
}
offline() { echo offline >/sys/block/"${1##*/}"/device/state; }
scan() { # HOST [OTHER-IDENTITY]: finds what was deleted on this host
    echo "${2:-0}" >$debug/vpd_use_hostno
    echo "- - -" >/sys/class/scsi_host/host"$1"/scan
    echo 1 >$debug/vpd_use_hostno
}

#!/bin/sh
# The control plane on a real kernel, with a daemon of its own: discovery, the operator's words, names, metrics, hooks, a trace, what a dead
# daemon leaves. It takes whatever scsi_debug disks are free, and leaves them so. One line a test.
set -u
PATH=/suite/bin:$PATH
failed=0
ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $2"; failed=1; }
check() { # NAME WHY COMMAND…: the command must succeed
    name=$1 why=$2
    shift 2
    if "$@" >/tmp/control.check 2>&1; then ok "$name"; else fail "$name" "$why: $(tail -12 /tmp/control.check)"; fi
}
socket=/run/control.sock
asks() { mpio "$@" --socket $socket; }

# A configuration that nobody wrote: volumes by identity alone.
mpio discover --socket $socket >/tmp/control.found
{
    printf '[daemon]\nsocket = "%s"\n[metrics]\nlisten = "127.0.0.1:9090"\n' $socket
    # shellcheck disable=SC2016
    printf '[hooks]\npath_added = "echo $MPIO_VOLUME $MPIO_PATH >>/tmp/control.hook"\n'
    cat /tmp/control.found
} >/tmp/control.toml
check discover "nothing was found" grep -q '^identity' /tmp/control.found
check discover-is-a-configuration "it is refused" mpio check-config /tmp/control.toml
mpio check-config /tmp/control.toml >/tmp/control.checked
check long-timers "$(cat /tmp/control.checked)" grep -q '^long timer: /dev/.* the time for one command is 30 s, .*echo 10 | tee /sys/.*timeout' /tmp/control.checked
[ $failed = 0 ] || { cat /tmp/control.found; exit 1; }
volume=$(sed -n 's/^name *= "\(.*\)"/\1/p' /tmp/control.found | head -1)
rm -f /tmp/control.hook

start() {
    mpio serve --config /tmp/control.toml >/tmp/control.out 2>>/tmp/control.err &
    daemon=$!
    for _ in $(seq 100); do
        grep -q ready /tmp/control.out && return 0
        kill -0 $daemon 2>/dev/null || break
        sleep 0.1
    done
    cat /tmp/control.out /tmp/control.err
    return 1
}
check serve-by-identity "the daemon is not ready" start
[ $failed = 0 ] || exit 1
dev=/dev/mpio/$volume
check link "no $dev" test -b "$dev"
sleep 0.5
asks path list "$volume" >/tmp/control.paths
total=$(grep -c '^  /dev/' /tmp/control.paths)
check long-timers-in-the-log "$(head -20 /tmp/control.err)" grep -q 'WARN .*error handling is for ever' /tmp/control.err
check paths-found "$(cat /tmp/control.paths)" [ "$(grep -c '^  /dev/.* usable  *up ' /tmp/control.paths)" -ge 2 ]
check hook "$(cat /tmp/control.hook 2>/dev/null) for $total paths" [ "$(grep -c "^$volume /dev/" /tmp/control.hook)" = "$total" ]
mpio discover --socket $socket >/tmp/control.again
check discover-knows-the-served "$(cat /tmp/control.again)" grep -q "a path of \"$volume\", which is served" /tmp/control.again
check memory-locked "$(grep VmLck /proc/$daemon/status)" [ "$(awk '/VmLck/ { print $2 }' /proc/$daemon/status)" -gt 0 ]

# The operator's words decide who serves: all but the last path failed, then the last a standby of the first.
reads() { dd if="$dev" of=/dev/null bs=4k count=200 iflag=direct 2>/dev/null; }
served_of() { sleep 0.3; asks status "$volume" --json | sed 's/{"path"/\n&/g' | grep "\"$1\"" | sed 's/.*"inflight":[0-9]*,"ios":\([0-9]*\).*/\1/'; }
all=$(awk '/^  \/dev\// { print $1 }' /tmp/control.paths)
first=$(echo "$all" | head -1) last=$(echo "$all" | tail -1)
for p in $all; do [ "$p" = "$last" ] || asks path fail "$volume" "$p" >/dev/null; done
check path-fail "$(asks path list)" [ "$(asks path list "$volume" | grep -c ' FAILED .* failed ')" = $((total - 1)) ]
before=$(served_of "$first") rest=$(served_of "$last")
reads
check failed-is-spared "it served $before and then $(served_of "$first")" [ "$(served_of "$first")" = "$before" ]
check the-other-serves "it served $rest and then $(served_of "$last")" [ "$(served_of "$last")" -ge $((rest + 200)) ]
asks path standby "$volume" "$last" >/dev/null
asks path enable "$volume" "${first##*/}" >/dev/null
rest=$(served_of "$last")
reads
check standby-is-spared "it served $rest and then $(served_of "$last")" [ "$(served_of "$last")" = "$rest" ]
check enabled-serves-again "it has $(served_of "$first") after $before" [ "$(served_of "$first")" -ge $((before + 200)) ]
path=$first

# No path at all: the countdown shows, and the operator need not wait for its end.
for p in $all; do asks path fail "$volume" "$p" >/dev/null; done
dd if="$dev" of=/dev/null bs=4k count=1 iflag=direct >/tmp/control.dd 2>&1 & waits=$!
sleep 1
asks status >/tmp/control.status
check countdown "$(cat /tmp/control.status)" grep -q 'NO PATH for .* wait and fail in 2[0-9]' /tmp/control.status
check fail-queued "refused" asks volume fail-queued "$volume"
if wait $waits; then fail fail-queued-fails "dd succeeded"; else ok fail-queued-fails; fi
for p in $all; do asks path enable "$volume" "$p" >/dev/null; done
check back-again "no read succeeds" reads

# What it served, as a log that can be replayed.
asks trace "$volume" --out /tmp/control.iolog --max-size 64KiB --for 3s >/tmp/control.trace & tracer=$!
sleep 1
reads
wait $tracer
check trace "$(cat /tmp/control.trace; head -5 /tmp/control.iolog)" [ "$(grep -c ' read [0-9]* 4096$' /tmp/control.iolog)" -ge 200 ]
check trace-has-a-header "$(head -3 /tmp/control.iolog)" [ "$(head -1 /tmp/control.iolog)" = "fio version 3 iolog" ]
asks trace "$volume" --out /tmp/control.small --max-size 1KiB >/tmp/control.trace & tracer=$!
sleep 1
reads
wait $tracer
check trace-is-bounded "$(ls -l /tmp/control.small)" [ "$(stat -c %s /tmp/control.small)" -le 1024 ]

wget -qO /tmp/control.metrics http://127.0.0.1:9090/metrics
check metrics "$(head -20 /tmp/control.metrics)" grep -q "^mpio_path_usable{volume=\"$volume\",path=\"$path\"} 1" /tmp/control.metrics

# A daemon that dies: what it left is shown, and given up.
kill -9 $daemon
wait $daemon 2>/dev/null
mpio status --socket $socket >/tmp/control.dead 2>&1
code=$?
check dead-socket "exit code $code: $(cat /tmp/control.dead)" [ $code = 4 ]
check recover-shows "$(asks recover)" sh -c "mpio recover --socket $socket | grep -q '^$volume .*/dev/ublkb'"
check serve-again "the daemon is not ready" start
kill -9 $daemon
wait $daemon 2>/dev/null
for v in $(sed -n 's/^name *= "\(.*\)"/\1/p' /tmp/control.found); do asks recover --give-up "$v"; done >/tmp/control.given 2>&1
check give-up "$(cat /tmp/control.given; ls /dev/ublk*)" [ -z "$(ls -d /dev/ublkb* 2>/dev/null)" ]
check serve-anew "the daemon is not ready" start

# Devices come, grow and go while it serves, and nobody tells it.
debug=/sys/bus/pseudo/drivers/scsi_debug
ms() { awk '{ printf "%d", $1 * 1000 }' /proc/uptime; }
told() { # TEXT: the milliseconds until the log has it
    told_from=$(ms)
    until grep -q "$1" /tmp/control.err || [ $(($(ms) - told_from)) -gt 10000 ]; do sleep 0.02; done
    echo $(($(ms) - told_from))
}
was=$(ls /sys/block)
echo 1 >$debug/add_host &
until new=$(ls /sys/block | grep -vxF "$was" | grep '^sd'); do sleep 0.02; done
ms=$(told "/dev/$new: usable")
echo "figure plugged: a new device is a usable path after $ms ms"
check plugged "after $ms ms: $(asks path list)" [ "$ms" -lt 1000 ]
check plugged-hook "$(cat /tmp/control.hook)" grep -q "^$volume /dev/$new" /tmp/control.hook
# Every port is optimised then, and reads go everywhere.
echo 1 >$debug/vpd_use_hostno
for _ in $(seq 50); do [ "$(asks path list | grep -c ' up  *optimized ')" -gt 4 ] && break; sleep 0.1; done
reads
check plugged-serves "it has $(served_of "/dev/$new")" [ "$(served_of "/dev/$new")" -gt 0 ]
echo 0 >$debug/vpd_use_hostno
# The array says so with a unit attention, on each path.
echo 1 >$debug/virtual_gb
told '2097152 blocks' >/dev/null
check grown "$(tail -5 /tmp/control.err)" grep -q "$volume: 2097152 blocks, 131072 before" /tmp/control.err
echo -1 >$debug/add_host &
while [ -e /sys/block/"$new" ]; do sleep 0.02; done
ms=$(told "/dev/$new: not usable")
echo "figure unplugged: a deleted device is known as such after $ms ms"
check unplugged "after $ms ms: $(asks path list)" [ "$ms" -lt 500 ]
check unplugged-reads "no read succeeds" reads
check stop "$(ls /dev/ublk* /dev/mpio)" asks stop
check nothing-left "$(ls -d /dev/ublkb* /dev/mpio $socket)" [ -z "$(ls -d /dev/ublkb* /dev/mpio $socket ${socket%.sock}.state.json ${socket%.sock}.untold.* 2>/dev/null)" ]

# A machine without the driver.
if rmmod ublk_drv 2>/dev/null; then
    mpio serve --config /tmp/control.toml >/tmp/control.none 2>&1
    check no-driver "$(cat /tmp/control.none)" grep -q 'modprobe ublk_drv' /tmp/control.none
    modprobe ublk_drv
else
    echo "skip suite/no-driver: ublk_drv is in use"
fi
[ $failed = 0 ] || { tail -30 /tmp/control.err; dmesg | tail -15; }
exit $failed

# The volumes go from one daemon to the next under verify, again and again; a successor that must not have them, or cannot serve, changes
# nothing. A kernel that cannot quiesce a device (before Linux 6.16) is no place for it, and that is said.
load() { # NAME RW OFFSET SECONDS
    fio --name="$1" --filename="$dev" --rw="$2" --bs=4k --iodepth=8 --ioengine=io_uring --direct=1 --offset="$3" --size=16m \
        --time_based --runtime="$4" --eta=never --minimal >/tmp/"$1".out 2>&1
}
take_over() { # [CONFIG]: the next daemon serves, and the one before has ended
    mpio serve --take-over --config "${1:-/tmp/mpio.toml}" >/tmp/next.out 2>>/tmp/serve.err &
    next=$!
    for _ in $(seq 200); do
        grep -q ready /tmp/next.out && break
        kill -0 $next 2>/dev/null || { wait $next; return 1; }
        sleep 0.05
    done
    for _ in $(seq 100); do kill -0 $daemon 2>/dev/null || break; sleep 0.05; done
    kill -0 $daemon 2>/dev/null && return 1
    wait $daemon || return 1
    daemon=$next
    cp /tmp/next.out /tmp/serve.out
}
lasts() { # NAME: the daemon that serves is still the one that did, and serves
    if kill -0 $daemon 2>/dev/null && [ "$(mpio status --json --socket $socket | sed 's/.*"pid":\([0-9]*\).*/\1/')" = $daemon ]; then ok "$1"; else
        fail "$1" "the daemon has gone: $(tail -5 /tmp/serve.err)"
    fi
}

kill -0 $daemon 2>/dev/null || start
dev=$(device_of db)
if ! mpio check-config /tmp/mpio.toml | grep -q 'quiesce *yes'; then
    mpio serve --take-over --config /tmp/mpio.toml >/tmp/bad.out 2>&1
    code=$?
    [ $code = 1 ] && grep -q 'Linux 6.16 is needed' /tmp/bad.out && ok handover-needs-quiesce || fail handover-needs-quiesce "$code: $(cat /tmp/bad.out)"
    lasts handover-refused-changes-nothing
    return
fi
set -- $paths
standby=$4
mpio path standby db "$standby" --socket $socket >/dev/null
verify handed 14 $dev & f=$!
load reads randread 64m 14 & r=$!
load writes randwrite 96m 14 & w=$!
taken=0
while [ $taken -lt 8 ]; do
    sleep 1
    take_over || break
    taken=$((taken + 1))
done
[ $taken = 8 ] && ok handover || fail handover "after $taken: $(cat /tmp/next.out; tail -5 /tmp/serve.err)"
wait $f && ok handover-verify || fail handover-verify "$(why handed)"
if wait $r && wait $w; then
    read_ms=$(longest 39 /tmp/reads.out) write_ms=$(longest 80 /tmp/writes.out)
    echo "figure handover: $taken times under load, longest read $read_ms ms, longest write $write_ms ms ($(uname -r))"
    # A third of a second where nothing else runs; the bound is for a machine with other work.
    [ "$read_ms" -lt 5000 ] && [ "$write_ms" -lt 5000 ] && ok handover-pause || fail handover-pause "see the figure"
else
    fail handover-pause "$(tail -3 /tmp/reads.out /tmp/writes.out)"
fi
mpio status db --socket $socket | grep "$standby .* standby" >/dev/null && ok handover-keeps-words || fail handover-keeps-words "$(mpio status db --socket $socket)"
mpio path enable db "$standby" --socket $socket >/dev/null
[ "$(ls -d /dev/ublkb* | wc -l)" = 2 ] && [ -b /dev/mpio/db ] && ok handover-leaves-nothing || fail handover-leaves-nothing "$(ls -d /dev/ublkb* /dev/mpio/*)"

# Who must not have them: a volume less; a configuration that is none.
verify kept 8 $dev & f=$!
sleep 0.5
{ printf '[daemon]\nsocket = "%s"\n' $socket; volume db $paths; } >/tmp/less.toml
mpio serve --take-over --config /tmp/less.toml >/tmp/less.out 2>&1
code=$?
[ $code = 1 ] && grep -q '"log" of\|of volume "log"\|"log".*no such volume\|volume "log"' /tmp/less.out && ok handover-refuses-less || fail handover-refuses-less "$code: $(cat /tmp/less.out)"
echo 'nonsense' >/tmp/bad.toml
mpio serve --take-over --config /tmp/bad.toml >/tmp/bad.out 2>&1
code=$?
[ $code = 2 ] && ok handover-bad-configuration || fail handover-bad-configuration "$code: $(cat /tmp/bad.out)"
lasts handover-refused-changes-nothing
# Who cannot serve once it has them: the other one takes its devices back.
nc -l -p 9099 >/dev/null & busy=$!
sleep 0.2
{ sed '/^\[\[volume/,$d' /tmp/mpio.toml; printf '[metrics]\nlisten = "127.0.0.1:9099"\n'; sed -n '/^\[\[volume/,$p' /tmp/mpio.toml; } >/tmp/metrics.toml
mpio serve --take-over --config /tmp/metrics.toml >/tmp/metrics.out 2>&1
code=$?
kill $busy
[ $code = 1 ] && grep -q 'listen' /tmp/metrics.out && ok handover-cannot-serve || fail handover-cannot-serve "$code: $(cat /tmp/metrics.out)"
for _ in $(seq 50); do [ "$(usable)" = 4 ] && break; sleep 0.1; done
lasts handover-taken-back
# Who is killed somewhere on the way.
for tenth in 1 2 3; do
    mpio serve --take-over --config /tmp/mpio.toml >/tmp/next.out 2>>/tmp/serve.err & next=$!
    sleep 0.$tenth
    kill -9 $next
    wait $next 2>/dev/null
    if ! kill -0 $daemon 2>/dev/null; then
        start || fail handover-killed "nobody serves: $(tail -5 /tmp/serve.err)"
    fi
    for _ in $(seq 50); do [ "$(usable)" = 4 ] && break; sleep 0.1; done
done
wait $f && ok handover-failed-verify || fail handover-failed-verify "$(why kept)"

# While no path is usable: what waits, waits on.
verify waits 6 $dev & f=$!
sleep 1
for p in $paths; do offline $p; done
sleep 1
take_over && ok handover-without-a-path || fail handover-without-a-path "$(cat /tmp/next.out; tail -5 /tmp/serve.err)"
for p in $paths; do online $p; done
wait $f && ok handover-waits || fail handover-waits "$(why waits)"
check handover-all-back "a path stays away" wait_usable 4 100

mpio serve --take-over --config /tmp/none.toml >/tmp/bad.out 2>&1
[ $? = 2 ] && ok handover-no-configuration || fail handover-no-configuration "$(cat /tmp/bad.out)"
check handover-stop "$(ls /dev/ublk*)" stop
mpio serve --take-over --config /tmp/mpio.toml >/tmp/bad.out 2>&1
code=$?
[ $code = 4 ] && [ ! -e ${socket%.sock}.next ] && ok handover-from-nobody || fail handover-from-nobody "$code: $(cat /tmp/bad.out)"
check handover-start-anew "it is not ready" start

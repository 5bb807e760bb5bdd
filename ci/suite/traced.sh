# What the daemon's volume serves is recorded by `mpio trace`, and replayed in simulation while paths are lost: a real workload becomes a scenario.

mpio serve --config /tmp/target.toml >/tmp/target.out 2>>/tmp/target.err &
daemon=$!
for _ in $(seq 100); do grep -q ready /tmp/target.out && break; sleep 0.1; done
dev=$(sed -n 's/^db is //p' /tmp/target.out)
mpio trace db --out /tmp/db.iolog --for 8s --socket $socket >/tmp/traced.out 2>&1 & tracer=$!
sleep 1
fio --name=recorded --filename="$dev" --rw=randrw --rwmixread=60 --bsrange=4k-64k --iodepth=4 --number_ios=300 --ioengine=io_uring --direct=1 \
    --fdatasync=20 --size=64m --eta=never --output=/tmp/recorded.out
wait $tracer
lines=$(grep -cE ' (read|write) [0-9]+ [0-9]+$' /tmp/db.iolog)
syncs=$(grep -c ' sync 0 0$' /tmp/db.iolog)
served=$(mpio status db --json --socket $socket | sed 's/.*"reads":{"ios":\([0-9]*\).*"writes":{"ios":\([0-9]*\).*/\1 + \2/')
[ "$lines" -ge 290 ] && [ "$syncs" -ge 3 ] && [ "$lines" -le $(($served)) ] && ok traced-recorded ||
    fail traced-recorded "$lines reads and writes and $syncs flushes of $served: $(cat /tmp/traced.out) $(head -4 /tmp/db.iolog)"
mpio stop --socket $socket >/dev/null
wait $daemon

harness trace info /tmp/db.iolog >/tmp/traced.info 2>&1 && grep -q 'fio iolog v3' /tmp/traced.info && ok traced-is-read || fail traced-is-read "$(cat /tmp/traced.info)"
cat >/tmp/traced.toml <<TOML
[scenario]
title = "What a real volume served, replayed through the loss of two paths"
why = "Every I/O that was recorded is served, and none fails."
duration = "1s"
[[volume]]
name = "vol0"
size = "256MiB"
[[workload]]
kind = "replay"
file = "db.iolog"
pace = "asap"
depth = 16
[[fault]]
at = "1ms"
for = "200ms"
on = "path:h0-A0"
do = "drop"
[[fault]]
at = "100ms"
for = "200ms"
on = "path:h1-A1"
do = "reset"
[[expect]]
metric = "app.errors == 0"
[[expect]]
metric = "app.ios == $lines"
[[expect]]
metric = "app.flush.ios == $syncs"
[[expect]]
metric = "failover.count >= 1"
TOML
harness run /tmp/traced.toml --out /tmp/runs >/tmp/run.out 2>&1
code=$?
[ $code = 0 ] && ok traced-replayed || fail traced-replayed "exit $code: $(tail -40 /tmp/run.out)"
echo "figure traced: $(cat /tmp/traced.out); replayed: $(grep ' I/Os, ' /tmp/run.out | head -1 | sed 's/^ *//')"

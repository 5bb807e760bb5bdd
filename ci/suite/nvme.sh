#!/bin/sh
# NVMe namespaces as paths, with the kernel's own multipath off: one subsystem of nvmet's with two ports, each with an ANA group of its own,
# and a controller through each.
. /suite/lib.sh
PATH=$PATH:$bin
nvmet=/sys/kernel/config/nvmet
nqn=nqn.2026-01.test:db
mkdir $nvmet/subsystems/$nqn $nvmet/subsystems/$nqn/namespaces/1
echo 1 >$nvmet/subsystems/$nqn/attr_allow_any_host
echo -n /dev/nullb0 >$nvmet/subsystems/$nqn/namespaces/1/device_path
echo 1 >$nvmet/subsystems/$nqn/namespaces/1/enable
for p in 1 2; do
    mkdir $nvmet/ports/$p
    echo loop >$nvmet/ports/$p/addr_trtype
    echo $p >$nvmet/ports/$p/addr_traddr
    ln -s $nvmet/subsystems/$nqn $nvmet/ports/$p/subsystems/$nqn
done
connect() { echo "transport=loop,traddr=$1,nqn=$nqn,hostnqn=nqn.2026-01.test:host,hostid=7c1a2f0e-1b2c-4d3e-8f00-000000000001" >/dev/nvme-fabrics; }
ana() { echo "$2" >$nvmet/ports/"$1"/ana_groups/1/ana_state; }
connect 1
for _ in $(seq 50); do [ -e /sys/block/nvme0n1 ] && break; sleep 0.1; done
uuid=$(cat /sys/block/nvme0n1/wwid)
echo "figure nvme: the namespace is \"$uuid\", ANA in sysfs: $(cat /sys/block/nvme0n1/ana_state 2>/dev/null || echo none)"
{
    printf '[daemon]\nsocket = "%s"\nshards = 2\n' $socket
    # shellcheck disable=SC2016
    printf '[hooks]\npath_added = "echo $MPIO_PATH $MPIO_METADATA >>/tmp/hook"\n'
    printf '[[volume]]\nname = "db"\nidentity = "%s"\n' "$uuid"
} >/tmp/mpio.toml
check nvme-start "the daemon is not ready" start
[ $failed = 0 ] || { cat /sys/module/nvme_core/parameters/multipath; dmesg | tail -5; exit 1; }
dev=$(device_of db)
check nvme-one-path "no path" wait_usable 1 50

# The second controller, while it serves.
verify nvme 10 & f=$!
connect 2
check nvme-second-path "the namespace of the second controller is no path" wait_usable 2 50
states() { mpio status --socket $socket >/tmp/status; sed -nE 's,^  /dev/.* (up|lost|down|connecting) +([a-z_]+) .*,\2,p' /tmp/status | tr '\n' ' '; }
shows() { for _ in $(seq 50); do [ "$(states)" = "$1" ] && return; sleep 0.1; done; cat /tmp/status; return 1; }
ana 1 non-optimized
check nvme-ana-states "the state is not shown" shows "non_optimized optimized "
ana 2 inaccessible
check nvme-ana-inaccessible "the state is not shown" shows "non_optimized inaccessible "
ana 2 optimized
ana 1 optimized
check nvme-ana-back "the state is not shown" shows "optimized optimized "
wait $f && ok nvme-verify || fail nvme-verify "$(why nvme)"
check nvme-both-serve "$(mpio status --socket $socket)" sh -c "mpio status --socket $socket | awk '/^  .dev/ && \$8 > 0 { n++ } END { exit n != 2 }'"

# nvmet has no host metadata: it says so, nothing else happens, and the hook is told.
grep 'host metadata' /tmp/serve.err | head -2
check nvme-metadata "$(cat /tmp/serve.err)" grep -q 'host metadata are not taken: the controller does not have it (status 0x' /tmp/serve.err
check nvme-hook "$(cat /tmp/hook)" [ "$(grep -c '^/dev/nvme.n1 refused$' /tmp/hook)" = 2 ]

# A controller that is deleted takes its path along at once.
verify gone 4 & f=$!
sleep 1
echo 1 >/sys/class/nvme/nvme1/delete_controller
check nvme-gone "it is still shown as usable" wait_usable 1 10
connect 2
check nvme-back "the new controller's namespace is no path" wait_usable 2 50
wait $f && ok nvme-gone-verify || fail nvme-gone-verify "$(why gone)"
if stop; then ok nvme-stop; else fail nvme-stop "after $stop_tenths tenths: ${stop_left:-the daemon lives}"; fi
[ $failed = 0 ] || { tail -40 /tmp/serve.err; dmesg | tail -20; }
exit $failed

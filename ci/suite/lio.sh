#!/bin/sh
# One disk of LIO's behind two loopback hosts, each in a target port group of its own, whose ALUA states are switched under verify. The kernel
# here has no device handler: the daemon asks by REPORT TARGET PORT GROUPS, at once when a unit attention says that a state has changed.
. /suite/lib.sh
PATH=$PATH:$bin
target=/sys/kernel/config/target
disk=$target/core/rd_mcp_0/disk
mkdir -p $disk || exit 1
echo rd_pages=32768 >$disk/control
echo 1 >$disk/enable
echo 0123456789 >$disk/wwn/vpd_unit_serial
for n in 1 2; do
    mkdir $disk/alua/port$n
    echo 1$n >$disk/alua/port$n/tg_pt_gp_id
    # Implicit: the target switches, as it likes.
    echo 1 >$disk/alua/port$n/alua_access_type
    port=$target/loopback/naa.600140500000000$n/tpgt_1
    mkdir -p $port
    echo naa.600140500000001$n >$port/nexus
    mkdir $port/lun/lun_0
    ln -s $disk $port/lun/lun_0/disk
    echo port$n >$port/lun/lun_0/alua_tg_pt_gp
done
wait_for_devices 2
# The port's group is in a page that the kernel read before it was set.
for d in /sys/block/sd*; do echo 1 >$d/device/rescan; done
set -- /dev/sda /dev/sdb
{
    printf '[daemon]\nsocket = "%s"\nshards = 2\n' $socket
    volume db "$1" "$2"
} >/tmp/mpio.toml
check lio-start "the daemon is not ready" start
[ $failed = 0 ] || { dmesg | tail; exit 1; }
dev=$(device_of db)
check lio-paths "not both paths" wait_usable 2 50
# 0: optimised, 1: non-optimised, 2: standby, 3: unavailable.
alua() { echo "$2" >$disk/alua/port"$1"/alua_access_state || fail alua-"$1"-"$2" "LIO refuses"; }
states() { mpio status --socket $socket >/tmp/status; sed -nE 's,^  /dev/.* (up|lost|down|connecting) +([a-z_]+) .*,\2,p' /tmp/status | tr '\n' ' '; }
shows() { # STATES…
    for _ in $(seq 50); do [ "$(states)" = "$* " ] && return; sleep 0.1; done
    echo "wanted $*"
    cat /tmp/status
    return 1
}
check lio-states "other states are shown" shows optimized optimized
verify lio 14 & f=$!
sleep 1
alua 1 2
check lio-standby "other states are shown" shows inaccessible optimized
sleep 1
alua 1 1
alua 2 3
check lio-unavailable "other states are shown" shows non_optimized inaccessible
sleep 1
alua 2 0
check lio-preferred "other states are shown" shows non_optimized optimized
# Standby and back, quickly, each in turn.
for _ in 1 2 3 4 5; do alua 1 2; sleep 0.2; alua 1 0; alua 2 2; sleep 0.2; alua 2 0; done
check lio-back "other states are shown" shows optimized optimized
kill -0 $f 2>/dev/null || fail lio-under-load "fio ended before the last switch"
wait $f && ok lio-verify || fail lio-verify "$(why lio)"
[ "$(usable)" = 2 ] && ok lio-usable || fail lio-usable "$(cat /tmp/status)"
if stop; then ok lio-stop; else fail lio-stop "after $stop_tenths tenths: ${stop_left:-the daemon lives}"; fi
[ $failed = 0 ] || { tail -40 /tmp/serve.err; dmesg | tail -20; }
exit $failed

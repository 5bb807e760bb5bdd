#!/bin/sh
# Runs in the machine of `ci/vm`: the daemon with two shards and two volumes over four scsi_debug hosts that share a store, then with
# sixty volumes. The scripts beside this one are its chapters.
. /suite/lib.sh
PATH=$PATH:$bin

wait_for_devices 8
# From here on scsi_debug says that every port is optimised; with 0, that it depends on the host.
echo 1 >$debug/vpd_use_hostno
paths=$(devices_of 0)
others=$(devices_of 1)
set -- $paths
[ $# = 4 ] || { fail paths "$# devices of unit 0 instead of 4"; exit 1; }
{
    printf '[daemon]\nsocket = "%s"\nshards = 2\n' $socket
    volume db $paths
    volume log $(echo "$others" | head -3)
} >/tmp/mpio.toml
for chapter in ${CHAPTERS:-start faults bounds plug absent alua files killed untold bad handover resize copy stuck shadow many}; do
    . /suite/$chapter.sh
done
[ $failed = 0 ] || { tail -60 /tmp/serve.err; mpio status --socket $socket; dmesg | tail -20; }
exit $failed

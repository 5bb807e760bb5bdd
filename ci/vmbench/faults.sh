# One path of two goes wrong under load: the longest completions. scsi_debug hosts that share a store; the daemon has two of them, a map of
# dm-multipath two others, with the kernel's default timers.
echo "one path of two goes wrong, longest completion in ms (bound of a path that swallows commands: read 250, write 500; else dm's)"
modprobe -r scsi_debug 2>/dev/null
modprobe scsi_debug add_host=4 dev_size_mb=64 vpd_use_hostno=0
modprobe -a dm_multipath dm_queue_length dm_service_time
debug=/sys/bus/pseudo/drivers/scsi_debug
for _ in $(seq 100); do [ "$(ls -d /sys/block/sd* 2>/dev/null | wc -l)" = 4 ] && break; sleep 0.1; done
disks() { for d in $debug/adapter*/host*/target*/*:0/block/*; do [ -e "$d" ] && echo "/dev/${d##*/}"; done; }
unit() { basename "$(readlink -f /sys/block/"${1##*/}"/device)"; }
load() { # NAME DEVICE SECONDS
    for rw in randread randwrite; do
        fio --name=x --filename="$2" --rw=$rw --bs=4k --iodepth=8 --ioengine=io_uring --direct=1 --size=32m --time_based --runtime="$3" --eta=never \
            --minimal >/tmp/"$1".$rw 2>&1 &
    done
}
swallows() { echo "0 1 0x28" >/sys/kernel/debug/scsi_debug/"$(unit "$1")"/error; echo "0 1 0x2a" >/sys/kernel/debug/scsi_debug/"$(unit "$1")"/error; }
errs() { # every command: aborted, by the transport
    for op in 0x28 0x2a; do echo "2 -1000000 $op 0 0 0x2 0xb 0x0 0x0" >/sys/kernel/debug/scsi_debug/"$(unit "$1")"/error; done
}
removed() { echo 1 >/sys/block/"${1##*/}"/device/delete; }
rescan() { for h in /sys/class/scsi_host/host*; do echo "- - -" >"$h"/scan; done; sleep 1; }
mend() {
    for e in /sys/kernel/debug/scsi_debug/*/error; do
        for op in 0x28 0x2a; do
            echo "0 0 $op" >"$e"
            echo "2 0 $op 0 0 0x2 0xb 0x0 0x0" >"$e"
        done
    done 2>/dev/null
}
set -- $(disks)
for fault in swallows errs removed; do
    set -- $(disks)
    printf '[[volume]]\nname = "two"\npaths = ["%s", "%s"]\n' "$1" "$2" >/tmp/volumes
    start 1
    multipath two service-time "$3" "$4"
    seconds=8
    [ $fault != swallows ] || seconds=40
    load mpio "$(device_of two)" 8
    sleep 3
    $fault "$1"
    wait_for_fio() { while pidof fio >/dev/null; do sleep 0.5; done; }
    wait_for_fio
    load dm "$(map_device two)" $seconds
    sleep 3
    $fault "$3"
    wait_for_fio
    for who in mpio dm; do
        printf '%-9s %-5s read %6d  write %6d  errors %s\n' $fault $who "$(longest 39 /tmp/$who.randread)" "$(longest 80 /tmp/$who.randwrite)" \
            "$(grep -c 'err=' /tmp/$who.randread /tmp/$who.randwrite | awk -F: '{ n += $2 } END { print n }')"
    done
    mend
    stop
    dmsetup --noudevsync --noudevrules remove two || sleep 5
    rescan
done

# What is refused, what is served.
mpio check-config /tmp/mpio.toml >/dev/null && ok check-config || fail check-config "refused"

volume both ${paths##* } ${others##* } >/tmp/bad.toml
refused wrong-identity 'the paths show different volumes'
mkdir -p /mnt
$bin/mke2fs -q -F -t ext4 $1 8192 >/dev/null 2>&1 && mount -t ext4 $1 /mnt
volume db $paths >/tmp/bad.toml
refused mounted "$1 is in use: mounted"
umount /mnt
left=$(ls -d /dev/ublkb* /dev/ublkc* $socket 2>/dev/null)
[ -z "$left" ] && ok refused-leaves-nothing || fail refused-leaves-nothing "$left"

if start; then ok start; else fail start "the daemon is not ready"; exit 1; fi
dev=$(device_of db)
log=$(device_of log)
cp /tmp/mpio.toml /tmp/bad.toml
refused second-daemon 'answers there already'
[ "$(ls -d /sys/block/${dev##*/}/mq/*/ | wc -l)" = 2 ] && ok queue-per-shard || fail queue-per-shard "$(ls /sys/block/${dev##*/}/mq)"

# The two volumes have one store: each job has a place of its own.
verify plain 5 $dev --numjobs=2 --offset_increment=32m & a=$!
verify other 5 $log --offset=128m & b=$!
wait $a && wait $b && ok verify-two-volumes || fail verify-two-volumes "$(why plain) $(why other)"
[ "$(usable)" = 4 ] && ok status || fail status "$(cat /tmp/status)"

# Forced unit access and flushes.
verify fua 2 $dev --fsync=8 --rw=randwrite --ioengine=psync --sync=dsync && ok fua-and-flush || fail fua-and-flush "$(why fua)"

# What was written is gone after a discard, and after write-zeroes; what is beside it is not.
q=/sys/block/${dev##*/}/queue
figures="discard $(cat $q/discard_max_bytes), granularity $(cat $q/discard_granularity), zeroes $(cat $q/write_zeroes_max_bytes)"
echo "figure limits: $figures, block $(cat $q/logical_block_size)/$(cat $q/physical_block_size), at once $(cat $q/max_sectors_kb) KiB"
zeroes() { # OFFSET LENGTH, in MiB
    dd if=$dev bs=1M skip="$1" count="$2" 2>/dev/null | tr -d '\0' | wc -c
}
tr '\0' x </dev/zero | dd of=$dev bs=1M seek=96 count=8 iflag=fullblock conv=fsync 2>/dev/null
$bin/blkdiscard -f -o 100663296 -l 4194304 $dev && blockdev --flushbufs $dev
[ "$(zeroes 96 4) $(zeroes 100 4)" = "0 4194304" ] && ok discard || fail discard "$(zeroes 96 4) $(zeroes 100 4); $figures"
$bin/blkdiscard -f -z -o 104857600 -l 2097152 $dev && blockdev --flushbufs $dev
[ "$(zeroes 100 2) $(zeroes 102 2)" = "0 2097152" ] && ok write-zeroes || fail write-zeroes "$(zeroes 100 2) $(zeroes 102 2); $figures"

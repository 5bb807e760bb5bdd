# Four paths: the daemon against dm-multipath, each over four null_blk devices of its own.
echo "four paths   I/Os a second (bound: 1.0 x on 6.12, 0.6 x on 7.3)"
null_devices 12
modprobe -a dm_multipath dm_queue_length dm_service_time
volume four /dev/nullb0 /dev/nullb1 /dev/nullb2 /dev/nullb3 >/tmp/volumes
multipath ql queue-length /dev/nullb4 /dev/nullb5 /dev/nullb6 /dev/nullb7
multipath st service-time /dev/nullb8 /dev/nullb9 /dev/nullb10 /dev/nullb11
for shards in $SHARDS; do
    start $shards
    for rw in $LOADS; do
        for jobs in $JOBS; do
            rounds "$shards shard(s)" $rw $jobs mpio "$(device_of four)" dm-queue-length "$(map_device ql)" dm-service-time "$(map_device st)"
        done
    done
    stop
done
dmsetup --noudevsync --noudevrules remove ql
dmsetup --noudevsync --noudevrules remove st

# A file system on the device, while its paths flap.
mkdir -p /mnt
$bin/mke2fs -q -F -t ext4 $log >/tmp/mke2fs.out 2>&1 && mount -t ext4 -o discard $log /mnt || fail ext4-made "$(cat /tmp/mke2fs.out)"
flap() {
    while :; do
        for p in $others; do
            offline $p
            sleep 0.3
            online $p
        done
    done
}
flap & flapping=$!
i=0
began=$(uptime_ms)
while [ $(($(uptime_ms) - began)) -lt 6000 ]; do
    i=$((i + 1))
    dd if=/dev/urandom of=/mnt/f$((i % 40)) bs=64k count=8 conv=fsync 2>/dev/null || { fail ext4-filled "file $i"; break; }
    sha1sum /mnt/f$((i % 40)) >/tmp/sum.$((i % 40))
    [ $((i % 7)) = 0 ] && rm -f /mnt/f$((i % 5)) /tmp/sum.$((i % 5))
done
kill $flapping
wait $flapping 2>/dev/null
for p in $others; do online $p; done
umount /mnt
check ext4-clean "fsck" $bin/e2fsck -fn $log
mount -t ext4 -o ro $log /mnt
cat /tmp/sum.* | sha1sum -c -s && ok ext4-files || fail ext4-files "some of $i files have other contents"
umount /mnt

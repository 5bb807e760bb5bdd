# The simulated array behind /dev/ublkbN: an ext4 on it is filled while one fabric is cut and healed and the other is reset.

cat >/tmp/array.toml <<TOML
[scenario]
title = "an array to mount a file system on"
[[volume]]
name = "vol0"
size = "256MiB"
owner = "A"
[[workload]]
span = "1MiB"
TOML
harness serve --scenario /tmp/array.toml >/tmp/array.out 2>/tmp/array.err &
array=$!
for _ in $(seq 100); do grep -q ready /tmp/array.out && break; sleep 0.1; done
dev=$(sed -n 's/^vol0 is //p' /tmp/array.out)
check served-start "$(cat /tmp/array.out /tmp/array.err)" test -b "$dev"
check served-mkfs "mke2fs failed" $bin/mke2fs -q -t ext4 "$dev"
mkdir -p /mnt
check served-mount "no ext4" mount -t ext4 "$dev" /mnt
fill() {
    for i in $(seq 40); do
        dd if=/dev/urandom of=/mnt/f"$i" bs=64k count=8 conv=fsync 2>/dev/null && (cd /mnt && sha256sum f"$i") >>/tmp/sums || return 1
    done
}
rm -f /tmp/sums
fill &
filling=$!
sleep 1
check served-fault "no fault" harness fault add drop --on fabric:red
harness fault list >/tmp/faults
sleep 3
check served-clear "$(cat /tmp/faults)" harness fault clear all
check served-reset "no fault" harness fault add reset --on fabric:blue --for 1s
check served-refuses "a fault that is none was taken" sh -c '! harness fault add dorp --on fabric:blue'
if wait $filling; then ok served-fill; else fail served-fill "a write failed"; fi
check served-umount "busy" umount /mnt
mount -t ext4 "$dev" /mnt
check served-data "a file changed" sh -c 'cd /mnt && sha256sum -c /tmp/sums'
umount /mnt
check served-fsck "not clean" $bin/e2fsck -fn "$dev"
grep -q 'drop on fabric:red' /tmp/array.err && grep -q ' lost ' /tmp/array.err && ok served-tells || fail served-tells "$(head -40 /tmp/array.err)"
kill $array
wait $array
code=$?
[ $code = 0 ] && [ ! -b "$dev" ] && [ ! -e /run/mpio-harness.sock ] && ok served-stop || fail served-stop "exit $code, or $dev is still there"

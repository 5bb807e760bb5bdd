# What an operator may get wrong, and a machine may lack: each is said with what to do about it, and nothing is lost or left behind. (A machine
# without the driver, a dead socket: control.sh. A mounted device, mixed identities, a second daemon: start.sh.)
kill -0 $daemon 2>/dev/null || start
dev=$(device_of db)
log=$(device_of log)
set -- $paths
exits() { # NAME CODE TEXT COMMAND…
    exits_name=$1 exits_code=$2 exits_text=$3
    shift 3
    timeout 60 "$@" >/tmp/bad.out 2>&1
    code=$?
    [ $code = "$exits_code" ] && grep -q "$exits_text" /tmp/bad.out && ok "$exits_name" || fail "$exits_name" "exit $code: $(cat /tmp/bad.out)"
}
verify unharmed 12 $dev & f=$!
sed "s,$socket,/run/other.sock," /tmp/mpio.toml >/tmp/bad.toml
exits bad-two-daemons 1 "$1 is in use" mpio serve --config /tmp/bad.toml
[ ! -e /run/other.sock ] && [ "$(ls -d /dev/ublkb* | wc -l)" = 2 ] && ok bad-two-daemons-leave-nothing || fail bad-two-daemons-leave-nothing "$(ls /run /dev/ublkb*)"
ln -sf "$2" /tmp/alias
{ printf '[daemon]\nsocket = "/run/other.sock"\n'; volume db $1 $2 /tmp/alias; } >/tmp/bad.toml
exits bad-one-device-twice 1 'are one device' mpio serve --config /tmp/bad.toml
volume db $1 $1 >/tmp/bad.toml
exits bad-one-name-twice 2 'belongs to one volume, once' mpio check-config /tmp/bad.toml
grep -q nobody /etc/passwd || echo 'nobody:x:65534:65534::/:/bin/sh' >>/etc/passwd
exits bad-user-asks 1 'ask as that user or as root' su -s /bin/sh nobody -c "mpio status --socket $socket"
exits bad-user-serves 1 'needs root' su -s /bin/sh nobody -c 'mpio serve --config /tmp/mpio.toml'

# A disk that is full: a trace has whole lines up to there.
mkdir -p /small && mount -t tmpfs -o size=32k tmpfs /small
exits bad-trace-disk-full 1 'No space left' mpio trace db --out /small/t --for 8s --socket $socket
[ -s /small/t ] && [ -z "$(tail -c 1 /small/t | tr -d '\n')" ] && ok bad-trace-is-whole || fail bad-trace-is-whole "$(tail -c 80 /small/t)"
wait $f && ok bad-unharmed || fail bad-unharmed "$(why unharmed)"

# A volume that is mounted is not taken away by mistake.
mkdir -p /mnt
$bin/mke2fs -q -F -t ext4 $log 8192 >/dev/null 2>&1 && mount -t ext4 $log /mnt
exits bad-stop-while-mounted 1 'Unmount it first' mpio stop --socket $socket
umount /mnt

# A daemon that cannot write down what it leaves does not begin.
stop >/dev/null
dd if=/dev/zero of=/small/fill bs=4k 2>/dev/null
sed "s,$socket,/small/mpio.sock," /tmp/mpio.toml >/tmp/bad.toml
exits bad-state-disk-full 1 'No space left' mpio serve --config /tmp/bad.toml
left=$(ls -d /dev/ublkb* /dev/ublkc* /small/mpio.* 2>/dev/null)
[ -z "$left" ] && ok bad-state-leaves-nothing || fail bad-state-leaves-nothing "$left"
umount /small

# A dead daemon's device that the configuration does not have.
check bad-start "the daemon is not ready" start
kill -9 $daemon
wait $daemon 2>/dev/null
{ printf '[daemon]\nsocket = "%s"\n' $socket; volume db $paths; } >/tmp/bad.toml
exits bad-volume-forgotten 1 'recover --give-up log' mpio serve --config /tmp/bad.toml
[ "$(ls -d /dev/ublkb* | wc -l)" = 2 ] && ok bad-forgotten-stays || fail bad-forgotten-stays "$(ls /dev/ublkb*)"
check bad-start-again "the daemon is not ready" start

# Told to end while it waits for what another process still has: the one that has it is not harmed, and neither is what it serves.
verify stopped 6 $dev & f=$!
sleep 0.5
kill -STOP $daemon
rm $socket
mpio serve --config /tmp/mpio.toml >/tmp/bad.out 2>&1 & waits=$!
sleep 2
kill -TERM $waits
wait $waits
code=$?
[ $code = 1 ] && grep -q 'it ends at once' /tmp/bad.out && ok bad-sigterm-while-recovering || fail bad-sigterm-while-recovering "exit $code: $(cat /tmp/bad.out)"
[ ! -e $socket ] && ok bad-sigterm-leaves-nothing || fail bad-sigterm-leaves-nothing "$(ls -l $socket)"
kill -CONT $daemon
sleep 0.5
kill -9 $daemon
wait $daemon 2>/dev/null
check bad-recovered "the daemon is not ready" start 400
wait $f && ok bad-stopped-verify || fail bad-stopped-verify "$(why stopped)"

# Killed while it stops: what it had stopped already, and cannot be recovered, is in nobody's way.
for _ in 1 2 3 4 5 6; do
    mpio stop --no-wait --socket $socket >/dev/null
    while [ -e "$dev" ]; do :; done
    kill -9 $daemon
    wait $daemon 2>/dev/null
    halfway=$(ls -d /dev/ublkc* 2>/dev/null)
    check bad-started-again "the daemon is not ready" start
    [ -n "$halfway" ] && break
done
if [ -n "$halfway" ]; then
    [ "$(ls -d /dev/ublkb* /dev/ublkc* | wc -l)" = 4 ] && ok bad-killed-while-it-stops || fail bad-killed-while-it-stops "$(ls -d /dev/ublkb* /dev/ublkc*)"
else
    skip bad-killed-while-it-stops "no kill came in between"
fi
dev=$(device_of db)
log=$(device_of log)

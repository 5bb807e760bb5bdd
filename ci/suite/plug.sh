# A path is removed and found again, under verify: it comes back by itself.
gone=$(devices_of 0 | tail -1)
host=$(host_of $gone)
verify plugged 8 & f=$!
sleep 1
echo 1 >/sys/block/${gone##*/}/device/delete
sleep 2
[ "$(usable)" = 3 ] && ok removed-is-shown || fail removed-is-shown "$(cat /tmp/status)"
scan $host
check found-again "the path did not come back" wait_usable 4 600
wait $f && ok removed-and-found-again || fail removed-and-found-again "$(why plugged)"

# Another volume appears where the path was: it is not used.
gone=$(devices_of 0 | tail -1)
verify swapped 5 & f=$!
echo 1 >/sys/block/${gone##*/}/device/delete
sleep 0.5
scan $host 1
sleep 2
[ "$(usable)" = 3 ] && grep -q 'WRONG VOLUME' /tmp/status && ok wrong-identity-later || fail wrong-identity-later "$(cat /tmp/status)"
echo 1 >/sys/block/"$(devices_of 0 | tail -1 | sed 's,/dev/,,')"/device/delete
sleep 0.5
scan $host
check right-again "the right volume is not used" wait_usable 4 600
wait $f && ok swapped || fail swapped "$(why swapped)"

# The operator takes a path away and gives it back; a device of another volume is refused; one that shows the volume takes a free place.
verify changed 5 & f=$!
gone=$(devices_of 0 | tail -1)
mpio path remove db $gone --socket $socket >/dev/null
check path-removed "it is still used" wait_usable 3 30
for _ in $(seq 30); do ls -l /proc/$daemon/fd | grep -q "$gone\$" || break; sleep 0.1; done
ls -l /proc/$daemon/fd | grep -q "$gone\$" && fail path-is-free "$gone is still open" || ok path-is-free
mpio path add db $gone --socket $socket >/dev/null
check path-added "it is not used" wait_usable 4 600
wait $f && ok paths-changed || fail paths-changed "$(why changed)"
more=$(devices_of 1 | tail -1)
if mpio path add db $more --socket $socket >/tmp/add.out 2>&1; then fail wrong-path-refused "it is added"; else
    grep -q 'no path to it' /tmp/add.out && ok wrong-path-refused || fail wrong-path-refused "$(cat /tmp/add.out)"
fi
mpio path add log $more --socket $socket >/dev/null
check new-path "it is not used" wait_usable 4 600 2

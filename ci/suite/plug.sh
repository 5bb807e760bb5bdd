# A path is removed and found again, under verify: it comes back by itself.
gone=$(devices_of 0 | tail -1)
host=$(host_of $gone)
verify plugged 8 & f=$!
sleep 1
echo 1 >/sys/block/${gone##*/}/device/delete
sleep 2
[ "$(usable)" = 3 ] && ok removed-is-shown || fail removed-is-shown "$(cat /tmp/status)"
scan $host
check found-again "the path did not come back" wait_usable 4 50
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
check right-again "the right volume is not used" wait_usable 4 50
wait $f && ok swapped || fail swapped "$(why swapped)"

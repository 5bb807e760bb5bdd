# The daemon is killed under verify, again and again; another takes over what it left.
verify killed 32 & f=$!
longest=0 kills=0
while [ $kills -lt 20 ]; do
    sleep 0.7
    began=$(uptime_ms)
    kill -9 $daemon
    start || break
    took=$(($(uptime_ms) - began))
    [ $took -gt $longest ] && longest=$took
    kills=$((kills + 1))
done
echo "figure killed: $kills times under load, ready again after at most $longest ms"
wait $f && [ $kills = 20 ] && ok killed || fail killed "$(why killed)"

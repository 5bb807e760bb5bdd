# The ports' states are switched under verify: with 0, scsi_debug's port on host N is optimised, non-optimised or in standby by N modulo 3.
states() { # the access of the first volume's paths, as the status shows it
    mpio status --socket $socket >/tmp/status
    awk '/^[^ ]/ { n++ } n == 1' /tmp/status | sed -nE 's,^  /dev/.* (up|lost|down|connecting) +([a-z_]+) .*,\2,p' | tr '\n' ' '
}
wanted=
for p in $(devices_of 0); do
    case $(($(host_of $p) % 3)) in
    0) wanted="${wanted}optimized " ;;
    1) wanted="${wanted}non_optimized " ;;
    2) wanted="${wanted}inaccessible " ;;
    esac
done
show() { # STATES TENTHS
    for _ in $(seq "$2"); do [ "$(states)" = "$1" ] && return; sleep 0.1; done
    echo "wanted $1"
    cat /tmp/status
    return 1
}
verify alua 6 & f=$!
sleep 0.5
echo 0 >$debug/vpd_use_hostno
check alua-states "other states are shown" show "$wanted" 40
echo 1 >$debug/vpd_use_hostno
check alua-back "other states are shown" show "optimized optimized optimized optimized " 40
wait $f && ok alua-switched || fail alua-switched "$(why alua)"

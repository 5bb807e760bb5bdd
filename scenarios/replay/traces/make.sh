#!/bin/sh
# Makes the traces that are not recorded; the same bytes everywhere. Run in this folder: sh make.sh journal | two-disks
set -eu
case "${1:-}" in
journal)
    # Every 5 ms a transaction: data in place, a descriptor and log blocks, and a commit that is flushed first and written through.
    awk 'BEGIN {
        seq = 0; log_at = 0; x = 12345
        for (t = 0; t < 80; t++) {
            ns = t * 5000000
            for (i = 0; i < 2; i++) { x = (x * 16807) % 2147483647; event(ns + i * 90000, "W", 2097152 + (x % 65536) * 8, 8) }
            n = 1 + t % 4
            event(ns + 400000, "WS", 1048576 + log_at, 8 * n); log_at = (log_at + 8 * n) % 8192
            event(ns + 1200000, "FWFS", 1048576 + log_at, 8); log_at = (log_at + 8) % 8192
            if (t % 10 == 9) event(ns + 2000000, "D", 4194304 + t * 2048, 2048)
        }
    }
    function event(ns, rwbs, sector, sectors) {
        seq++
        printf "  8,0    %d %8d %5d.%09d %5d  Q %3s %d + %d [jbd2/sda-8]\n", seq % 2, 2 * seq - 1, 0, ns, 310, rwbs, sector, sectors
        printf "  8,0    %d %8d %5d.%09d %5d  C %3s %d + %d [0]\n", seq % 2, 2 * seq, 0, ns + 80000, 0, rwbs, sector, sectors
    }' >journal.blkparse
    ;;
two-disks)
    # A FILETIME has more digits than awk has, so that the first seven are text.
    awk 'BEGIN {
        x = 4242; next_write = 0
        for (i = 0; i < 600; i++) {
            ticks = 85295514663 + i * 20000
            x = (x * 16807) % 2147483647
            if (i % 3 == 2) { printf "1281663%.0f,web,1,Write,%d,65536,2100\n", ticks, next_write; next_write += 65536 }
            else printf "1281663%.0f,web,0,%s,%d,%d,900\n", ticks, (x % 10 < 8) ? "Read" : "Write", (x % 262144) * 4096, 4096 * (1 + x % 4)
        }
    }' >two-disks.msr.csv
    ;;
*)
    echo "usage: sh make.sh journal | two-disks" >&2
    exit 2
    ;;
esac

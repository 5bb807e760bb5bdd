#!/bin/sh
# Runs in the machine of `ci/vm`; the scripts beside this one are its chapters.
. /bench/lib.sh
PATH=/bench/bin:$PATH
mkdir -p /dev/mapper /var/lock
echo "kernel $(uname -r), $(nproc) processors; $ROUNDS rounds of $EACH s, medians; a ratio is mpio's I/Os a second to those of what is named"
for chapter in $CHAPTERS; do
    echo
    . /bench/"$chapter".sh
done

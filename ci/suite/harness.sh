#!/bin/sh
# Runs in the machine of `ci/vm`: what the harness does with real block devices. The scripts beside this one are its chapters.
. /suite/lib.sh
PATH=$PATH:$bin
for chapter in served target traced; do . /suite/$chapter.sh; done
exit $failed

#!/usr/bin/env bash
# A disk that is full in the middle of sending (a limit on the size of the daemon's files: any write past it
# fails): nothing is sent whose intent cannot be written, and with room again everything goes on.
source "$(dirname "$0")/lib.sh"
command -v prlimit >/dev/null || missing "prlimit (util-linux) is not installed"
install
patients 1 24
# A write past the limit fails instead of killing the process (setrlimit(2)).
trap '' XFSZ
daemon
until_it 60 "five messages are accepted" has_accepted 5
prlimit --pid "$daemon" --fsize=4096:
failures() { grep -cF "a step failed" "$home/log" || true; }
failed() { [ "$(failures)" -ge "$1" ]; }
until_it 60 "steps fail for want of room" failed 2
held=$(accepted)
[ "$held" -lt 24 ] || broken "everything was sent before the disk was full: nothing is shown"
say "the disk is full with $held accepted"
until_it 60 "steps go on failing" failed $(($(failures) + 4))
# Sends whose intent was written before may still have been on their way.
[ "$(accepted)" -le $((held + 8)) ] || broken "P3: $(accepted) accepted without room for an intent"
ended && broken "the daemon ended"
prlimit --pid "$daemon" --fsize=unlimited:
say "there is room again"
all_told 24 8
stop_daemon

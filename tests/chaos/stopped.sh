#!/usr/bin/env bash
# A daemon that is stopped (SIGSTOP) in the middle of sending for longer than its lease, and goes on (SIGCONT):
# nothing is sent twice, and what it had in hand is settled.
source "$(dirname "$0")/lib.sh"
[ -z "${SHORT:-}" ] || missing "it lasts longer than a lease: run it without SHORT"
lease=20
install
patients 1 20
daemon
until_it 60 "five messages are accepted" has_accepted 5
kill -STOP "$daemon"
[ "$(accepted)" -lt 20 ] || broken "everything was sent before it was stopped: nothing is shown"
say "stopped with $(accepted) accepted, for longer than the lease of $lease s"
sleep $((lease + 3))
kill -CONT "$daemon"
say "goes on"
all_told 20 8
stop_daemon

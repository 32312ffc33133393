#!/usr/bin/env bash
# A primary that dies in the middle of sending, and an asynchronous standby that is promoted: the daemon, which
# names both, finds it, and holds, for what the standby had not yet heard of may have gone out; `carebell reconcile
# --settle` lets it go on, and nothing is sent twice.
source "$(dirname "$0")/lib.sh"
postgres_server
one=$(free_port)
two=$(free_port)
new_cluster one "$one"
"${as[@]}" "$bin/pg_basebackup" -h 127.0.0.1 -p "$one" -U postgres -D "$home/pg-two" -R -X stream -c fast
serve two "$two"
say "a standby follows its primary"
install "postgres://postgres@127.0.0.1:$one,127.0.0.1:$two/postgres?sslmode=disable"
patients 1 40
daemon
until_it 60 "five messages are accepted" has_accepted 5
"${as[@]}" "$bin/pg_ctl" -D "$home/pg-one" -m immediate stop >/dev/null
say "the primary died with $(accepted) accepted"
[ "$(accepted)" -lt 40 ] || broken "everything was sent before the primary died: nothing is shown"
"${as[@]}" "$bin/pg_ctl" -D "$home/pg-two" -w promote >/dev/null
say "the standby was promoted"
until_it 60 "the daemon finds the new primary" said "the database server that takes writes is another one now"
until_it 60 "the daemon holds" said "another timeline"
held=$(accepted)
say "it holds with $held accepted"
if tell reconcile >"$home/reconcile.log" 2>&1; then broken "reconcile has nothing to say"; fi
[ "$(accepted)" = "$held" ] || broken "sent while on hold"
tell reconcile --settle --yes >>"$home/reconcile.log" 2>&1 || broken "not settled: $(cat "$home/reconcile.log")"
say "settled"
if [ -n "${SHORT:-}" ]; then
    all_told 40 40
    stop_daemon
    exit
fi
# A message is of its minute: what is due in the minute of the promotion may have gone.
minute=$(date +%M)
minute_is_over() { [ "$(date +%M)" != "$minute" ]; }
until_it 61 "the next minute" minute_is_over
patients 41 45
all_told 45 40
[ "$(accepted)" -ge $((held + 5)) ] || broken "what came due after it was settled was not sent"
stop_daemon

#!/usr/bin/env bash
# A PostgreSQL that is restarted in the middle of sending, once in good order and once without a word: the daemon
# goes on, and nothing is sent twice.
source "$(dirname "$0")/lib.sh"
postgres_server
server=$(free_port)
new_cluster one "$server"
install "postgres://postgres@127.0.0.1:$server/postgres?sslmode=disable"
patients 1 30
daemon
for how in fast immediate; do
    until_it 60 "five more messages are accepted" has_accepted $(($(accepted) + 5))
    "${as[@]}" "$bin/pg_ctl" -D "$home/pg-one" -m "$how" stop >/dev/null
    say "the server was stopped ($how) with $(accepted) accepted"
    serve one "$server"
    say "the server runs again"
done
all_told 30 16
stop_daemon

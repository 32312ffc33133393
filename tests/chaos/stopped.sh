#!/usr/bin/env bash
# A daemon that is stopped (SIGSTOP) in the middle of sending for longer than its lease, and goes on (SIGCONT):
# nothing is sent twice, and what it had in hand is settled. Once alone, and once as one of two: there the other takes
# over what is open, and what the first says of it when it wakes comes too late to change anything.
source "$(dirname "$0")/lib.sh"

alone() {
    local lease=20
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
}
if [ -z "${SHORT:-}" ]; then alone; fi

postgres_server
server=$(free_port)
new_cluster one "$server"
state=$home/state-of-two
install "postgres://postgres@127.0.0.1:$server/postgres?sslmode=disable"
patients 1 20
daemon
first=$daemon
another
second=$daemon
both_ready() { [ "$(grep -c "carebell is ready" "$home/log")" = 2 ]; }
until_it 60 "both are ready" both_ready
# What is accepted is answered too late, and its receipt comes when the lease is over.
misbehave '[{"fault": {"answer": "hold"}}, {"fault": {"callbacks": {"delayed-ms": 45000}}}]'
holds() { [ "$(held)" -ge 6 ]; }
until_it 60 "six answers are held" holds
kill -STOP "$second"
behave
say "one of two was stopped; $(held) answers were held, $(accepted) messages accepted"
until_it 60 "the other takes over what is open" said "attempts lost their daemon"
all_sent() { [ "$(state_of sent)" = 20 ]; }
until_it 120 "all are sent: receipts settle what was taken over" all_sent
all_told 20 0
taken_over=$(grep -o 'lost their daemon.*attempts=[0-9]*' "$home/log" | grep -o '[0-9]*$' | paste -sd+)
say "$((taken_over)) attempts were taken over, and settled by their receipts"
kill -CONT "$second"
late() { answer_of "$(grep -o 'listen = "127.0.0.1:[0-9]*' "$home/another.toml" | grep -o '[0-9]*$')" GET /metrics |
    grep -q 'carebell_attempts_total{.*outcome="unknown"'; }
until_it 30 "the one that was stopped says what it knows" late
say "goes on, and knows of no answer"
stop_daemon "$second"
stop_daemon "$first"
# The books still say what the receipts said.
all_told 20 0
[ "$(accepted)" = 20 ] || broken "P1: $(accepted) accepted of 20"

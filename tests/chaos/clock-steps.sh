#!/usr/bin/env bash
# A daemon whose wall clock is wrong: 1970 at its start, then an hour forward and an hour back in the middle of
# sending, as a person or a time service sets it. Nothing is sent while the clock is in doubt, nothing expires, it is
# told, `carebell doctor --confirm-clock` or the right time ends it, and nobody has anything twice. The clock of this
# machine is left alone: libfaketime shows the daemon another one, and the steady clock is the real one.
source "$(dirname "$0")/lib.sh"
faker=$(ls /usr/lib/*/faketime/libfaketime.so.1 /usr/lib{,64}/faketime/libfaketime.so.1 \
    /usr/local/lib/faketime/libfaketime.so.1 2>/dev/null | head -n 1 || true)
[ -n "$faker" ] || missing "libfaketime is not installed"

# shown WHEN: what the wall clock shows from now on, to those that run too; `+0` is the right time.
shown() { printf '%s\n' "$1" >"$home/shown.new" && mv "$home/shown.new" "$home/shown"; }
under=(env LD_PRELOAD="$faker" FAKETIME_TIMESTAMP_FILE="$home/shown" FAKETIME_NO_CACHE=1
    FAKETIME_DONT_FAKE_MONOTONIC=1)
# A person at the same machine says that its clock is right.
confirm() { "${under[@]}" "$carebell" doctor --confirm-clock --config "$home/carebell.toml" >"$home/doctor.log" 2>&1; }
readiness_says() { answer_of "$port" GET /readyz >"$home/readyz" && grep -qF "$1" "$home/readyz"; }
times() { grep -cF -- "$1" "$home/log" || true; }
doubts=0 beliefs=0
doubted() { [ "$(times 'the clock is not believed')" -gt "$doubts" ]; }
believed() { [ "$(times 'the clock is believed again')" -gt "$beliefs" ]; }
# What may still arrive once the clock is in doubt: what had left before.
in_flight=8

# in_doubt WORDS [SECONDS]: it is told everywhere, in these words, and nothing moves meanwhile.
in_doubt() {
    until_it 30 "the daemon doubts its clock" doubted
    doubts=$((doubts + 1))
    until_it 10 "readiness says: $1" readiness_says "$1"
    grep -q '^HTTP/1.1 200' "$home/readyz" || broken "callbacks are turned away: $(cat "$home/readyz")"
    tell status >"$home/status"
    grep -F clock "$home/status" | grep -qF "$1" || broken "status does not say so: $(cat "$home/status")"
    local before reminders
    before=$(accepted) reminders=$(state_of sent)
    sleep "${2:-3}"
    [ "$(accepted)" -le $((before + in_flight)) ] || broken "sent by a clock in doubt: $before, then $(accepted)"
    [ "$(accepted)" = "$before" ] || say "$(($(accepted) - before)) were on their way"
    nothing_expired
    say "in doubt ($1): $before accepted, $reminders sent by the books"
}
nothing_expired() {
    local expired
    expired=$(($(state_of expired) + $(state_of suppressed) + $(state_of superseded) + $(state_of parked)))
    [ "$expired" = 0 ] || broken "P5: $expired ended by a wrong clock"
}
goes_on() {
    until_it 30 "the daemon believes its clock" believed
    beliefs=$((beliefs + 1))
    say "believed again: $1"
}

# 1970: a machine without a battery, before its time service has answered.
install
shown "@1970-01-01 00:01:00"
patients 1 24
daemon
in_doubt "before this program was made" 12
[ "$(accepted)" = 0 ] || broken "sent in 1970"
if confirm; then broken "1970 was confirmed"; fi
grep -qF "cannot be confirmed" "$home/doctor.log" || broken "doctor: $(cat "$home/doctor.log")"
sleep 2
[ "$(accepted)" = 0 ] || broken "sent in 1970, by a person's word"
shown "+0"
goes_on "the time is right"

# An hour forward, and a person says that it is right.
until_it 60 "five messages are accepted" has_accepted 5
shown "+3600"
in_doubt "forward"
forward=$(accepted)
[ "$forward" -lt 15 ] || missing "this machine is too slow: $forward were accepted before the step was seen"
confirm || true
grep -qF "is confirmed" "$home/doctor.log" || broken "not confirmed: $(cat "$home/doctor.log")"
goes_on "an hour forward, confirmed"
until_it 60 "two more are accepted" has_accepted $((forward + 2))
nothing_expired

# An hour back, to the right time; a restart does not forget that somebody must say so.
shown "+0"
in_doubt "back"
back=$(accepted)
[ "$back" -lt 24 ] || missing "this machine is too slow: everything was accepted before the step was seen"
stop_daemon
daemon
in_doubt "nobody has said which time is right"
[ "$(accepted)" -le $((back + in_flight)) ] || broken "a restart forgot the step"
confirm || true
grep -qF "is confirmed" "$home/doctor.log" || broken "not confirmed: $(cat "$home/doctor.log")"
goes_on "an hour back, confirmed after a restart"
all_told 24 $((2 * in_flight))
nothing_expired
if [ -z "${SHORT:-}" ]; then
    patients 25 29
    all_told 29 $((2 * in_flight))
    [ "$(accepted)" -ge $((back + 5)) ] || broken "what came due afterwards was not sent"
fi
stop_daemon

# What every script here shares: an installation in a folder of its own, a stand-in for the providers, patients
# with one dose each, and what is believed in the end, the stand-in's ledger. Sourced, not run.
#
# With SHORT=1 a script leaves out what takes more than some seconds. $CAREBELL names the binary (default: the debug build, built by the caller). Each script prints what it does,
# ends with 0 when every promise held, with 1 when one broke, and with 77 when something it needs is missing.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
carebell=${CAREBELL:-${CARGO_TARGET_DIR:-$repository/target}/debug/carebell}
[ -x "$carebell" ] || { echo "skipped: no binary at $carebell: cargo build"; exit 77; }

# Short: a socket's path has 107 bytes at most (unix(7)).
home=$(mktemp -d /tmp/carebell-chaos-XXXXXX)
chmod 755 "$home"
started=()
as=()
# What the daemons are started by, beside themselves.
under=()

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
broken() { say "BROKEN: $*"; tail -n 15 "$home/log" 2>/dev/null || true; exit 1; }
missing() { echo "skipped: $*"; exit 77; }

clean_up() {
    trap '' EXIT
    local process data
    for process in "${started[@]}"; do
        kill -CONT "$process" 2>/dev/null || true
        kill -KILL "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    for data in "$home"/pg-*/; do
        [ -d "$data" ] || continue
        "${as[@]}" "$bin/pg_ctl" -D "$data" -m immediate stop >/dev/null 2>&1 || true
    done
    [ -z "${mounted:-}" ] || umount -l "$mounted" 2>/dev/null || true
    rm -rf "$home"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# until_it SECONDS WHAT COMMAND...: waits for a condition, never for a time.
until_it() {
    local limit=$1 what=$2 began=$SECONDS
    shift 2
    until "$@"; do
        [ $((SECONDS - began)) -lt "$limit" ] || broken "it never came to this: $what"
        sleep 0.2
    done
}

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

# install [URL]: writes the configuration and starts the stand-in. Slow enough for something to happen in between.
install() {
    port=$(free_port) http=$(free_port) smtp=$(free_port)
    state=${state:-$home/state}
    mkdir -p "$state"
    chmod 700 "$state"
    cat >"$home/carebell.toml" <<TOML
state_dir = "$state"
database.url = "${1:-}"
schedules.dir = "$home/schedules"
http = { listen = "127.0.0.1:$port", public_url = "http://127.0.0.1:$port" }
deliver = { permits = 8, lease_seconds = 20, retry_seconds = [1, 1, 1, 1, 1, 1] }
log.filter = "info"
TOML
    local places=(--http "127.0.0.1:$http" --smtp "127.0.0.1:$smtp" --callback "http://127.0.0.1:$port")
    "$carebell" sandbox config "${places[@]}" | sed -e '/^\[http\]/d' -e '/^public_url/d' \
        -e '/^\(messages\|segments\)_per_second/d' -e 's/^\[channels\.twilio]/&\nsegments_per_second = 2.0/' \
        -e 's/^\[channels\.[we].*/&\nmessages_per_second = 2.0/' >>"$home/carebell.toml"
    ledger=$home/ledger.ndjson
    : >"$ledger"
    : >"$home/log"
    "$carebell" sandbox --config "$home/carebell.toml" "${places[@]}" --ledger "$ledger" >"$home/sandbox.log" 2>&1 &
    started+=($!)
}

# patients FROM TO: one dose each, due in ten seconds: reminders begin with the import, which must be over.
patients() {
    local n at due
    due=$(($(date +%s) + 10))
    at=$(date -u -d "@$due" +%FT%TZ)
    for n in $(seq "$1" "$2"); do
        printf '{"resourceType":"Patient","id":"p%d","active":true,"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/timezone","valueCode":"Etc/UTC"}],"name":[{"family":"Chaos"}],"telecom":[{"system":"sms","value":"+1202555%04d"}]}\n' "$n" "$n"
        printf '{"resourceType":"MedicationRequest","id":"m%d","status":"active","intent":"order","medicationCodeableConcept":{"text":"Canarin"},"subject":{"reference":"Patient/p%d"},"authoredOn":"2026-01-01","dosageInstruction":[{"text":"one","timing":{"event":["%s"]}}]}\n' "$n" "$n" "$at"
    done >"$home/people.ndjson"
    tell import "$home/people.ndjson" --consent-basis "chaos" --consent-at 2026-01-01 >"$home/import.log" 2>&1 ||
        broken "the import failed: $(cat "$home/import.log")"
    [ "$(date +%s)" -lt "$due" ] || missing "this machine is too slow: the import took ten seconds"
}

tell() { "$carebell" "$@" --config "$home/carebell.toml"; }

# daemon [CONFIG]: starts one.
daemon() {
    # Through a pipe: a limit on the size of the daemon's files is none on its log.
    "${under[@]}" "$carebell" run --config "${1:-$home/carebell.toml}" > >(cat >>"$home/log") 2>&1 &
    daemon=$!
    started+=("$daemon")
}

# another: starts a second one on the same PostgreSQL, with a folder and a port of its own. No callback goes there.
another() {
    local config=$home/another.toml folder=$home/another
    if ! [ -e "$config" ]; then
        mkdir -m 700 "$folder"
        cp -p "$state/master.key" "$folder/"
        sed -e "s|^state_dir = .*|state_dir = \"$folder\"|" -e "s|listen = \"127.0.0.1:$port\"|listen = \"127.0.0.1:$(free_port)\"|" \
            "$home/carebell.toml" >"$config"
    fi
    daemon "$config"
}

# answer_of PORT METHOD PATH [BODY]: what an HTTP server here says, head and body.
answer_of() {
    local body=${4:-}
    (
        exec 4<>"/dev/tcp/127.0.0.1/$1" || exit 1
        printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
            "$2" "$3" "${#body}" "$body" >&4
        cat <&4
    ) 2>/dev/null
}

# misbehave RULES, behave: the stand-in's script (src/sandbox/control.rs).
misbehave() { answer_of "$http" POST /_sandbox/faults "$1" | grep -q '^HTTP/1.1 204' || broken "no such fault: $1"; }
behave() { answer_of "$http" DELETE /_sandbox/faults >/dev/null; }
held() { answer_of "$http" GET /_sandbox/state | grep -o '"held":[0-9]*' | grep -o '[0-9]*$' || echo 0; }

accepted() { wc -l <"$ledger"; }
has_accepted() { [ "$(accepted)" -ge "$1" ]; }
said() { grep -qF -- "$1" "$home/log"; }
ended() { ! kill -0 "$daemon" 2>/dev/null; }

# stop_daemon [PROCESS]
stop_daemon() {
    local code=0 process=${1:-$daemon}
    kill -TERM "$process"
    wait "$process" || code=$?
    [ "$code" = 0 ] || broken "the daemon ended with $code"
}

# P1: nobody has two messages.
nothing_twice() {
    local twice
    twice=$(grep -o '"to":"[^"]*"' "$ledger" | sort | uniq -d)
    [ -z "$twice" ] || broken "P1: sent twice: $twice"
}

# state NAME: how many reminders stand so.
state_of() { tell status --json | grep -o "\"$1\": *[0-9]*" | head -n 1 | grep -o '[0-9]*$' || echo 0; }

# all_told N UNKNOWN: every one of N doses was accepted once, but for UNKNOWN at most that stay unknown.
all_told() {
    settled() { [ $(($(state_of sent) + $(state_of unknown))) -ge "$1" ]; }
    until_it 120 "all $1 doses are sent or unknown" settled "$1"
    nothing_twice
    local unknown
    unknown=$(state_of unknown)
    [ "$unknown" -le "$2" ] || broken "P4: $unknown unknown, more than $2"
    [ "$(accepted)" -ge $(($1 - unknown)) ] || broken "P2: said to be sent, and not accepted"
    say "$1 doses: $(accepted) accepted, none twice, $unknown unknown"
}

# postgres_server: finds the server's binaries, and who may run them.
postgres_server() {
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -t/ -k5 -n | tail -n 1)
    [ -x "$bin/initdb" ] || bin=$(dirname "$(command -v initdb || echo /nowhere/initdb)")
    [ -x "$bin/initdb" ] || missing "no PostgreSQL server binaries"
    if [ "$(id -u)" = 0 ]; then
        # The server refuses to run as root.
        local user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        as=(setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups env HOME="$home")
        chmod 777 "$home"
    fi
    export LC_ALL=C.UTF-8
}

# serve NAME PORT: starts the cluster in pg-NAME.
serve() {
    "${as[@]}" "$bin/pg_ctl" -D "$home/pg-$1" -w -t 60 -l "$home/pg-$1/server.log" -o "-c listen_addresses=127.0.0.1 \
        -c port=$2 -c unix_socket_directories=$home -c shared_buffers=32MB -c fsync=off" start >/dev/null ||
        broken "PostgreSQL $1 does not start"
}

new_cluster() {
    "${as[@]}" "$bin/initdb" -D "$home/pg-$1" -U postgres -A trust -E UTF8 --no-sync --no-instructions >/dev/null
    serve "$1" "$2"
}

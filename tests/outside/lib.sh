# What every part here shares, beside what tests/chaos/lib.sh has: checks of one line each, patients of a CSV file, and
# questions to the installation's own commands. Sourced, not run.
#
# A part ends with 0 when every check was ok, with 1 when one FAILED, and with 77 when something it needs is missing.
# $TOOLS is the folder that `tests/outside.sh --install` fills; $KEEP_LOGS, where the logs of a failed part are left.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../chaos/lib.sh"
here=$repository/tests/outside
data=$repository/tests/data
TOOLS=${TOOLS:-$repository/target/outside}
export NODE_PATH=$TOOLS/node_modules
export PATH=$PATH:/usr/sbin:/sbin
python=$TOOLS/python/bin/python3
failures=0

keep_logs() {
    local code=$?
    [ "$code" = 0 ] || [ "$code" = 77 ] || [ -z "${KEEP_LOGS:-}" ] || cp -r "$home" "$KEEP_LOGS"
    clean_up
}
trap keep_logs EXIT

ok() { printf 'ok      %s\n' "$*"; }
failed() { printf 'FAILED  %s\n' "$*"; failures=$((failures + 1)); }

# check WHAT COMMAND...: one line; a failure does not end the part.
check() {
    local what=$1
    shift
    if "$@"; then ok "$what"; else failed "$what"; fi
}

# check_soon SECONDS WHAT COMMAND...: the same of what must come to be.
check_soon() {
    local limit=$1 what=$2 began=$SECONDS
    shift 2
    until "$@"; do
        [ $((SECONDS - began)) -lt "$limit" ] || { failed "$what"; return 0; }
        sleep 0.3
    done
    ok "$what"
}

# P10.
names_nobody() { ! grep -qE 'Canarin|\+?1202555|9876543210|@mail\.example' "$home/log"; }

# finish: the part's end.
finish() {
    check "the daemon's log names no patient, address or drug" names_nobody
    if [ "$failures" -gt 0 ]; then
        echo "the daemon's last words:"
        tail -n 15 "$home/log"
        exit 1
    fi
    exit 0
}

needs() {
    local tool
    for tool in "$@"; do
        command -v "$tool" >/dev/null || missing "$tool is not there: tests/outside.sh --install"
    done
}
needs_npm() { [ -d "$NODE_PATH/$1" ] || missing "npm's $1 is not there: tests/outside.sh --install"; }
needs_pip() { "$python" -c "import $1" 2>/dev/null || missing "pip's $1 is not there: tests/outside.sh --install"; }

# foreign NAME COMMAND...: starts a program that is not ours; its words go to NAME.log.
foreign() {
    local name=$1
    shift
    "$@" >"$home/$name.log" 2>&1 &
    started+=($!)
}

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# settle: writes the configuration, in sandbox mode: everything stays on loopback. Channels on stdin.
settle() {
    port=$(free_port) state=$home/state
    mkdir -p -m 700 "$state"
    mkdir -p "$home/schedules/programmes/general"
    # Overt texts are long enough for two parts; appointments are told three hours before.
    cat >"$home/schedules/programmes/general/programme.toml" <<TOML
title = "Outside"
overt_texts = "allowed"
appointment_leads = [{ minutes = 180 }]
TOML
    (umask 077 && : >"$home/carebell.toml")
    cat >>"$home/carebell.toml" <<TOML
mode = "sandbox"
state_dir = "$state"
schedules.dir = "$home/schedules"
http = { listen = "127.0.0.1:$port", public_url = "http://127.0.0.1:$port" }
deliver.retry_seconds = [2, 2, 2]
TOML
    cat >>"$home/carebell.toml"
    : >"$home/log"
    tell check >"$home/check.log" 2>&1 || broken "carebell check: $(cat "$home/check.log")"
}

# A zone in which it is about noon: nothing is held back for the night, and no day ends meanwhile.
noon_zone() {
    local hours=$((12 - 10#$(date -u +%H)))
    if [ "$hours" -ge 0 ]; then echo "Etc/GMT-$hours"; else echo "Etc/GMT+${hours#-}"; fi
}

columns=patient_id,name,sms,whatsapp,email,language,timezone,text_style,consent,consent_at,order_id,type,title,dose_text,start,end,times
# person NAME PHONE EMAIL LANGUAGE STYLE TYPE TITLE TEXT: a row of the CSV. All that `enrol` imports is due some seconds
# later; an appointment is told an hour before. PHONE takes SMS, with `whatsapp:` before it WhatsApp.
people=()
person() { people+=("$1|$2|$3|$4|$5|$6|$7|$8"); }

# An appointment comes so long after its reminder, in seconds: the lead below.
visit_after=10800

enrol() {
    local zone row name phone email language style kind title text day
    zone=$(noon_zone)
    due=$(($(date +%s) + 12))
    day=$(TZ=$zone date -d "@$due" +%F)
    echo "$columns" >"$home/people.csv"
    for row in "${people[@]}"; do
        IFS='|' read -r name phone email language style kind title text <<<"$row"
        case $phone in
        whatsapp:*) phone=,${phone#*:} ;;
        *) phone=$phone, ;;
        esac
        printf '%s,%s,%s,%s,%s,%s,%s,yes,2026-01-01,%s-1,%s,%s,"%s",' "$name" "$name" "$phone" "$email" "$language" \
            "$zone" "$style" "$name" "$kind" "$title" "$text"
        if [ "$kind" = appointment ]; then
            printf '%s,,\n' "$(TZ=$zone date -d "@$((due + visit_after))" +%FT%T)"
        else
            printf '%s,%s,%s\n' "$day" "$day" "$(TZ=$zone date -d "@$due" +%T)"
        fi
    done >>"$home/people.csv"
    tell import "$home/people.csv" --json >"$home/import.log" 2>&1 || broken "the import failed: $(cat "$home/import.log")"
    [ "$(date +%s)" -lt "$due" ] || missing "this machine is too slow: the import took longer than ten seconds"
    tell patients list --names --json >"$home/patients.json"
}

# call_off NAME: the person's appointment, as the source has it from now on.
call_off() {
    head -n 1 "$home/people.csv" | sed 's/$/,status/' >"$home/off.csv"
    grep "^$1," "$home/people.csv" | sed 's/$/,cancelled/' >>"$home/off.csv"
    tell import "$home/off.csv" --json >"$home/import.log" 2>&1 || broken "the import failed: $(cat "$home/import.log")"
}

# of JSON_FILE EXPRESSION: what Python's EXPRESSION says of the document `it`.
of() { python3 -c 'import json, sys; it = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"; }

# holds FILE WORDS EXPRESSION: whether it holds of the file's JSON lines (`lines`), said with the help of WORDS.
holds() {
    python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
exec(sys.argv[2])
sys.exit(not eval(sys.argv[3]))' "$@"
}

patient_id() { of "$home/patients.json" "[p['id'] for p in it if p['name'] == '$1'][0]"; }

# story NAME: the whole of what `carebell explain` tells of the reminder at the patient's moment, as text.
story() {
    local at
    at=$(date -u -d "@$due" +%FT%TZ)
    tell explain --patient "$(patient_id "$1")" --at "$at" >"$home/story-$1" 2>&1 || return 1
    # On one line: what is looked for may be wrapped.
    tell explain "$(grep -om1 'rem_[0-9a-f]*' "$home/story-$1")" 2>&1 | tr -s ' \n' ' ' >"$home/story-$1.line"
}
# tells NAME EXPRESSION: whether it has something that fits.
tells() { story "$1" && grep -qE -- "$2" "$home/story-$1.line"; }
# health NAME CHANNEL WORD: how `carebell patients show` says that a contact point stands.
health() {
    tell patients show "$(patient_id "$1")" --json >"$home/shown-$1" &&
        [ "$(of "$home/shown-$1" "[c['health'] for c in it['contacts'] if c['channel'] == '$2'][0]")" = "$3" ]
}

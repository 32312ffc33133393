#!/usr/bin/env bash
# Prism (npm's @stoplight/prism-cli) answers as Meta's and Twilio's published descriptions say, and refuses a request that
# they do not allow. Prism lets unknown parameters pass; what is sent is judged strictly in tests/it/channel.
source "$(dirname "$0")/lib.sh"
needs node curl python3
needs_npm @stoplight/prism-cli

meta=$(free_port) twilio=$(free_port) wrong=$(free_port)
account=AC00000000000000000000000000000000
# mock NAME PORT DESCRIPTION
mock() {
    foreign "$1" node "$NODE_PATH/@stoplight/prism-cli/dist/index.js" mock -h 127.0.0.1 -p "$2" "$data/provider-specs/$3"
    until_it 60 "Prism speaks as $1" listens "$2"
}
mock meta "$meta" meta-cloud-messages.patched.openapi.json
mock twilio "$twilio" twilio_api_v2010.messages.json
mock wrong "$wrong" twilio_api_v2010.messages.json

# status_of ARGUMENTS...: what Prism says to a request of curl's.
status_of() { curl -s -o /dev/null -w '%{http_code}' --noproxy '*' "$@"; }
says() { [ "$(status_of "${@:2}")" = "$1" ]; }
messages=http://127.0.0.1:$twilio/2010-04-01/Accounts/$account/Messages.json
whatsapp=http://127.0.0.1:$meta/v25.0/1555/messages
check "Prism refuses a bad form (422)" says 422 -u a:b -d To=+12025550101 -d ValidityPeriod=soon "$messages"
check "and one without a login (401)" says 401 -d To=+12025550101 -d From=+12025550199 -d Body=x "$messages"
check "and what is no message of WhatsApp's (400, which Meta's description has for it)" says 400 -H 'Authorization: Bearer t' \
    -H 'Content-Type: application/json' -d '{"messaging_product":"sms","to":7}' "$whatsapp"

settle <<TOML
[channels.whatsapp]
base_url = "http://127.0.0.1:$meta/v25.0"
phone_number_id = "155500001"
access_token = "outside"
app_secrets = ["outside"]
verify_token = "outside"

[channels.twilio]
base_url = "http://127.0.0.1:$twilio"
account_sid = "$account"
auth_tokens = ["outside"]
from = "+12025550199"

# A gateway that was set up wrongly: what it says of the validity is no number.
[channels.wrong]
kind = "http"
rank = 1
prefixes = ["+44"]
base_url = "http://127.0.0.1:$wrong"
username = "outside"
receipt_habit = "none"
segments_per_second = 10
secrets = { password = "outside" }

[channels.wrong.request]
path = "/2010-04-01/Accounts/$account/Messages.json"
auth = { kind = "basic", user = "outside", secret = "password" }
form = { To = "{{ to }}", Body = "{{ text }}", ValidityPeriod = "soon" }

[channels.wrong.answer]
statuses = ["201"]
TOML
person over-meta whatsapp:+12025550101 "" en discreet medication Canarin "1 tablet"
person over-twilio +12025550102 "" hi discreet medication Canarin "1 tablet"
person over-wrong +447400123456 "" en discreet medication Canarin "1 tablet"
enrol
declare -A before
for name in meta twilio; do before[$name]=$(wc -l <"$home/$name.log"); done
daemon

# in_order NAME: Prism has had requests of the daemon's, and found nothing wrong in them.
in_order() {
    tail -n "+$((before[$1] + 1))" "$home/$1.log" >"$home/$1.new"
    grep -q 'passed the validation rules' "$home/$1.new" && ! grep -q 'did not pass' "$home/$1.new"
}

check_soon 60 "Meta's description accepts our template message (200)" tells over-meta 'is accepted'
check "explain ends it as sent" tells over-meta ' is sent'
check "Prism finds nothing wrong in it" in_order meta
check_soon 30 "Twilio's description accepts our form (201)" tells over-twilio 'is accepted'
check "explain ends it as sent" tells over-twilio ' is sent'
check "Prism finds nothing wrong in it" in_order twilio
check_soon 30 "a form that Twilio's description does not allow is failed (422)" tells over-wrong ' is failed.*422|422.* is failed'
stop_daemon
finish

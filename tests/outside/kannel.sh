#!/usr/bin/env bash
# Kannel (bearerbox and smsbox, as packaged) between Carebell and a message centre that speaks SMPP (npm's smpp).
source "$(dirname "$0")/lib.sh"
needs bearerbox smsbox node python3
needs_npm smpp

admin=$(free_port) boxes=$(free_port) centre=$(free_port) sendsms=$(free_port)
seen=$home/seen.ndjson
: >"$seen"

mkfifo "$home/phones"
node "$here/smsc.js" "$centre" <"$home/phones" >"$seen" 2>"$home/smsc.log" &
started+=($!)
exec 7>"$home/phones"

settle <<TOML
[channels.sms]
kind = "http"
preset = "kannel"
base_url = "http://127.0.0.1:$sendsms"
username = "carebell"
from = "15550001"
segments_per_second = 10
secrets = { password = "outside", webhook = "of-kannel" }
TOML
hook=http://127.0.0.1:$port/webhooks/sms/of-kannel

cat >"$home/kannel.conf" <<CONF
group = core
admin-port = $admin
admin-interface = "127.0.0.1"
admin-password = outside
smsbox-port = $boxes
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
dlr-storage = internal
log-level = 1

group = smsc
smsc = smpp
smsc-id = outside
host = 127.0.0.1
port = $centre
transceiver-mode = true
smsc-username = carebell
smsc-password = outside
system-type = ""
address-range = ""
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = $sendsms
sendsms-interface = "127.0.0.1"
log-level = 1

group = sendsms-user
username = carebell
password = outside
max-messages = 10
concatenation = true

group = sms-service
keyword = default
catch-all = true
max-messages = 0
get-url = "$hook/inbound?id=%I&from=%p&to=%P&text=%a&time=%t"
CONF
foreign bearerbox bearerbox "$home/kannel.conf"
until_it 20 "bearerbox listens" listens "$boxes"
foreign smsbox smsbox "$home/kannel.conf"
until_it 20 "smsbox listens" listens "$sendsms"
bound() { answer_of "$admin" GET /status.txt | grep -q 'outside.*online'; }
until_it 20 "Kannel is bound to the message centre" bound

person plain +12025550101 "" en discreet medication Canarin "1 tablet"
person long +12025550102 "" en overt medication Canarin "1 tablet with a glass of water after breakfast, as the care plan of the clinic says, and not together with milk or tea, for which half an hour should pass"
person hindi +919876543210 "" hi discreet medication Canarin "1 tablet"
person refused +12025550404 "" en discreet medication Canarin "1 tablet"
enrol
daemon

# saw EXPRESSION: whether it holds of what the centre got; `to` gives the submit_sm of a number, `whole` its parts' text.
words='
to = lambda number: sorted((p for p in lines if p["to"] == number), key=lambda p: p["parts"])
whole = lambda number: "".join(p["text"] for p in to(number))'
saw() { holds "$seen" "$words" "$1"; }

check_soon 90 "a reminder goes out, and the centre has it" saw "'Please follow your plan' in whole('12025550101')"
check_soon 30 "the receipt comes back: explain says delivered" tells plain 'receipt: delivered'
check "explain ends it as sent" tells plain ' is sent'
check_soon 30 "a long GSM-7 text leaves in two parts" \
    saw "[(p['coding'], p['parts'][1:]) for p in to('12025550102')] == [(0, [2, 1]), (0, [2, 2])]"
check "they are the whole text" saw "'not together with milk or tea, for which half an hour' in whole('12025550102')"
check_soon 30 "its receipt comes back" tells long 'receipt: delivered'
check_soon 30 "a Hindi text arrives as UCS-2" saw "{p['coding'] for p in to('919876543210')} == {8}"
check_soon 30 "it is intact" saw "'बजे की आपकी खुराक का रिमाइंडर। कृपया अपनी योजना के अनुसार चलें। कोई सवाल?' in whole('919876543210')"
check_soon 30 "its receipt comes back" tells hindi 'receipt: delivered'
check_soon 60 "a message that the centre refuses is failed" tells refused ' is failed'
check "explain names the centre's answer" tells refused 'NACK/'

check "nothing went out twice" saw "len(to('12025550101')) == 1 and len(to('12025550102')) == 2"
echo '{"from":"+12025550101","to":"15550001","text":"Stop"}' >&7
check_soon 30 "STOP from the phone opts the patient out" health plain sms opted-out
check_soon 30 "the confirmation reaches the phone" saw "'reply START' in whole('12025550101')"
stop_daemon
finish

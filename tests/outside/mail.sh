#!/usr/bin/env bash
# A mail server with STARTTLS, a login and faults (aiosmtpd); what it took is read by dkimpy and icalendar.
source "$(dirname "$0")/lib.sh"
needs python3 openssl curl
needs_pip aiosmtpd
needs_pip dkim
needs_pip nacl
needs_pip icalendar

# An authority of our own: the daemon looks for it where the platform's libraries do.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=Outside" \
    -addext basicConstraints=critical,CA:TRUE -keyout "$home/ca.key" -out "$home/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" -keyout "$home/mail.key" \
    -out "$home/mail.csr" 2>/dev/null
openssl x509 -req -in "$home/mail.csr" -CA "$home/ca.pem" -CAkey "$home/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1") -out "$home/mail.pem" 2>/dev/null

smtp=$(free_port)
seen=$home/seen.ndjson
: >"$seen"
mkdir "$home/mails"
"$python" "$here/mail_server.py" "$smtp" "$home/mail.pem" "$home/mail.key" "$home/mails" >"$seen" 2>"$home/mail-server.log" &
started+=($!)
until_it 20 "the mail server listens" listens "$smtp"

# The record that a DNS server would publish (RFC 6376 section 3.6.1, RFC 8463 section 4).
openssl pkey -in "$data/dkim/rsa.pem" -pubout -outform DER | base64 -w0 | sed 's/^/v=DKIM1; k=rsa; p=/' >"$home/rsa.txt"
openssl genpkey -algorithm ed25519 -out "$home/ed25519.pem"
openssl pkey -in "$home/ed25519.pem" -pubout -outform DER | tail -c 32 | base64 -w0 | sed 's/^/v=DKIM1; k=ed25519; p=/' \
    >"$home/ed25519.txt"

# settled KEY: the mail channel, signing with that key.
settled() {
    settle <<TOML
[channels.email]
url = "smtp://localhost:$smtp?tls=required"
username = "carebell"
password = "outside"
from = "Rowan <reminders@clinic.example>"
dkim_domain = "clinic.example"
dkim_selector = "outside"
dkim_key = """
$(cat "$1")
"""
TOML
}

# saw EXPRESSION: whether it holds of what the server was told; `mails` and `answers` are those of a name.
words='
mails = lambda name: [l for l in lines if l["event"] == "mail" and l["to"] == name + "@mail.example"]
answers = lambda name: [l["answer"][:3] for l in lines if l["event"] == "rcpt" and l["to"] == name + "@mail.example"]'
saw() { holds "$seen" "$words" "$1"; }
# mail_of NAME: the file of the last mail.
mail_of() {
    echo "$home/mails/$(python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
print([l["file"] for l in lines if l["event"] == "mail" and l["to"] == sys.argv[2] + "@mail.example"][-1])' "$seen" "$1")"
}
# of_mails NAME: the file of the first mail.
of_mails() {
    echo "$home/mails/$(python3 -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
print([l["file"] for l in lines if l["event"] == "mail" and l["to"] == sys.argv[2] + "@mail.example"][0])' "$seen" "$1")"
}
is_read() { "$python" "$here/check_mail.py" "$1" "$(mail_of "$2")" "${@:3}" >"$home/read-$1" 2>&1; }
one_click() {
    is_read link "$1" && curl -fsS --noproxy '*' --data 'List-Unsubscribe=One-Click' "$(cat "$home/read-link")" >/dev/null
}

settled "$data/dkim/rsa.pem"
person plain "" plain@mail.example en discreet medication Canarin "1 tablet"
person busy "" busy@mail.example en discreet medication Canarin "1 tablet"
person nobody "" nobody@mail.example en discreet medication Canarin "1 tablet"
person cut "" cut@mail.example en discreet medication Canarin "1 tablet"
person visitor "" visitor@mail.example en discreet appointment Visit "Room 3"
enrol

# Without the authority the server could be anybody.
daemon
check_soon 60 "a certificate that nobody vouches for is refused, before any mail" tells plain 'is not-sent \(code tls\)'
check "and nothing was sent" saw "not lines"
stop_daemon

export SSL_CERT_FILE=$home/ca.pem
daemon
check_soon 60 "a mail goes out, encrypted and logged in" \
    saw "[(m['encrypted'], m['login']) for m in mails('plain')] == [(True, True)]"
check_soon 20 "explain ends it as sent" tells plain ' is sent'
check "dkimpy verifies its RSA signature" is_read dkim plain "$home/rsa.txt"
check "and refuses it once its subject or text is another" is_read forged plain "$home/rsa.txt"
check_soon 20 "550 at RCPT: the address is bad" health nobody email bad
check "and explain names the code" tells nobody '5\.1\.1'
check_soon 30 "the line is cut after the mail: it is unknown" tells cut ' is unknown'
check_soon 30 "the appointment's mail goes out" saw "len(mails('visitor')) == 1"
check "icalendar reads its invite, at the appointment's time" is_read invite visitor $((due + visit_after))
call_off visitor
check_soon 60 "called off, a second mail goes out" saw "len(mails('visitor')) == 2"
check "icalendar reads that it takes the entry back" is_read cancel visitor "$(of_mails visitor)"
check "one click unsubscribes (RFC 8058)" one_click plain
check_soon 20 "and the contact point is opted out" health plain email opted-out
check_soon 30 "451 at RCPT: the mail waits for a later try" tells busy '451'
if [ -z "${SHORT:-}" ]; then
    check_soon 400 "which comes after five minutes, and is taken" saw "answers('busy') == ['451', '250'] and len(mails('busy')) == 1"
    check_soon 20 "explain ends it as sent" tells busy ' is sent'
fi
check "what was cut is not sent again" saw "len(mails('cut')) == 1"
stop_daemon

people=()
rm -rf "$state"
settled "$home/ed25519.pem"
person edwards "" edwards@mail.example en discreet medication Canarin "1 tablet"
enrol
daemon
check_soon 60 "a mail goes out, signed with Ed25519" saw "len(mails('edwards')) == 1"
check "dkimpy verifies it" is_read dkim edwards "$home/ed25519.txt"
check "and refuses it once its subject or text is another" is_read forged edwards "$home/ed25519.txt"
stop_daemon
finish

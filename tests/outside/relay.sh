#!/usr/bin/env bash
# A relay with a queue of its own (OpenSMTPD, as packaged): a mailbox that does not exist bounces, and the relay's own
# delivery agent posts the report to the webhook. smtpd wants root, and has its spool and socket where it was built to;
# in a mount namespace those are ours.
source "$(dirname "$0")/lib.sh"
needs smtpd curl python3
[ "$(id -u)" = 0 ] || missing "smtpd starts as root only"
chmod 711 "$home"
unshare --mount true 2>/dev/null || missing "no mount namespace here"

relay=$(free_port) exchanger=$(free_port)

settle <<TOML
[channels.email]
url = "smtp://127.0.0.1:$relay"
from = "Rowan <reminders@clinic.example>"
bounce_address = "bounces@clinic.example"
reply_address = "replies@clinic.example"
webhook_secrets = ["of-the-relay"]
TOML

mkdir -m 777 "$home/boxes"
# The relay takes what is for mail.example and hands it to the exchanger, which knows its mailboxes.
cat >"$home/smtpd.conf" <<CONF
table ours { "@clinic.example" = nobody }
listen on 127.0.0.1 port $relay
listen on 127.0.0.1 port $exchanger tag EXCHANGER
action "deliver" mda "cat >$home/boxes/%{user.username}.\$\$"
action "hand-over" relay host "smtp://127.0.0.1:$exchanger"
action "post" mda "curl -fsS --noproxy '*' -H 'Content-Type: message/rfc822' -H 'X-Webhook-Secret: of-the-relay' --data-binary @- http://127.0.0.1:$port/webhooks/email" virtual <ours>
match tag EXCHANGER from any for domain "mail.example" action "deliver"
match from any for domain "mail.example" action "hand-over"
match from any for domain "clinic.example" action "post"
CONF
foreign smtpd unshare --mount sh -c 'mount -t tmpfs none /run && mount -t tmpfs none /var/spool &&
    mkdir -m 711 /var/spool/smtpd && exec smtpd -d -v -f "$1"' sh "$home/smtpd.conf"
smtpd=${started[-1]}
until_it 20 "the relay listens" listens "$relay"

person daemon "" daemon@mail.example en discreet medication Canarin "1 tablet"
person gone "" nobody-here@mail.example en discreet medication Canarin "1 tablet"
enrol
daemon

delivered() { cat "$home"/boxes/* 2>/dev/null | tr -d '\r' | grep -q 'Please follow your plan'; }
check_soon 60 "the relay takes both mails: explain says sent" tells gone ' is sent'
check_soon 30 "the exchanger delivers to a mailbox that exists" delivered
check_soon 60 "the relay's report comes back by its delivery agent: explain tells it" tells gone 'receipt: failed'
check_soon 20 "the contact point is bad" health gone email bad
check "the other one is not" health daemon email ok
stop_daemon
kill -TERM "$smtpd"
finish

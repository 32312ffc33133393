"""What others' libraries make of a mail of ours. Usage:

check_mail.py dkim FILE RECORD    dkimpy verifies it by the TXT record in RECORD
check_mail.py forged FILE RECORD  dkimpy refuses it once its Subject, or its text, has changed
check_mail.py invite FILE START   icalendar reads its invite, which begins at START (seconds since 1970)
check_mail.py cancel FILE FIRST   icalendar reads that it takes back the entry of the mail FIRST
check_mail.py link FILE           prints where RFC 8058 unsubscribes
"""

import datetime
import email
import email.policy
import pathlib
import re
import sys

what, path, *more = sys.argv[1:]
raw = pathlib.Path(path).read_bytes()


def verifies(mail):
    import dkim

    record = pathlib.Path(more[0]).read_bytes().strip()
    return dkim.verify(mail, dnsfunc=lambda name, timeout=5: record if name.startswith(b"outside._domainkey.") else None)


def changed(pattern, by):
    forged, times = re.subn(pattern, by, raw, count=1)
    assert times == 1, f"the mail has no {pattern!r}"
    return forged


def calendars(of):
    mail = email.message_from_bytes(of, policy=email.policy.default)
    parts = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    assert parts, "no text/calendar"
    return parts


def cancel():
    from icalendar import Calendar

    read = lambda of: Calendar.from_ical(calendars(of)[0].get_payload(decode=True))
    first, last = read(pathlib.Path(more[0]).read_bytes()), read(raw)
    assert (str(first["METHOD"]), str(last["METHOD"])) == ("REQUEST", "CANCEL")
    (told,), (off,) = first.walk("VEVENT"), last.walk("VEVENT")
    assert str(off["UID"]) == str(told["UID"]) and int(off["SEQUENCE"]) > int(told["SEQUENCE"])
    assert str(off["STATUS"]) == "CANCELLED" and off.decoded("DTSTART") == told.decoded("DTSTART")
    return True


def invite():
    from icalendar import Calendar

    parts = calendars(raw)
    start = datetime.datetime.fromtimestamp(int(more[0]), datetime.timezone.utc)
    for part in parts:
        calendar = Calendar.from_ical(part.get_payload(decode=True))
        events = calendar.walk("VEVENT")
        assert len(events) == 1, events
        event = events[0]
        assert event.decoded("DTSTART") == start, (event.decoded("DTSTART"), start)
        for needed in ("UID", "DTSTAMP", "SUMMARY", "SEQUENCE", "ORGANIZER"):
            assert needed in event, f"no {needed}"
        assert calendar["VERSION"] == "2.0" and calendar["PRODID"]
        method = part.get_param("method")
        assert method is None or method.upper() == str(calendar["METHOD"]), "two methods"
        assert "Canarin" not in str(calendar.to_ical()), "health data"
    return True


def link():
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    print(re.search(r"<(https?://[^>]+)>", mail["List-Unsubscribe"])[1])
    return True


checks = {
    "dkim": lambda: verifies(raw),
    "forged": lambda: not verifies(changed(rb"(?m)^Subject: ", b"Subject: Urgent: "))
    and not verifies(raw.rstrip() + b"\r\nforged\r\n"),
    "cancel": cancel,
    "invite": invite,
    "link": link,
}
sys.exit(not checks[what]())

#!/usr/bin/env python3
"""Signatures of Twilio's webhooks, by Twilio's own helper library.

Pinned: PyPI twilio 9.13.0 (MIT).

    twilio_signatures.py tests/data/webhooks/twilio-signatures.json
"""

import json
import sys
from hashlib import sha256
from importlib.metadata import version
from urllib.parse import parse_qsl, urlencode

from twilio.request_validator import RequestValidator

TOKEN = "dev0123456789abcdef0123456789abcd"
HOOK = "https://hooks.example.org/webhooks/twilio"
FORMS = [
    [("MessageSid", "SM1"), ("Body", "Taken"), ("From", "+15555550123")],
    [("Body", "naïve ✅ परीक्षण"), ("MessageSid", "SM2")],
    [("MessageSid", "SM3"), ("Body", ""), ("NumMedia", "0")],
    [("MediaUrl", "b"), ("MediaUrl", "a"), ("MediaUrl", "b"), ("MessageSid", "SM4")],
    [("b", "1"), ("B", "2"), ("a", "3"), ("MessageSid", "SM5"), ("A", "4")],
    [("MessageSid", "SM6"), ("Body", "a+b & c=d %41 \r\n\t")],
]
URLS = [
    HOOK,
    HOOK + "?msg=att_1",
    HOOK + "?msg=att_1&x=%20y",
    "https://hooks.example.org:443/webhooks/twilio?msg=1",
]
JSON = '{"a": "é", "b": [1, 2]}'


class Multi(dict):
    """A form as web frameworks hold it: several values of one name."""

    def getlist(self, name):
        return self[name]


def multi(pairs):
    form = Multi()
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def main():
    assert version("twilio") == "9.13.0", version("twilio")
    sign = RequestValidator(TOKEN)
    cases = []
    for algorithm in ("HMAC_SHA1", "HMAC_SHA256"):
        for url in URLS:
            for pairs in FORMS:
                body = urlencode(pairs)
                # What a server reads from the body: empty values count.
                read = multi(parse_qsl(body, keep_blank_values=True))
                signature = sign.compute_signature(url, read, algorithm)
                cases.append({"algorithm": algorithm, "url": url, "body": body, "signature": signature})
            signed = url + ("&" if "?" in url else "?") + "bodySHA256=" + sha256(JSON.encode()).hexdigest()
            signature = sign.compute_signature(signed, {}, algorithm)
            cases.append({"algorithm": algorithm, "url": signed, "json": JSON, "signature": signature})
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump({"token": TOKEN, "by": "twilio 9.13.0 (PyPI)", "cases": cases}, out, indent=1, ensure_ascii=False)
        out.write("\n")


main()

"""A mail server that demands STARTTLS and a login (aiosmtpd), and misbehaves for some addresses.

Usage: mail_server.py PORT CERTIFICATE KEY FOLDER

Each mail it takes lies as NUMBER.eml in FOLDER; a JSON line on standard output tells each recipient and what was said.
busy@ is told 451 at the first RCPT, nobody@ 550; for cut@ the line is cut when the whole mail is there.
"""

import asyncio
import json
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

port, certificate, key, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3], pathlib.Path(sys.argv[4])


def tell(**facts):
    print(json.dumps(facts), flush=True)


class Handler:
    told_busy = False

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        answer = "250 2.1.5 fine"
        if name == "busy" and not self.told_busy:
            self.told_busy, answer = True, "451 4.3.0 come back later"
        elif name == "nobody":
            answer = "550 5.1.1 no such user"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        tell(event="rcpt", to=address, answer=answer)
        return answer

    async def handle_DATA(self, server, session, envelope):
        number = len(list(folder.glob("*.eml"))) + 1
        (folder / f"{number}.eml").write_bytes(envelope.original_content)
        encrypted = session.ssl is not None
        tell(event="mail", file=f"{number}.eml", to=envelope.rcpt_tos[0], sender=envelope.mail_from,
             login=session.auth_data is not None, encrypted=encrypted)
        if envelope.rcpt_tos[0].startswith("cut@"):
            server.transport.abort()
            await asyncio.sleep(0.1)
        return f"250 2.0.0 queued as {number}"


def login(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"carebell", b"outside")
    return AuthResult(success=right, handled=right, auth_data=data.login)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
handler = Handler()
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
server = loop.run_until_complete(loop.create_server(
    lambda: SMTP(handler, tls_context=context, require_starttls=True, authenticator=login, auth_required=True,
                 hostname="localhost", loop=loop),
    "127.0.0.1", port))
loop.run_forever()

//! What an email says: its plain text, whatever charset, encoding and parts it has.

use mail_parser::MessageParser;

/// What an email says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) message_id: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) body: String,
}

/// Reads a message with CRLF or LF line ends.
pub(super) fn read(raw: &[u8]) -> Mail {
    let Some(message) = MessageParser::default().parse(raw) else { return Mail::default() };
    let body = message.body_text(0).unwrap_or_default().replace("\r\n", "\n");
    Mail {
        message_id: message.message_id().map(|id| format!("<{id}>")),
        subject: message.subject().map(ToOwned::to_owned),
        body: body.trim_end_matches('\n').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_in_every_encoding() {
        let cases = [
            ("Subject: a\r\nMessage-ID: <1@x>\r\n\r\nhello\r\n", "a", "hello"),
            // RFC 2047 section 8: the blank between encoded words goes.
            ("Subject: =?ISO-8859-1?Q?a?= =?utf-8?B?w6k=?= z\r\n\r\n", "a\u{e9} z", ""),
            ("Subject: =?utf-8?Q?a_b=3D?=\r\n\r\nx", "a b=", "x"),
            (
                "Subject: long\r\n folded\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                 =E0=A4=A6 soft=\r\n break 1 =3D 1\r\nnext",
                "long folded",
                "\u{926} soft break 1 = 1\nnext",
            ),
            (
                "Subject: m\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nplain\r\n\
                 --b\r\nContent-Type: text/html\r\n\r\n<p>rich</p>\r\n--b--\r\n",
                "m",
                "plain",
            ),
            (
                "Content-transfer-encoding: base64\r\nSubject: b\r\n\r\naGVs\r\nbG8=\r\n",
                "b",
                "hello",
            ),
        ];
        for (raw, subject, body) in cases {
            let mail = read(raw.as_bytes());
            assert_eq!((mail.subject.as_deref(), mail.body.as_str()), (Some(subject), body));
        }
    }
}

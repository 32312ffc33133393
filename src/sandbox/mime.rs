//! Just enough of MIME to tell what a plain-text email says (RFC 5322, RFC 2045, RFC 2047); UTF-8 only, and a
//! multipart message is kept as it came.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// What an email says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) message_id: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) body: String,
}

/// Reads a message with CRLF or LF line ends.
pub(super) fn read(raw: &[u8]) -> Mail {
    let text = String::from_utf8_lossy(raw).replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap_or((text.as_str(), ""));
    let head = head.replace("\n ", " ").replace("\n\t", " ");
    let header = |wanted: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim().to_owned())
    };
    let encoding = header("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
    let body = match encoding.as_str() {
        "base64" => {
            let packed: String = body.split_whitespace().collect();
            BASE64.decode(packed).ok().map(|bytes| lossy(&bytes).replace("\r\n", "\n"))
        }
        "quoted-printable" => Some(lossy(&unquote(body.replace("=\n", "").as_bytes()))),
        _ => None,
    }
    .unwrap_or_else(|| body.to_owned());
    Mail {
        message_id: header("Message-ID"),
        subject: header("Subject").map(|subject| decode_words(&subject)),
        body: body.trim_end_matches('\n').to_owned(),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `=XX` back to its byte; what is not such a pair stays.
fn unquote(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|_| *first == b'=');
        let decoded = pair
            .and_then(|pair| std::str::from_utf8(pair).ok())
            .and_then(|pair| u8::from_str_radix(pair, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    bytes
}

/// `=?utf-8?B?...?=` and `=?utf-8?Q?...?=`; blanks between two such words are no text.
fn decode_words(header: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = header;
    let mut after_word = false;
    while let Some((plain, word)) = rest.split_once("=?") {
        let mut fields = word.splitn(4, '?');
        let (Some(_charset), Some(kind), Some(data), Some(tail)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            break;
        };
        let Some(tail) = tail.strip_prefix('=') else { break };
        if !(after_word && plain.trim().is_empty()) {
            decoded.extend_from_slice(plain.as_bytes());
        }
        if kind.eq_ignore_ascii_case("B") {
            decoded.extend(BASE64.decode(data).unwrap_or_default());
        } else {
            decoded.extend(unquote(data.replace('_', " ").as_bytes()));
        }
        after_word = true;
        rest = tail;
    }
    decoded.extend_from_slice(rest.as_bytes());
    lossy(&decoded)
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

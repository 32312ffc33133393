//! DKIM signatures (RFC 6376; Ed25519 by RFC 8463), relaxed/relaxed.
//!
//! Signed here, and not by lettre: its RSA is that of the crate `rsa`, whose time tells of the key
//! (RUSTSEC-2023-0071, no fix); ring, which does the TLS, signs as well. And lettre leaves the parts' own headers out of
//! what it signs, so that a signature over Content-Type never verifies; none is made here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

/// What is signed where it is there. RFC 8058 section 4 asks for the two List headers.
const SIGNED: [&str; 10] = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Auto-Submitted",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];
/// Fewest bits of an RSA key (RFC 8301 section 3.2).
const LEAST_BITS: usize = 1_024;

/// Signs for one domain.
pub(super) struct Signer {
    domain: String,
    selector: String,
    key: Key,
}

enum Key {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

impl Signer {
    /// A signer with a private key in PEM: PKCS#8 of RSA or Ed25519, or PKCS#1; none when it is no such key.
    pub(super) fn new(domain: &str, selector: &str, pem: &str) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let rsa = match &der {
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
            _ => None,
        };
        let rsa = rsa.filter(|key| key.public().modulus_len() * 8 >= LEAST_BITS);
        let key = match (rsa, &der) {
            (Some(rsa), _) => Key::Rsa(Box::new(rsa)),
            (None, PrivateKeyDer::Pkcs8(der)) => {
                let der = der.secret_pkcs8_der();
                Key::Ed25519(Box::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?))
            }
            (None, _) => return None,
        };
        Some(Self { domain: domain.to_owned(), selector: selector.to_owned(), key })
    }

    /// The mail with its signature before it; none when it cannot be signed.
    pub(super) fn signed(&self, mail: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(mail).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let headers = headers(head);
        let is_there = |name: &&&str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        let mut names: Vec<&str> = SIGNED.iter().filter(is_there).copied().collect();
        // Named once more than it is there: nobody can put another sender before ours.
        names.push("From");
        let algorithm = match self.key {
            Key::Rsa(_) => "rsa-sha256",
            Key::Ed25519(_) => "ed25519-sha256",
        };
        let unsigned = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={};\r\n s={};\r\n h={};\r\n bh={};\r\n b=",
            self.domain,
            self.selector,
            names.join(":\r\n "),
            body_hash(body),
        );
        let signature = self.sign(&signed_data(&headers, &names, &unsigned))?;
        let lines: Vec<&str> = signature
            .as_bytes()
            .chunks(70)
            .filter_map(|line| std::str::from_utf8(line).ok())
            .collect();
        let header = format!("DKIM-Signature: {unsigned}{}\r\n", lines.join("\r\n "));
        Some([header.as_bytes(), mail].concat())
    }

    /// The signature in base64.
    fn sign(&self, data: &[u8]) -> Option<String> {
        let signature = match &self.key {
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                let random = SystemRandom::new();
                key.sign(&RSA_PKCS1_SHA256, &random, data, &mut signature).ok()?;
                signature
            }
            // RFC 8463 section 3: what is signed is the hash.
            Key::Ed25519(key) => key.sign(&Sha256::digest(data)).as_ref().to_vec(),
        };
        Some(BASE64.encode(signature))
    }
}

/// Names and values as they came, folds included.
fn headers(head: &str) -> Vec<(&str, String)> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in head.split("\r\n") {
        match (line.starts_with([' ', '\t']), found.last_mut(), line.split_once(':')) {
            (true, Some((_, value)), _) => {
                value.push_str("\r\n");
                value.push_str(line);
            }
            (_, _, Some((name, value))) => found.push((name, value.to_owned())),
            _ => {}
        }
    }
    found
}

/// What the signature is made over (RFC 6376 section 3.7): the headers named, each time the lowest not taken yet, then
/// the signature's own header without its end of line.
fn signed_data(headers: &[(&str, String)], names: &[&str], unsigned: &str) -> Vec<u8> {
    let mut taken = vec![false; headers.len()];
    let mut data = String::new();
    for name in names {
        let lowest = (0..headers.len())
            .rev()
            .find(|place| !taken[*place] && headers[*place].0.eq_ignore_ascii_case(name));
        if let Some(place) = lowest {
            taken[place] = true;
            data.push_str(&relaxed(name, &headers[place].1));
            data.push_str("\r\n");
        }
    }
    data.push_str(&relaxed("dkim-signature", unsigned));
    data.into_bytes()
}

/// RFC 6376 section 3.4.2.
fn relaxed(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    format!("{}:{}", name.trim().to_ascii_lowercase(), words.join(" "))
}

/// The hash of a body in its relaxed form (RFC 6376 section 3.4.4), in base64.
fn body_hash(body: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in body.split("\r\n") {
        let mut relaxed = String::with_capacity(line.len());
        for c in line.chars() {
            match c {
                ' ' | '\t' if relaxed.ends_with(' ') => {}
                ' ' | '\t' => relaxed.push(' '),
                c => relaxed.push(c),
            }
        }
        relaxed.truncate(relaxed.trim_end_matches(' ').len());
        lines.push(relaxed);
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let mut hash = Sha256::new();
    for line in &lines {
        hash.update(line.as_bytes());
        hash.update(b"\r\n");
    }
    BASE64.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    /// RFC 8463 appendix A: the mail, its signature and the key.
    const MAIL: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
        To: Suzie Q <suzie@shopping.example.net>\r\n\
        Subject: Is dinner ready?\r\n\
        Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
        Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\
        \r\n\
        Hi.\r\n\
        \r\n\
        We lost the game.  Are you hungry yet?\r\n\
        \r\n\
        Joe.\r\n";
    const UNSIGNED: &str = "v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
        d=football.example.com; i=@football.example.com;\r\n \
        q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
        subject : date : message-id : from : subject : date;\r\n \
        bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=";
    const SIGNATURE: &str = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\
        Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
    const PUBLIC: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    /// The same key as PKCS#8: a fixed head (RFC 8410 section 7), then the seed.
    const SEED: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

    fn pem() -> String {
        let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        let der = [&head[..], &BASE64.decode(SEED).unwrap()].concat();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(der))
    }

    fn verifies(data: &[u8], signature: &str) -> bool {
        let public = BASE64.decode(PUBLIC).unwrap();
        let signature = BASE64.decode(signature).unwrap();
        UnparsedPublicKey::new(&ED25519, public).verify(&Sha256::digest(data), &signature).is_ok()
    }

    #[test]
    fn what_is_signed_is_what_the_rfc_signs() {
        let (head, body) = MAIL.split_once("\r\n\r\n").unwrap();
        assert_eq!(body_hash(body), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
        // The RFC names a header once more than it is there, as is done here.
        let names = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"];
        let data = signed_data(&headers(head), &names, UNSIGNED);
        assert!(verifies(&data, SIGNATURE));
        assert!(!verifies(&signed_data(&headers(head), &names[1..], UNSIGNED), SIGNATURE));
    }

    #[test]
    fn a_signed_mail_verifies_and_a_changed_one_does_not() {
        let signer = Signer::new("football.example.com", "brisbane", &pem()).unwrap();
        let mail = MAIL.replace("\r\n\r\nHi", "\r\nContent-Type: text/plain\r\n\r\nHi");
        let signed = String::from_utf8(signer.signed(mail.as_bytes()).unwrap()).unwrap();
        let (head, body) = signed.split_once("\r\n\r\n").unwrap();
        let all = headers(head);
        let (unsigned, signature) = all[0].1.rsplit_once(" b=").unwrap();
        let names: Vec<&str> = unsigned
            .split("h=")
            .nth(1)
            .unwrap()
            .split(';')
            .next()
            .unwrap()
            .split(':')
            .map(str::trim)
            .collect();
        assert!(!names.contains(&"Content-Type") && names.contains(&"Message-ID"));
        let tag = format!("{unsigned} b=");
        let signature: String = signature.split_whitespace().collect();
        assert!(verifies(&signed_data(&all[1..], &names, &tag), &signature));
        assert!(tag.contains(&format!("bh={};", body_hash(body))));
        let mut changed = all[1..].to_vec();
        changed[2].1.push('!');
        assert!(!verifies(&signed_data(&changed, &names, &tag), &signature));
        changed = all[1..].to_vec();
        changed.insert(0, ("From", " Mallory <m@example.com>".to_owned()));
        assert!(!verifies(&signed_data(&changed, &names, &tag), &signature));
    }

    #[test]
    fn an_rsa_signature_verifies() {
        let pem = include_str!("../../../tests/data/dkim/rsa.pem");
        let signer = Signer::new("x.org", "s", pem).unwrap();
        let Key::Rsa(key) = &signer.key else { panic!("not RSA") };
        let signature = BASE64.decode(signer.sign(b"what is signed").unwrap()).unwrap();
        let public: &[u8] = key.public().as_ref();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        assert!(public.verify(b"what is signed", &signature).is_ok());
        assert!(public.verify(b"what was signed", &signature).is_err());
    }

    #[test]
    fn a_body_has_one_hash_however_its_blanks_stand() {
        // RFC 6376 section 3.4.5 and 3.4.4: the hash of an empty body.
        assert_eq!(body_hash(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        assert_eq!(body_hash("\r\n\r\n"), body_hash(""));
        assert_eq!(body_hash(" C \r\nD \t E\r\n\r\n\r\n"), body_hash(" C\r\nD E"));
        assert_ne!(body_hash("C"), body_hash(" C"));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for pem in ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert!(Signer::new("d", "s", pem).is_none());
        }
    }
}

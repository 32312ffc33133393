//! Mail that comes in by webhook: who may post it, where it lies, what it reports.

use super::{INLET_SECRET, TIMEOUT_MS, attempt, channels, tokens};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use carebell::care::ReceiptStatus;
use carebell::channel::{Callback, Channel, Event, Reject, Verified};
use carebell::security::Purpose;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

fn email() -> Arc<dyn Channel> {
    let all = channels("http://127.0.0.1:1", "smtp://127.0.0.1:1", TIMEOUT_MS);
    Arc::clone(all.by_name("email").unwrap())
}

fn posted(kind: &str, body: &[u8]) -> Callback {
    Callback {
        method: "POST".to_owned(),
        path_and_query: "/webhooks/email".to_owned(),
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.to_vec(),
    }
}

fn raw(mail: &[u8]) -> Callback {
    posted("message/rfc822", mail)
}

fn dsn(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/dsn").join(file);
    std::fs::read(path).unwrap()
}

#[test]
fn every_report_reads_as_the_index_says() {
    let index: Value = serde_json::from_slice(&dsn("index.json")).unwrap();
    let files = index["files"].as_array().unwrap();
    assert_eq!(files.len(), 18);
    let email = email();
    for file in files {
        let name = file["file"].as_str().unwrap();
        let events = email.events(&raw(&dsn(name))).unwrap();
        let told: Vec<Value> = events.iter().map(Event::told).collect();
        let expected: Vec<Value> = file["recipients"]
            .as_array()
            .unwrap()
            .iter()
            .map(|recipient| {
                let mut told = recipient.clone();
                told["kind"] = json!("bounce");
                for key in ["report_type", "original_message_id"] {
                    if !file[key].is_null() {
                        told[key] = file[key].clone();
                    }
                }
                told
            })
            .collect();
        assert_eq!(told, expected, "{name}");
        let ours = events.iter().any(|event| match event {
            Event::Receipt(receipt) => {
                receipt.correlation.is_some() || receipt.provider_id.is_some()
            }
            _ => false,
        });
        assert!(!ours, "{name}: evidence of nothing without our token");
    }
}

/// A bounce as Postfix writes it, to an address of ours.
fn bounce(to: &str, fields: &str) -> String {
    format!(
        "Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net\r\nTo: {to}\r\nAuto-Submitted: auto-replied\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net\r\n\r\n\
         Final-Recipient: rfc822; patient@example.net\r\n{fields}\r\n\r\n--b--\r\n"
    )
}

#[test]
fn our_token_is_found_however_it_comes() {
    let id = attempt(5);
    let token = tokens().sign(Purpose::Bounce, id.0);
    let address = format!("bounces+{token}@example.org");
    let fields = "Action: failed\r\nStatus: 5.1.1";
    let elsewhere = bounce("clinic@example.org", fields);
    let forwarded = format!("X-Original-To: {address}\r\n{elsewhere}");
    let in_form = |mail: &str| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("recipient", &address).append_pair("email", mail);
        posted("application/x-www-form-urlencoded", form.finish().as_bytes())
    };
    let packed = BASE64_STANDARD.encode(&elsewhere);
    let in_json = |mail: &str| {
        let value = json!({"envelope": {"to": [address]}, "email": mail});
        posted("application/json; charset=utf-8", value.to_string().as_bytes())
    };
    let parts = format!(
        "--x\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\n{address}\r\n\
         --x\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n{elsewhere}\r\n--x--\r\n"
    );
    for (callback, how) in [
        (raw(bounce(&address, fields).as_bytes()), "to"),
        (raw(bounce(&address.to_uppercase(), fields).as_bytes()), "capitals"),
        (raw(bounce(&format!("Carebell <{address}>"), fields).as_bytes()), "name"),
        (raw(forwarded.as_bytes()), "x-original-to"),
        (in_form(&elsewhere), "form"),
        (in_json(&elsewhere), "json"),
        (in_json(&packed), "json, base64"),
        (posted("multipart/form-data; boundary=x", parts.as_bytes()), "parts"),
    ] {
        let events = email().events(&callback).unwrap();
        let [Event::Receipt(receipt)] = &events[..] else { panic!("{how}: {events:?}") };
        assert_eq!(receipt.correlation, Some(id), "{how}");
        assert_eq!(receipt.status, Some(ReceiptStatus::Failed), "{how}");
    }
    let reply = tokens().sign(Purpose::Reply, id.0);
    for wrong in [&reply[..], &token[1..], ""] {
        let mail = bounce(&format!("bounces+{wrong}@example.org"), fields);
        let events = email().events(&raw(mail.as_bytes())).unwrap();
        let [Event::Receipt(receipt)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(receipt.correlation, None, "{wrong}");
    }
}

#[test]
fn an_answer_knows_what_it_answers() {
    let id = attempt(6);
    let to = |purpose| format!("replies+{}@example.org", tokens().sign(purpose, id.0));
    let read = |to: &str| {
        let mail = format!(
            "From: a@example.net\r\nTo: {to}\r\nIn-Reply-To: <msg_1@example.org>\r\n\r\nYes\r\n"
        );
        match email().events(&raw(mail.as_bytes())).unwrap().remove(0) {
            Event::Reply(reply) => reply.context,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(read(&to(Purpose::Reply)), Some(id.to_string()));
    assert_eq!(read(&to(Purpose::Bounce)), Some("msg_1@example.org".to_owned()));
}

#[test]
fn a_bounce_without_a_report_changes_nothing() {
    let mail = b"Return-Path: <>\r\nFrom: MAILER-DAEMON@x.org\r\nSubject: Undelivered\r\n\r\nNo such user: a@b.org\r\n";
    let events = email().events(&raw(mail)).unwrap();
    assert!(matches!(&events[..], [Event::Ignored { .. }]), "{events:?}");
}

#[test]
fn who_knows_no_secret_posts_nothing() {
    let mail = b"From: a@example.net\r\n\r\nSTOP\r\n";
    let with = |name: &str, value: String| {
        let mut callback = raw(mail);
        callback.headers.push((name.to_owned(), value));
        email().verify(&callback)
    };
    let by_path = |secret: &str| {
        let mut callback = raw(mail);
        callback.path_and_query = format!("/webhooks/email/{secret}?x=1");
        email().verify(&callback)
    };
    let basic =
        |pair: &str| with("authorization", format!("Basic {}", BASE64_STANDARD.encode(pair)));
    let Ok(Verified::Event { dedupe_key }) = by_path(INLET_SECRET) else { panic!() };
    for open in [
        by_path("next-inlet"),
        basic(&format!("anybody:{INLET_SECRET}")),
        with("authorization", format!("bearer {INLET_SECRET}")),
        with("x-webhook-secret", INLET_SECRET.to_owned()),
    ] {
        assert_eq!(open, Ok(Verified::Event { dedupe_key: dedupe_key.clone() }));
    }
    for shut in [by_path("wrong"), basic("a:b"), with("x-webhook-secret", "inlet-secre".to_owned())]
    {
        assert_eq!(shut, Err(Reject::BadSignature));
    }
    assert_eq!(email().verify(&raw(mail)), Err(Reject::Unsigned));
    assert_eq!(by_path(""), Err(Reject::Unsigned));
    let mut got = raw(mail);
    got.method = "GET".to_owned();
    assert_eq!(email().verify(&got), Err(Reject::Unexpected));
    // The same mail in another wrapping is the same.
    let form = |mail: &[u8]| {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("email", std::str::from_utf8(mail).unwrap());
        posted("application/x-www-form-urlencoded", form.finish().as_bytes())
    };
    let mut again = form(mail);
    again.headers.push(("x-webhook-secret".to_owned(), INLET_SECRET.to_owned()));
    assert_eq!(email().verify(&again), Ok(Verified::Event { dedupe_key }));
}

#[test]
fn what_is_no_mail_is_said_to_be_none() {
    for (kind, body) in [
        ("application/json", "{\"other\":\"x\"}"),
        ("application/json", "[1"),
        ("application/x-www-form-urlencoded", "a=b"),
        ("multipart/form-data; boundary=x", "--x\r\n\r\na\r\n--x--"),
        ("multipart/form-data", ""),
        ("message/rfc822", ""),
    ] {
        let fault = email().events(&posted(kind, body.as_bytes())).unwrap_err();
        assert!(!fault.kind.is_empty(), "{kind} {body}");
    }
}

//! Receipts of every channel that has any, through the whole house: twice, late, out of order, before our own commit,
//! corrected, forged, under an old secret, and when nothing can be written (P8; `reference/channels.md` section 8).
//! That a receipt contradicts a resend is the same on all channels: `delivery/silence.rs`, `delivery/fallback.rs`.

use super::gateway::configured;
use super::stub::{self, FRIENDLY, Stub};
use super::{INLET_SECRET, META_SECRET, TWILIO_TOKEN, email, twilio, twilio_signature, whatsapp};
use crate::house::{House, On, at, medicine, person};
use carebell::care::ChannelKind;
use carebell::care::ids::PatientId;
use carebell::config::{ChannelsConfig, KindConfig};
use carebell::security::Purpose;
use carebell::store::attempts::AttemptRow;
use carebell::store::{attempts, messages, receipts};
use hmac::{Hmac, Mac};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A channel as its provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Voice {
    Whatsapp,
    Twilio,
    Email,
    Preset(&'static str),
}

const VOICES: [Voice; 8] = [
    Voice::Whatsapp,
    Voice::Twilio,
    Voice::Email,
    Voice::Preset("africastalking"),
    Voice::Preset("vonage"),
    Voice::Preset("infobip"),
    Voice::Preset("kannel"),
    Voice::Preset("gupshup"),
];

/// What is said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Say {
    Sent,
    Delivered,
    Failed,
}
use Say::{Delivered, Failed, Sent};

/// By which of two secrets, or by none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Secret,
    OldSecret,
    Nobody,
}

/// Of what: a message with what it was asked with, or one that nobody knows yet.
#[derive(Clone, Copy)]
enum Of<'a> {
    Attempt(&'a AttemptRow),
    Id(&'a str),
}

const NUMBER: &str = "+351912345001";
const ADDRESS: &str = "amina@example.net";

impl Voice {
    fn kind(self) -> ChannelKind {
        match self {
            Self::Whatsapp => ChannelKind::Whatsapp,
            Self::Email => ChannelKind::Email,
            Self::Twilio | Self::Preset(_) => ChannelKind::Sms,
        }
    }

    /// Whether its receipts name a message by an id that we did not give it.
    fn has_ids(self) -> bool {
        !matches!(self, Self::Email | Self::Preset("kannel"))
    }

    fn answer(self, id: &str) -> (&'static str, String) {
        match self {
            Self::Email => unreachable!(),
            Self::Whatsapp => ("200 OK", format!(r#"{{"messages":[{{"id":"{id}"}}]}}"#)),
            Self::Twilio => ("201 Created", format!(r#"{{"sid":"{id}","status":"queued"}}"#)),
            Self::Preset("africastalking") => (
                "201 Created",
                format!(
                    r#"{{"SMSMessageData":{{"Message":"Sent","Recipients":[{{"statusCode":101,"status":"Success","number":"{NUMBER}","messageId":"{id}"}}]}}}}"#
                ),
            ),
            Self::Preset("vonage") => {
                ("200 OK", format!(r#"{{"messages":[{{"status":"0","message-id":"{id}"}}]}}"#))
            }
            Self::Preset("infobip") => (
                "200 OK",
                format!(
                    r#"{{"messages":[{{"messageId":"{id}","status":{{"groupName":"PENDING","name":"PENDING_ACCEPTED"}}}}]}}"#
                ),
            ),
            Self::Preset("kannel") => ("202 Accepted", "0: Accepted for delivery".to_owned()),
            Self::Preset(_) => ("200 OK", format!("success | 351912345001 | {id}")),
        }
    }

    async fn stub(self) -> Stub {
        if self == Self::Email {
            return stub::smtp(FRIENDLY).await;
        }
        let asked = AtomicUsize::new(0);
        stub::answering(move |_| {
            let (status, body) = self.answer(&id(asked.fetch_add(1, Ordering::SeqCst)));
            (status, &*body.leak())
        })
        .await
    }

    fn channels(self, stub: &Stub) -> ChannelsConfig {
        let all = ChannelsConfig::default();
        match self {
            Self::Whatsapp => all.with("it", KindConfig::Whatsapp(whatsapp(&stub.url()))),
            Self::Twilio => {
                let mut config = twilio(&stub.url());
                config.segments_per_second = 1_000.0;
                all.with("it", KindConfig::Twilio(config))
            }
            Self::Email => {
                let mut config = email(&format!("smtp://{}", stub.address));
                config.messages_per_second = 1_000.0;
                all.with("it", KindConfig::Email(config))
            }
            Self::Preset(name) => {
                let secrets = "api_key = \"k\", api_secret = \"s\", password = \"p\"";
                configured(&format!(
                    "[channels.it]\nkind = \"http\"\npreset = \"{name}\"\nbase_url = \"{}\"\nfrom = \"CLINIC\"\n\
                     username = \"u\"\nsegments_per_second = 1000\n\
                     secrets = {{ {secrets}, webhook = \"hook\", old = \"hook-before\" }}\n\
                     callbacks.path_secrets = [\"webhook\", \"old\"]\n",
                    stub.url()
                ))
                .channels
            }
        }
    }

    /// The callback; `None`: it cannot say so.
    fn callback(self, house: &House, say: Say, of: Of<'_>, by: By) -> Option<reqwest::Request> {
        let client = client();
        let base = format!("{}/webhooks/it", house.url);
        let (id, ours) = match of {
            Of::Attempt(row) => (row.provider_id.clone().unwrap_or_default(), row.id.to_string()),
            Of::Id(id) => (id.to_owned(), String::new()),
        };
        let query = |url: String| match of {
            Of::Attempt(_) => format!("{url}?msg={ours}&"),
            Of::Id(_) => format!("{url}?"),
        };
        let path_secret = match by {
            By::Secret => "hook",
            By::OldSecret => "hook-before",
            By::Nobody => "hook-2",
        };
        let words = |sent: &'static str, delivered: &'static str, failed: &'static str| match say {
            Sent => sent,
            Delivered => delivered,
            Failed => failed,
        };
        let request = match self {
            Self::Whatsapp => {
                let status = words("sent", "delivered", "failed");
                let errors = words("", "", r#","errors":[{"code":131000,"title":"x"}]"#);
                let body = format!(
                    r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"phone_number_id":"106540352242922"}},"statuses":[{{"id":"{id}","status":"{status}","timestamp":"1795430000","recipient_id":"351912345001"{errors}}}]}}}}]}}]}}"#
                );
                let secret = match by {
                    By::Secret => "next-secret",
                    By::OldSecret => META_SECRET,
                    By::Nobody => "guess",
                };
                let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
                mac.update(body.as_bytes());
                let signature = carebell::security::hex(&mac.finalize().into_bytes());
                let request = client.post(base).header("content-type", "application/json");
                request.header("x-hub-signature-256", format!("sha256={signature}")).body(body)
            }
            Self::Twilio => {
                let url = query(base).trim_end_matches(['?', '&']).to_owned();
                let status = words("sent", "delivered", "failed&ErrorCode=30007");
                let form = format!("MessageSid={id}&MessageStatus={status}&To=%2B351912345001");
                let token = match by {
                    By::Secret => "current-token",
                    By::OldSecret => TWILIO_TOKEN,
                    By::Nobody => "guess",
                };
                let signature = twilio_signature(&url, &form, token);
                let request = client.post(url).header("x-twilio-signature", signature);
                request.header("content-type", "application/x-www-form-urlencoded").body(form)
            }
            Self::Email => {
                let Of::Attempt(row) = of else { return None };
                let token = house.app.store.keys().tokens().sign(Purpose::Bounce, row.id.0);
                let fields = match say {
                    Sent => return None,
                    Delivered => "Action: delivered\r\nStatus: 2.0.0",
                    Failed => "Action: failed\r\nStatus: 4.2.2",
                };
                let mail = format!(
                    "From: MAILER-DAEMON@example.net\r\nTo: bounces+{token}@example.org\r\n\
                     Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
                     Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n\
                     Final-Recipient: rfc822; {ADDRESS}\r\n{fields}\r\n\r\n--b--\r\n"
                );
                let secret = match by {
                    By::Secret => "next-inlet",
                    By::OldSecret => INLET_SECRET,
                    By::Nobody => "guess",
                };
                let request = client.post(format!("{base}/{secret}"));
                request.header("content-type", "message/rfc822").body(mail)
            }
            Self::Preset(name) => {
                let url = format!("{base}/{path_secret}/status");
                let form = |body: String| {
                    let request = client.post(&url);
                    request.header("content-type", "application/x-www-form-urlencoded").body(body)
                };
                match name {
                    "africastalking" => form(format!(
                        "id={id}&phoneNumber=%2B351912345001&status={}",
                        words("Sent", "Success", "Failed&failureReason=DeliveryFailure")
                    )),
                    "vonage" => client.get(format!(
                        "{}messageId={id}&msisdn=351912345001&status={}",
                        query(url.clone()),
                        words("accepted&err-code=0", "delivered&err-code=0", "failed&err-code=8")
                    )),
                    "infobip" => {
                        let (group, word) = match say {
                            Sent => ("DELIVERED", "DELIVERED_TO_OPERATOR"),
                            Delivered => ("DELIVERED", "DELIVERED_TO_HANDSET"),
                            Failed => ("UNDELIVERABLE", "UNDELIVERABLE_NOT_DELIVERED"),
                        };
                        let body = format!(
                            r#"{{"results":[{{"messageId":"{id}","to":"351912345001","status":{{"groupName":"{group}","name":"{word}"}},"error":{{"name":"EC_ABSENT_SUBSCRIBER"}}}}]}}"#
                        );
                        let request = client.post(query(url.clone()).trim_end_matches(['?', '&']));
                        request.header("content-type", "application/json").body(body)
                    }
                    "kannel" => {
                        let Of::Attempt(_) = of else { return None };
                        let status = words("8", "1", "2");
                        client.get(format!("{}status={status}&answer=&fid=", query(url.clone())))
                    }
                    _ => {
                        if say == Sent {
                            return None;
                        }
                        let status = words("", "SUCCESS&errCode=000", "FAILURE&errCode=005");
                        client.get(format!(
                            "{url}?externalId={id}&deliveredTS=1795430000000&phoneNo=351912345001&status={status}"
                        ))
                    }
                }
            }
        };
        Some(request.build().unwrap())
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// The id that the provider gives its message `n`.
fn id(n: usize) -> String {
    format!("100{n}-7")
}

/// The attempt for the dose of an hour.
async fn attempt(house: &House, patient: PatientId, hour: i64) -> AttemptRow {
    let mut tx = house.app.store.read().await.unwrap();
    let message = messages::at_minutes(&mut tx, &[patient], at(hour, 0)).await.unwrap()[0].id;
    attempts::of_messages(&mut tx, &[message]).await.unwrap().remove(0)
}

async fn told(house: &House, request: reqwest::Request) -> u16 {
    let status = client().execute(request).await.unwrap().status().as_u16();
    house.settle().await;
    status
}

/// What is said of a message, in order, and what its attempt is then.
const ROWS: [(&[Say], &str); 6] = [
    (&[Sent], "sent"),
    (&[Delivered, Delivered], "delivered"),
    (&[Delivered, Sent], "delivered"),
    (&[Delivered, Failed], "delivered"),
    (&[Failed, Delivered], "delivered"),
    (&[Failed, Failed], "failed"),
];

async fn every_row(on: On, voice: Voice) {
    let stub = voice.stub().await;
    let house = House::with_channels(on, 20_000, |channels| *channels = voice.channels(&stub));
    let Some(house) = house.await else { return };
    let to = if voice == Voice::Email { ADDRESS } else { NUMBER };
    let patient = house.patient(person("p", "Europe/Lisbon", &[(voice.kind(), to)])).await;
    let hours = ["01:00", "02:00", "03:00", "04:00", "05:00", "06:00", "07:00", "08:00"];
    house.activity(patient, medicine("a", &hours)).await;
    for (row, hour) in ROWS.iter().zip(1..) {
        house.play_until(at(hour, 0)).await;
        let mut said = false;
        for say in row.0 {
            let sent = attempt(&house, patient, hour).await;
            let Some(request) = voice.callback(&house, *say, Of::Attempt(&sent), By::Secret) else {
                continue;
            };
            assert_eq!(told(&house, request).await, 200, "{voice:?} {row:?}");
            said = true;
        }
        let state = attempt(&house, patient, hour).await.state.word();
        // Two of them have no word for what is only sent.
        assert_eq!(state, if said { row.1 } else { "accepted" }, "{voice:?} {row:?}");
    }
    if voice.has_ids() {
        // Of a message that nobody has heard of yet: it waits, and the answer to its send finds it.
        let early = voice.callback(&house, Delivered, Of::Id(&id(6)), By::Secret).unwrap();
        assert_eq!(told(&house, early).await, 200, "{voice:?}");
        let mut tx = house.app.store.read().await.unwrap();
        assert_eq!(receipts::count_parked(&mut tx).await.unwrap(), 1, "{voice:?}");
        drop(tx);
        house.play_until(at(7, 0)).await;
        assert_eq!(attempt(&house, patient, 7).await.state.word(), "delivered", "{voice:?}");
    }
    house.play_until(at(8, 0)).await;
    let last = attempt(&house, patient, 8).await;
    let forged = voice.callback(&house, Failed, Of::Attempt(&last), By::Nobody).unwrap();
    let refused = told(&house, forged).await;
    assert!((400..500).contains(&refused), "{voice:?} {refused}");
    assert_eq!(attempt(&house, patient, 8).await.state.word(), "accepted", "{voice:?}");
    // A week later, by the secret of before.
    house.clock.set(at(7 * 24 + 8, 30));
    let late = voice.callback(&house, Delivered, Of::Attempt(&last), By::OldSecret).unwrap();
    assert_eq!(client().execute(late).await.unwrap().status(), 200, "{voice:?}");
    house.settle().await;
    assert_eq!(attempt(&house, patient, 8).await.state.word(), "delivered", "{voice:?}");
    let again = voice.callback(&house, Failed, Of::Attempt(&last), By::Secret).unwrap();
    house.app.store.close().await;
    let unheard = client().execute(again).await.unwrap().status().as_u16();
    assert_eq!(unheard, 503, "{voice:?}: whoever cannot write asks to be told again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_every_channels_receipts_end_alike_on_sqlite() {
    for voice in VOICES {
        every_row(On::Sqlite, voice).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_p11_every_channels_receipts_end_alike_on_postgres() {
    for voice in VOICES {
        every_row(On::Postgres, voice).await;
    }
}

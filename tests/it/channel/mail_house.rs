//! Mail in a whole house: what goes out, who leaves, what comes back.

use crate::house::{House, On, at, doing, medicine, on_both, person, planned};
use carebell::care::contact::ConsentDecision;
use carebell::care::ids::{ActivityId, PatientId};
use carebell::care::{
    Activity, ActivityKind, ActivityStatus, ChannelKind, ContactHealth, Patient, Schedule, UtcMs,
};
use carebell::channel::{Content, Invite, InviteAct, Outbound};
use carebell::cli::stage;
use carebell::clock::Clock as _;
use carebell::security::{Place, Purpose};
use carebell::store::{attempts, patients};

const ADDRESS: &str = "amina@example.net";

fn reader(key: &str) -> Patient {
    person(key, "UTC", &[(ChannelKind::Email, ADDRESS)])
}

/// A house with a patient who has had the dose of 08:00 by mail; 20:00 is to come.
async fn told(house: &House, patient: Patient) -> PatientId {
    let id = house.patient(patient).await;
    house.activity(id, medicine("a", &["08:00", "20:00"])).await;
    house.play_until(at(8, 5)).await;
    assert_eq!(house.accepted(ADDRESS), [480]);
    id
}

/// The link at the end of the last mail.
fn link(house: &House) -> String {
    let entries = house.sandbox.ledger().entries();
    let mut mails = entries.iter().filter(|entry| entry.message.to == ADDRESS);
    let body = mails.next_back().unwrap().message.body.clone().unwrap();
    let (_, url) = body.rsplit_once(": ").unwrap();
    url.trim().to_owned()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

on_both!(p6_one_click_stops_what_is_queued, async |house: House| {
    let patient = told(&house, reader("a")).await;
    let url = link(&house);
    assert!(url.starts_with("http://127.0.0.1:") && url.contains("/u/"), "{url}");
    let asked = client().get(&url).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    let page = asked.text().await.unwrap();
    assert!(page.contains("lang=\"en\"") && page.contains("<form method=\"post\">"), "{page}");
    house.settle().await;
    assert!(house.story_of(patient).await.iter().all(|(_, reason)| reason != "ConsentRefused"));
    let mut request = client().post(&url);
    request = request.form(&[("List-Unsubscribe", "One-Click")]);
    let left = request.send().await.unwrap();
    assert_eq!(left.status(), 200, "at once, and no redirect");
    assert!(!left.text().await.unwrap().contains("<form"));
    // The mail program of the patient asks once more.
    assert_eq!(client().post(&url).send().await.unwrap().status(), 200);
    let mut tx = house.app.store.read().await.unwrap();
    let replies = carebell::store::replies::count(&mut tx).await.unwrap();
    drop(tx);
    assert_eq!(replies, [("unsubscribe".to_owned(), 1)]);
    house.play_until(at(20, 5)).await;
    assert_eq!(house.accepted(ADDRESS), [480], "and no confirmation by mail");
    let story = house.story_of(patient).await;
    assert_eq!(story.last().unwrap().0, "blocked", "{story:?}");
});

// By the link, or by the mail that a reader's program sends: the phone goes on, until a STOP ends everything.
on_both!(p6_who_leaves_the_mails_is_still_written_to_by_phone, async |house: House| {
    const PHONE: &str = "+351912345001";
    let both = |key| {
        let contacts = [(ChannelKind::Email, ADDRESS), (ChannelKind::Sms, PHONE)];
        person(key, "UTC", &contacts)
    };
    let patient = told(&house, both("a")).await;
    assert_eq!(client().post(link(&house)).send().await.unwrap().status(), 200);
    house.play_until(at(20, 5)).await;
    assert_eq!((house.accepted(ADDRESS), house.accepted(PHONE)), (vec![480], vec![1_200]));
    assert_eq!(health(&house, patient).await, ContactHealth::OptedOut);
    assert_eq!(refusals(&house, patient).await, [Some(ChannelKind::Email)]);
    let stop = format!("From: <{ADDRESS}>\r\nMessage-ID: <1@a>\r\nSubject: STOP\r\n\r\n\r\n");
    assert_eq!(post(&house, &stop, stage::INLET_SECRET).await, 200);
    house.play_until(at(44, 5)).await;
    assert_eq!(house.accepted(PHONE), [1_200]);
    assert_eq!(refusals(&house, patient).await, [Some(ChannelKind::Email), None]);
});

on_both!(p6_the_mail_of_the_header_leaves_the_mails, async |house: House| {
    let patient = told(&house, reader("a")).await;
    let mail =
        format!("From: <{ADDRESS}>\r\nMessage-ID: <1@a>\r\nSubject: unsubscribe\r\n\r\n\r\n");
    for _ in 0..2 {
        assert_eq!(post(&house, &mail, stage::INLET_SECRET).await, 200);
    }
    house.play_until(at(20, 5)).await;
    assert_eq!(house.accepted(ADDRESS), [480], "nor is it confirmed by one more mail");
    assert_eq!(health(&house, patient).await, ContactHealth::OptedOut);
    assert_eq!(refusals(&house, patient).await, [Some(ChannelKind::Email)]);
});

/// The channels of a patient's refusals, in their order.
async fn refusals(house: &House, patient: PatientId) -> Vec<Option<ChannelKind>> {
    let mut tx = house.app.store.read().await.unwrap();
    let all = patients::consents(&mut tx, &[patient]).await.unwrap();
    let refused = all.into_iter().filter(|c| c.decision == ConsentDecision::Refused);
    refused.map(|c| c.channel).collect()
}

on_both!(p6_a_token_ends_its_own_programme_only, async |house: House| {
    let patient = told(&house, reader("a")).await;
    let url = link(&house);
    let (base, _) = url.rsplit_once('/').unwrap();
    let tokens = house.app.store.keys().tokens().clone();
    let of = |purpose| format!("{base}/{}", tokens.sign(purpose, patient.0));
    for wrong in [format!("{base}/aaaa"), of(Purpose::Reply), of(Purpose::Bounce)] {
        assert_eq!(client().post(&wrong).send().await.unwrap().status(), 404);
        assert_eq!(client().get(&wrong).send().await.unwrap().status(), 404);
    }
    let rowan = of(Purpose::Unsubscribe { programme: "rowan" });
    assert_eq!(client().post(&rowan).send().await.unwrap().status(), 200);
    assert_eq!(house.tasks().await.get("reply"), Some(&1), "a person asks what was meant");
    house.play_until(at(20, 5)).await;
    assert_eq!(house.accepted(ADDRESS), [480, 1_200]);
});

on_both!(the_page_speaks_the_patients_language, async |house: House| {
    told(&house, Patient { language: "ar".to_owned(), ..reader("a") }).await;
    let page = client().get(link(&house)).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("dir=\"rtl\"") && page.contains("إيقاف هذه الرسائل"), "{page}");
    assert!(!page.contains("canary"));
});

on_both!(p10_a_mail_holds_nothing_of_what_it_announces, async |house: House| {
    house.clock.set(planned());
    told(&house, reader("a")).await;
    let entries = house.sandbox.ledger().entries();
    let mail = &entries.last().unwrap().message;
    assert!(!format!("{mail:?}").contains("canary"), "{mail:?}");
});

/// Posts a mail to the webhook, as a service that takes in mail does; returns the answer's status.
async fn post(house: &House, mail: &str, secret: &str) -> u16 {
    let url = link(house);
    let (base, _) = url.split_once("/u/").unwrap();
    let request = client().post(format!("{base}/webhooks/email/{secret}"));
    let request = request.header("content-type", "message/rfc822").body(mail.to_owned());
    request.send().await.unwrap().status().as_u16()
}

/// A delivery report to where the last mail came from.
fn report(house: &House, fields: &str) -> String {
    let entries = house.sandbox.ledger().entries();
    let to = entries.last().unwrap().message.from.clone();
    assert!(to.starts_with("bounces+"), "{to}");
    format!(
        "From: MAILER-DAEMON@example.net\r\nTo: {to}\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n\
         Final-Recipient: rfc822; {ADDRESS}\r\n{fields}\r\n\r\n--b--\r\n"
    )
}

async fn health(house: &House, patient: PatientId) -> ContactHealth {
    let keys = house.app.store.keys();
    let mut tx = house.app.store.read().await.unwrap();
    let rows = patients::load(&mut tx, keys, &[patient]).await.unwrap();
    let contacts = patients::contacts(&mut tx, &rows).await.unwrap();
    contacts.iter().find(|c| c.channel == ChannelKind::Email).unwrap().health
}

on_both!(p8_a_bounce_loses_the_message_and_only_a_bad_address_is_bad, async |house: House| {
    let patient = told(&house, reader("a")).await;
    let secret = stage::INLET_SECRET;
    let delayed = report(&house, "Action: delayed\r\nStatus: 4.4.1");
    assert_eq!(post(&house, &delayed, secret).await, 200);
    house.settle().await;
    assert_eq!(house.story_of(patient).await[0].0, "sent");
    // Anybody can write a report; only our token makes it one of ours.
    let forged = report(&house, "Action: failed\r\nStatus: 5.1.1").replace("bounces+", "bounces+a");
    assert_eq!(post(&house, &forged, secret).await, 200);
    let lost = report(&house, "Action: failed\r\nStatus: 5.1.1");
    assert_eq!(post(&house, &lost, "another").await, 403);
    house.settle().await;
    assert_eq!(house.story_of(patient).await[0].0, "sent");
    assert_eq!(health(&house, patient).await, ContactHealth::Ok);
    let soft = report(&house, "Action: failed\r\nStatus: 4.2.2");
    assert_eq!(post(&house, &soft, secret).await, 200);
    house.settle().await;
    assert_eq!(house.story_of(patient).await[0].0, "failed", "this message is lost");
    assert_ne!(health(&house, patient).await, ContactHealth::Bad, "the address is fine");
    house.play_until(at(20, 5)).await;
    assert_eq!(house.accepted(ADDRESS), [480, 1_200]);
    let lost = report(&house, "Action: failed\r\nStatus: 5.1.1");
    for _ in 0..2 {
        assert_eq!(post(&house, &lost, secret).await, 200);
    }
    house.settle().await;
    assert_eq!(health(&house, patient).await, ContactHealth::Bad);
});

on_both!(p6_a_stop_by_mail_is_heard_and_a_machines_is_not, async |house: House| {
    let patient = told(&house, reader("a")).await;
    let secret = stage::INLET_SECRET;
    let mail =
        |head: &str, text: &str| format!("From: Amina <{ADDRESS}>\r\n{head}\r\n\r\n{text}\r\n");
    let quoted = "I am well\r\n\r\nOn Mon, Nov 23, 2026 Clinic wrote:\r\n> reply STOP";
    for (head, text) in [
        ("Auto-Submitted: auto-replied\r\nMessage-ID: <1@a>", "STOP"),
        ("Message-ID: <2@a>", quoted),
    ] {
        assert_eq!(post(&house, &mail(head, text), secret).await, 200);
    }
    house.settle().await;
    assert_eq!(house.tasks().await.get("reply"), Some(&1));
    assert_eq!(health(&house, patient).await, ContactHealth::Ok);
    let stop = mail("Message-ID: <3@a>\r\nSubject: STOP", "");
    for _ in 0..2 {
        assert_eq!(post(&house, &stop, secret).await, 200);
    }
    house.settle().await;
    assert_eq!(health(&house, patient).await, ContactHealth::OptedOut);
    house.play_until(at(20, 5)).await;
    let confirmed = house.accepted(ADDRESS);
    assert_eq!(confirmed.len(), 2, "one confirmation, and no more reminders: {confirmed:?}");
});

/// The calendar's entry in the last mail, as it was handed to the channel.
async fn invite(house: &House, patient: PatientId) -> Invite {
    let entries = house.sandbox.ledger().entries();
    invite_in(house, patient, entries.last().unwrap().message.correlation.clone().unwrap()).await
}

/// What all mails did to a calendar: act, number and start.
async fn calendar(house: &House, patient: PatientId) -> Vec<(InviteAct, i64, UtcMs)> {
    let mut told = Vec::new();
    for entry in house.sandbox.ledger().entries() {
        let id = entry.message.correlation.clone().unwrap();
        let invite = invite_in(house, patient, id).await;
        told.push((invite.act, invite.sequence, invite.start));
    }
    told
}

async fn invite_in(house: &House, patient: PatientId, id: String) -> Invite {
    let keys = house.app.store.keys();
    let mut tx = house.app.store.read().await.unwrap();
    let id = format!("{id}@example.org");
    let attempt = attempts::by_provider_id(&mut tx, "email", &id).await.unwrap().unwrap();
    let rows = patients::load(&mut tx, keys, &[patient]).await.unwrap();
    let place = Place { table: "attempts", column: "content", row: attempt.id.0.as_bytes() };
    let content = rows[0].key.open(place, &attempt.content).unwrap();
    let outbound: Outbound = serde_json::from_slice(&content).unwrap();
    match outbound.content {
        Content::Email { invite: Some(invite), .. } => invite,
        other => panic!("{other:?}"),
    }
}

on_both!(an_appointment_that_moves_moves_in_the_calendar, async |house: House| {
    let patient = house.patient(reader("a")).await;
    let id = house.activity(patient, visit(at(34, 0))).await;
    house.play_until(at(20, 0)).await;
    let first = invite(&house, patient).await;
    assert_eq!((first.start, first.uid.as_str()), (at(34, 0), id.to_string().as_str()));
    assert!(first.stamp <= house.clock.now() && first.stamp >= at(8, 0));
    assert!(!format!("{:?}", first.summary.0.expose()).contains("canary"));
    house.edit(id, patient, &visit(at(59, 0))).await;
    house.play_until(at(44, 0)).await;
    let moved = invite(&house, patient).await;
    assert_eq!((moved.start, &moved.uid), (at(59, 0), &first.uid));
    assert!(moved.sequence > first.sequence, "{} after {}", moved.sequence, first.sequence);
});

fn visit(start: UtcMs) -> Activity {
    Activity {
        schedule: Schedule::Appointment { start },
        ..doing(ActivityKind::Appointment, "visit", &[])
    }
}

/// A house with a patient who was told on Monday evening of a visit on Tuesday at ten; it is eight in the evening.
async fn announced(house: &House) -> (PatientId, ActivityId) {
    let patient = house.patient(reader("a")).await;
    let id = house.activity(patient, visit(at(34, 0))).await;
    house.play_until(at(20, 0)).await;
    assert_eq!(house.accepted(ADDRESS), [1_080]);
    (patient, id)
}

fn with_status(status: ActivityStatus) -> Activity {
    Activity { status, ..visit(at(34, 0)) }
}

on_both!(p6_a_visit_that_is_called_off_leaves_the_calendar_once, async |house: House| {
    let (patient, id) = announced(&house).await;
    let first = invite(&house, patient).await;
    house.edit(id, patient, &with_status(ActivityStatus::Stopped)).await;
    house.settle().await;
    // Another change of the same patient tells nothing again.
    house.edit(id, patient, &with_status(ActivityStatus::EnteredInError)).await;
    house.play_until(at(60, 0)).await;
    assert_eq!(house.accepted(ADDRESS), [1_080, 1_200]);
    let last = invite(&house, patient).await;
    assert_eq!((last.act, &last.uid, last.start), (InviteAct::Cancel, &first.uid, first.start));
    assert!(last.sequence > first.sequence, "{} after {}", last.sequence, first.sequence);
    let entries = house.sandbox.ledger().entries();
    let body = entries.last().unwrap().message.body.clone().unwrap();
    assert!(body.contains("Tuesday 24 November at 10:00 no longer stands"), "{body}");
    assert!(!format!("{:?}", entries.last().unwrap().message).contains("canary"));
});

on_both!(p6_nobody_is_told_of_a_visit_that_came_back_in_time, async |house: House| {
    let (patient, id) = announced(&house).await;
    house.clock.set(at(21, 30));
    house.edit(id, patient, &with_status(ActivityStatus::Stopped)).await;
    house.settle().await;
    assert_eq!(house.accepted(ADDRESS), [1_080], "not at night");
    house.edit(id, patient, &with_status(ActivityStatus::Active)).await;
    house.settle().await;
    // It is stopped for good: that is told in the morning, once.
    house.edit(id, patient, &with_status(ActivityStatus::Active)).await;
    house.play_until(at(31, 59)).await;
    assert_eq!(house.accepted(ADDRESS), [1_080]);
    house.play_until(at(60, 0)).await;
    let told = calendar(&house, patient).await;
    assert!(told.iter().all(|(act, ..)| *act == InviteAct::Request), "{told:?}");
});

on_both!(p6_a_visit_called_off_again_is_told_again, async |house: House| {
    let (patient, id) = announced(&house).await;
    house.clock.set(at(21, 30));
    for status in [ActivityStatus::Stopped, ActivityStatus::Active, ActivityStatus::Stopped] {
        house.edit(id, patient, &with_status(status)).await;
        house.settle().await;
        // The morning's claim is what looks again: it comes to nothing while the visit stands.
        house.damage("UPDATE alarms SET wake_at_ms = 1795469400000 WHERE kind = 'message'").await;
        house.damage("UPDATE messages SET wake_at_ms = 1795469400000 WHERE state = 'queued'").await;
        house.settle().await;
    }
    house.play_until(at(33, 0)).await;
    let acts: Vec<_> = calendar(&house, patient).await.into_iter().map(|(act, ..)| act).collect();
    assert_eq!(acts, [InviteAct::Request, InviteAct::Cancel]);
});

on_both!(p6_what_nobody_was_told_of_or_nobody_wants_is_not_called_off, async |house: House| {
    let (patient, id) = announced(&house).await;
    let stopped = with_status(ActivityStatus::Stopped);
    // Nobody was told of this one.
    let other = || doing(ActivityKind::Appointment, "other", &[]);
    let schedule = Schedule::Appointment { start: at(100, 0) };
    let unheard = Activity { schedule: schedule.clone(), ..other() };
    let unheard = house.activity(patient, unheard).await;
    let gone = Activity { schedule, status: ActivityStatus::Stopped, ..other() };
    house.edit(unheard, patient, &gone).await;
    house.settle().await;
    assert_eq!(house.accepted(ADDRESS), [1_080]);
    // The mails were left.
    assert_eq!(client().post(link(&house)).send().await.unwrap().status(), 200);
    house.edit(id, patient, &stopped).await;
    house.play_until(at(60, 0)).await;
    assert_eq!(house.accepted(ADDRESS), [1_080]);
});

on_both!(p6_who_came_early_is_not_told_that_the_visit_is_off, async |house: House| {
    let (patient, id) = announced(&house).await;
    house.play_until(at(33, 0)).await;
    house.edit(id, patient, &with_status(ActivityStatus::Stopped)).await;
    house.play_until(at(60, 0)).await;
    let told = calendar(&house, patient).await;
    assert!(told.iter().all(|(act, ..)| *act == InviteAct::Request), "{told:?}");
});

on_both!(a_visit_that_moves_far_away_is_told_at_once, async |house: House| {
    let (patient, id) = announced(&house).await;
    let first = invite(&house, patient).await;
    house.edit(id, patient, &visit(at(10 * 24 + 9, 0))).await;
    house.play_until(at(60, 0)).await;
    assert_eq!(house.accepted(ADDRESS), [1_080, 1_200]);
    let moved = invite(&house, patient).await;
    assert_eq!((moved.act, moved.start), (InviteAct::Request, at(10 * 24 + 9, 0)));
    assert!(moved.sequence > first.sequence && moved.uid == first.uid);
    let entries = house.sandbox.ledger().entries();
    let body = entries.last().unwrap().message.body.clone().unwrap();
    assert!(body.contains("on Thursday 3 December at 09:00"), "{body}");
    // It goes on from what was told last.
    let off = Activity { status: ActivityStatus::Stopped, ..visit(at(10 * 24 + 9, 0)) };
    house.edit(id, patient, &off).await;
    house.play_until(at(84, 0)).await;
    let last = invite(&house, patient).await;
    assert_eq!((last.act, last.start), (InviteAct::Cancel, at(10 * 24 + 9, 0)));
    assert!(last.sequence > moved.sequence);
});

//! Misbehaviour by script.

use super::stage::{HOUR_MS, PATIENT, SECRET, Stage, hub_signature, template};
use axum::http::StatusCode;
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Fault, Rule};
use serde_json::Value;

#[tokio::test]
async fn p4_each_fault_of_the_answer() {
    let stage = Stage::plain().await;
    let next = |fault| stage.sandbox.faults().add(Rule::once(fault));
    let message = template("8:00");
    let send = || stage.whatsapp_raw(&message);
    let accepted = || stage.accepted().len();

    next(Fault::DropBeforeReading);
    assert!(send().await.is_err() && accepted() == 0);

    let refuse = AnswerFault::Refuse {
        status: 429,
        code: Some("130429".to_owned()),
        retry_after: Some("7".to_owned()),
    };
    next(Fault::Answer(refuse));
    let request = stage.client.post(stage.whatsapp_url()).bearer_auth("sandbox-access-token");
    let answer = request.json(&message).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["retry-after"].as_bytes()),
        (429, &b"7"[..])
    );
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["code"], 130_429);
    assert_eq!(accepted(), 0);

    next(Fault::Answer(AnswerFault::Drop));
    assert!(send().await.is_err() && accepted() == 1);

    next(Fault::Answer(AnswerFault::Fail { status: 500 }));
    assert_eq!((send().await.unwrap().0, accepted()), (500, 2));

    next(Fault::Answer(AnswerFault::Garbage));
    assert_eq!((send().await.unwrap(), accepted()), ((200, Value::Null), 3));

    for fault in [AnswerFault::Hold, AnswerFault::HoldBody] {
        next(Fault::Answer(fault));
        let before = accepted();
        let release = async {
            stage.until_held(1).await;
            assert_eq!(accepted(), before + 1, "accepted before it answers");
            stage.sandbox.release();
        };
        let (answer, ()) = tokio::join!(send(), release);
        assert_eq!(answer.unwrap().0, 200);
        stage.until_held(0).await;
    }
    assert_eq!((send().await.unwrap().0, stage.sandbox.faults().rules().len()), (200, 0));
}

#[tokio::test]
async fn p8_each_fault_of_the_receipts() {
    let delayed = CallbackFault::DelayedMs(HOUR_MS);
    let cases: [(&[CallbackFault], &[&str]); 5] = [
        (&[CallbackFault::Off], &[]),
        (&[CallbackFault::Reversed], &["delivered", "sent"]),
        (&[CallbackFault::Doubled], &["sent", "sent", "delivered", "delivered"]),
        (
            &[CallbackFault::Reversed, CallbackFault::Doubled],
            &["delivered", "delivered", "sent", "sent"],
        ),
        (&[delayed], &[]),
    ];
    for (faults, expected) in cases {
        let stage = Stage::plain().await;
        for fault in faults {
            stage.sandbox.faults().add(Rule::once(Fault::Callbacks(*fault)).to(PATIENT));
        }
        stage.whatsapp(&template("8:00")).await;
        stage.advance(2_000).await;
        assert_eq!(stage.daemon.statuses(), expected, "{faults:?}");
        stage.advance(HOUR_MS).await;
        let late = if faults == [delayed] { &["sent", "delivered"][..] } else { expected };
        assert_eq!(stage.daemon.statuses(), late, "{faults:?}");
    }
}

#[tokio::test]
async fn p8_a_receipt_may_come_before_the_answer_and_a_forged_one_is_forged() {
    let stage = Stage::plain().await;
    for fault in [CallbackFault::BeforeResponse, CallbackFault::Forged] {
        stage.sandbox.faults().add(Rule::once(Fault::Callbacks(fault)));
    }
    stage.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Hold)).on(Channel::Whatsapp));
    let message = template("8:00");
    let seen_while_held = async {
        stage.until_held(1).await;
        let seen = stage.daemon.statuses();
        stage.sandbox.release();
        seen
    };
    let (_, seen) = tokio::join!(stage.whatsapp(&message), seen_while_held);
    assert_eq!(seen, ["sent"]);
    let forged = &stage.daemon.received()[0];
    assert_ne!(forged.header("x-hub-signature-256"), hub_signature(SECRET, &forged.body));
}

#[tokio::test]
async fn meta_comes_again_until_the_daemon_says_200() {
    let stage = Stage::plain().await;
    stage.daemon.answer_with(StatusCode::SERVICE_UNAVAILABLE);
    stage.whatsapp(&template("8:00")).await;
    stage.advance(1_000).await;
    assert_eq!((stage.daemon.received().len(), stage.sandbox.pending()), (1, 2));
    stage.daemon.answer_with(StatusCode::OK);
    stage.advance(5_000).await;
    assert_eq!((stage.daemon.received().len(), stage.sandbox.pending()), (3, 0));
    assert_eq!(stage.daemon.received()[0].body, stage.daemon.received()[2].body);
}

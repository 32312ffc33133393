//! No health data leaks (P10): canaries are looked for wherever they must not be.

use crate::house::{House, On, at, medicine, on_both, person};
use carebell::care::ChannelKind::{Email, Sms, Whatsapp};
use carebell::sandbox::{AnswerFault, Channel, Fault, Reply, Rule};
use carebell::store::standing;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const CANARIES: [&str; 6] =
    ["canary", "Canary", "912345001", "912345002", "secretmailbox", "I feel dizzy"];

fn found(text: &[u8]) -> Vec<&'static str> {
    let holds = |canary: &&str| text.windows(canary.len()).any(|part| part == canary.as_bytes());
    CANARIES.into_iter().filter(holds).collect()
}

on_both!(p10_names_drugs_and_addresses_are_nowhere_in_clear, async |house: House| {
    let logs = Buffer::default();
    let writer = logs.clone();
    // Everything of the daemon's at its finest; libraries as an operator would turn them up to find a fault.
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("debug,carebell=trace,carebell::sandbox=off")
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    // Another test of this process may have set one: then its lines are not ours to read.
    let ours = tracing::subscriber::set_global_default(subscriber).is_ok();
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder().ok();

    let contacts =
        [(Whatsapp, "+351912345001"), (Sms, "+351912345002"), (Email, "secretmailbox@example.org")];
    let id = house.patient(person("canary-key", "Europe/Lisbon", &contacts)).await;
    house.activity(id, medicine("a", &["08:00", "12:00", "18:00"])).await;
    let refuse = |status, code: &str| {
        let code = Some(code.to_owned());
        Fault::Answer(AnswerFault::Refuse { status, code, retry_after: None })
    };
    house.sandbox.faults().add(Rule::once(refuse(400, "131026")).on(Channel::Whatsapp));
    house.sandbox.faults().add(Rule::once(refuse(400, "21211")).on(Channel::Twilio));
    house.play_until(at(11, 0)).await;
    let said = Reply::text(Channel::Whatsapp, "+351912345001", "I feel dizzy");
    house.sandbox.reply(said).await.unwrap();
    house.sandbox.faults().add(Rule::once(Fault::Answer(AnswerFault::Garbage)));
    house.play_until(at(17, 0)).await;
    assert!(!house.accepted("secretmailbox@example.org").is_empty());

    let mut tx = house.app.store.read().await.unwrap();
    let standings = standing::load(&mut tx, house.app.store.keys(), &[id]).await.unwrap();
    assert_eq!(found(format!("{standings:?}").as_bytes()), [""; 0], "in Debug output");
    drop(tx);
    house.damage("UPDATE patients SET document = {bytes}").await;
    let mut tx = house.app.store.read().await.unwrap();
    let fault = standing::load(&mut tx, house.app.store.keys(), &[id]).await.unwrap_err();
    assert_eq!(found(format!("{fault:?} {fault}").as_bytes()), [""; 0], "in an error");
    drop(tx);
    house.play_until(at(18, 10)).await;

    assert_eq!(found(&house.bytes_on_disk()), [""; 0], "on disk");
    if let Some(metrics) = metrics {
        let text = metrics.render();
        assert!(text.contains("carebell_attempts_total"));
        assert_eq!(found(text.as_bytes()), [""; 0], "in metrics");
    }
    if ours {
        let text = logs.0.lock().unwrap().clone();
        assert!(text.len() > 1_000, "nothing was logged");
        let shown = String::from_utf8_lossy(&text);
        let lines: Vec<_> = shown.lines().filter(|l| !found(l.as_bytes()).is_empty()).collect();
        assert!(lines.is_empty(), "{lines:#?}");
    }
    // The search finds what is there.
    house.damage("UPDATE meta SET value = 'Amina Canary'").await;
    house.damage("INSERT INTO meta (key, value) VALUES ('planted', 'Amina Canary')").await;
    let planted = house.bytes_on_disk();
    assert!(planted.is_empty() || found(&planted) == ["Canary"]);
});

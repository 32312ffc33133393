//! The whole journey over real sockets: a plan's slot comes due, leaves once, and its receipts settle it.

use crate::house::{House, MONDAY, On, medicine, on_both, person};
use carebell::care::ChannelKind::{Email, Sms, Whatsapp};
use carebell::care::time::{DAY_MS, HOUR_MS};

on_both!(p7_a_dose_leaves_at_the_patients_own_eight_oclock, async |house: House| {
    let kolkata = person("k", "Asia/Kolkata", &[(Whatsapp, "+919876543210")]);
    let new_york = person("n", "America/New_York", &[(Sms, "+12025550101")]);
    let lisbon = person("l", "Europe/Lisbon", &[(Email, "l@example.org")]);
    for patient in [kolkata, new_york, lisbon] {
        let id = house.patient(patient).await;
        house.activity(id, medicine("m", &["08:00"])).await;
    }
    house.play_until(MONDAY.plus_ms(DAY_MS)).await;
    let sent: Vec<_> = house
        .sandbox
        .ledger()
        .entries()
        .into_iter()
        .map(|e| (e.message.to.clone(), e.at.since(MONDAY)))
        .collect();
    let at = |hours: i64, minutes: i64| hours * HOUR_MS + minutes * 60_000;
    assert_eq!(
        sent,
        [
            ("+919876543210".to_owned(), at(2, 30)),
            ("l@example.org".to_owned(), at(8, 0)),
            ("+12025550101".to_owned(), at(13, 0)),
        ]
    );
    assert_eq!(house.reminders().await, [("sent".to_owned(), 3)].into());
});

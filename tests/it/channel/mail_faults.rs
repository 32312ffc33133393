//! A mail server's faults, and what becomes of the messages: the rows of `reference/channels.md` sections 6 and 8 that
//! a whole house shows.

use crate::house::{House, On, at, doing, medicine, on_both, person};
use carebell::care::{Activity, ActivityKind, ChannelKind};
use carebell::sandbox::{AnswerFault, Fault, Rule};

/// What a fault makes of a message of 08:00: minutes at which the server took it, and how it ends.
type Ends = (&'static [i64], &'static str);

async fn with_fault(house: &House, day: i64, fault: Fault, what: Activity) -> (Vec<i64>, String) {
    let address = format!("p{day}@example.net");
    let patient = person(&address, "UTC", &[(ChannelKind::Email, &address)]);
    let id = house.patient(patient).await;
    let activity = house.activity(id, what.clone()).await;
    house.sandbox.faults().add(Rule::once(fault).to(&address));
    house.play_until(at(24 * day + 20, 0)).await;
    let ended = Activity { status: carebell::care::ActivityStatus::Stopped, ..what };
    house.edit(activity, id, &ended).await;
    house.settle().await;
    let taken = house.accepted(&address).iter().map(|minute| minute - 24 * 60 * day).collect();
    (taken, house.story_of(id).await[0].0.to_owned())
}

on_both!(p4_a_mail_servers_no_is_heeded_by_its_code, async |house: House| {
    let refused = |status, code: &str| {
        let code = Some(code.to_owned());
        Fault::Answer(AnswerFault::Refuse { status, code, retry_after: None })
    };
    let rows: [(u16, &str, Ends); 7] = [
        (451, "4.7.1", (&[485], "sent")),
        (450, "4.2.1", (&[485], "sent")),
        (421, "4.3.2", (&[481], "sent")),
        (452, "4.2.2", (&[540], "sent")),
        (550, "5.1.1", (&[], "failed")),
        (552, "5.3.4", (&[], "failed")),
        (554, "5.7.1", (&[], "failed")),
    ];
    for (day, (status, code, (taken, ends))) in (0..).zip(rows) {
        let dose = medicine("a", &["08:00"]);
        let got = with_fault(&house, day, refused(status, code), dose).await;
        assert_eq!((&got.0[..], got.1.as_str()), (taken, ends), "{status} {code}");
    }
});

on_both!(p4_a_mail_that_was_cut_off_goes_again_only_where_it_may, async |house: House| {
    let reading = doing(ActivityKind::Measurement, "m", &["08:00"]);
    let cut = || Fault::Answer(AnswerFault::Drop);
    let (taken, state) = with_fault(&house, 0, cut(), reading.clone()).await;
    assert_eq!((taken.len(), taken[0], state.as_str()), (2, 480, "sent"), "{taken:?}");
    let entries = house.sandbox.ledger().entries();
    let ids: Vec<_> = entries.iter().map(|entry| entry.message.correlation.clone()).collect();
    assert!(ids[0].is_some() && ids[0] == ids[1], "one Message-ID: some receivers drop doubles");
    let (taken, state) = with_fault(&house, 1, cut(), medicine("a", &["08:00"])).await;
    assert_eq!((&taken[..], state.as_str()), (&[480][..], "unknown"), "a dose is never sent again");
    assert_eq!(house.tasks().await.get("unknown-dose"), Some(&1));
    let garbage = Fault::Answer(AnswerFault::Garbage);
    let (taken, state) = with_fault(&house, 2, garbage, medicine("b", &["08:00"])).await;
    assert_eq!((&taken[..], state.as_str()), (&[480][..], "unknown"));
});

//! Budgets: what is spent is counted with its intent, and only what can wait waits for money.

use super::super::house::*;
use carebell::care::ChannelKind::{Sms, Whatsapp};
use carebell::care::ids::PatientId;
use carebell::care::{ActivityKind, MessageState, UtcMs};
use carebell::sandbox::{AnswerFault, Channel, Fault, Rule};
use carebell::store::{messages, spending};

const PHONE: &str = "+351912345678";
const PRICES: &str = "currency = \"EUR\"\n[sms]\ndefault = \"1\"\n\
    [whatsapp.utility]\ndefault = \"0.5\"\n";

fn with_budget(house: &mut House, budget: &str) {
    let programme = format!("title = \"General\"\nbudget = {{ {budget} }}\n");
    house.schedules(&[
        ("programmes/general/programme.toml", programme.as_str()),
        ("prices.toml", PRICES),
    ]);
}

/// Messages and millionths spent in November, which begins in UTC, the zone of the programme.
async fn spent(house: &House) -> (u64, u64) {
    let november = ("general".to_owned(), UtcMs(1_793_491_200_000));
    let mut tx = house.app.store.read().await.unwrap();
    let spent = spending::of(&mut tx, std::slice::from_ref(&november)).await.unwrap();
    spent.get(&november).map_or((0, 0), |spent| (spent.messages, spent.cost.0))
}

async fn budget_tasks(house: &House) -> i64 {
    house.tasks().await.get("budget").copied().unwrap_or(0)
}

/// A dose at eight, a lesson at nine, a dose at ten.
async fn day(house: &House) -> PatientId {
    let id = house.patient(person("p", "Europe/Lisbon", &[(Sms, PHONE)])).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    house.activity(id, doing(ActivityKind::Education, "e", &["09:00"])).await;
    house.activity(id, medicine("b", &["10:00"])).await;
    id
}

async fn why_it_waits(house: &House, id: PatientId, due_at: UtcMs) -> String {
    let mut tx = house.app.store.read().await.unwrap();
    let rows = messages::at_minutes(&mut tx, &[id], due_at).await.unwrap();
    let queued = rows.iter().find(|row| row.minute == due_at && row.state == MessageState::Queued);
    queued.unwrap().reason.word()
}

on_both!(what_is_not_essential_waits_when_the_month_is_spent, async |mut house: House| {
    with_budget(&mut house, "monthly = \"1.20\"");
    let id = day(&house).await;
    house.play_until(at(8, 30)).await;
    assert_eq!((spent(&house).await, budget_tasks(&house).await), ((1, 1_000_000), 1));
    house.play_until(at(14, 30)).await;
    assert_eq!(house.accepted(PHONE), [480, 600], "the doses leave, the lesson does not");
    assert_eq!((spent(&house).await, budget_tasks(&house).await), ((2, 2_000_000), 2));
    assert_eq!(why_it_waits(&house, id, at(9, 0)).await, "budget-spent");
    // Raised in time: it leaves at the next look.
    with_budget(&mut house, "monthly = \"10\"");
    house.play_until(at(16, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 600, 900]);
    // Never raised: the next one waits until a newer one takes its place.
    with_budget(&mut house, "monthly = \"1\"");
    house.play_until(at(48 + 9, 30)).await;
    let (second, third) = (24 * 60, 48 * 60);
    let doses = [second + 480, second + 600, third + 480];
    assert_eq!(house.accepted(PHONE)[3..], doses);
    let story = house.story_of(id).await;
    assert_eq!(story[4], ("superseded", "merged-into".to_owned()), "{story:?}");
    assert_eq!(why_it_waits(&house, id, at(48 + 9, 0)).await, "budget-spent");
    assert_eq!(budget_tasks(&house).await, 2, "each is opened once a month");
});

on_both!(a_number_of_messages_is_a_budget_as_well, async |mut house: House| {
    with_budget(&mut house, "messages = 1");
    let id = day(&house).await;
    house.play_until(at(12, 0)).await;
    assert_eq!(house.accepted(PHONE), [480, 600]);
    assert_eq!(why_it_waits(&house, id, at(9, 0)).await, "cap-reached");
    assert_eq!((spent(&house).await, budget_tasks(&house).await), ((2, 2_000_000), 1));
});

on_both!(what_surely_left_nothing_is_not_counted, async |mut house: House| {
    with_budget(&mut house, "monthly = \"1.20\"");
    day(&house).await;
    let refused =
        AnswerFault::Refuse { status: 400, code: Some("21211".into()), retry_after: None };
    house.sandbox.faults().add(Rule::once(Fault::Answer(refused)));
    house.play_until(at(8, 30)).await;
    assert_eq!(house.accepted(PHONE), [] as [i64; 0]);
    assert_eq!((spent(&house).await, budget_tasks(&house).await), ((0, 0), 1));
});

on_both!(the_cheapest_way_to_one_number_is_taken, async |mut house: House| {
    let contacts = [(Whatsapp, PHONE), (Sms, PHONE)];
    let mut patient = person("p", "Europe/Lisbon", &contacts);
    patient.contacts.iter_mut().for_each(|contact| contact.rank = 1);
    let id = house.patient(patient).await;
    house.activity(id, medicine("a", &["08:00"])).await;
    let dear = PRICES.replace("\"0.5\"", "\"1.5\"");
    house.schedules(&[("prices.toml", dear.as_str())]);
    house.play_until(at(9, 0)).await;
    house.schedules(&[("prices.toml", PRICES)]);
    house.play_until(at(33, 0)).await;
    let order = "title = \"General\"\nprefer = \"order\"\nchannels = [\"sms\", \"whatsapp\"]\n";
    house.schedules(&[("prices.toml", PRICES), ("programmes/general/programme.toml", order)]);
    house.play_until(at(57, 0)).await;
    let entries = house.sandbox.ledger().entries();
    let over: Vec<Channel> = entries.iter().map(|entry| entry.message.channel).collect();
    assert_eq!(over, [Channel::Twilio, Channel::Whatsapp, Channel::Twilio]);
});

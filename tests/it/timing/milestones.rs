//! Protocols. The first cases are facts of MOTECH's own tests (motech/modules, schedule-tracking,
//! Scheduling{With,Without}PreferredTime and SchedulingFloatingAlerts...BundleIT); the protocol they name is not
//! published beside them and was read off the fire times they expect.

use carebell::care::milestone::{Facts, Milestone};
use carebell::care::{Confidence, Routine, ZoneRules};
use carebell::timing::{Context, milestones};
use carebell::zones::Zones;
use serde_json::{Value, json};

fn due(protocol: &Value, facts: &Value, anchor: &str) -> (Confidence, Vec<String>) {
    due_in("UTC", protocol, facts, anchor)
}

fn due_in(zone: &str, protocol: &Value, facts: &Value, anchor: &str) -> (Confidence, Vec<String>) {
    let protocol: Vec<Milestone> = serde_json::from_value(protocol.clone()).unwrap();
    let facts: Facts = serde_json::from_value(facts.clone()).unwrap();
    let zone = Zones::built_in().zone(zone).unwrap();
    let routine = Routine::default();
    let context = Context { zone: &zone, routine: &routine, anchor };
    let expansion = milestones(&protocol, &facts, context);
    let shown = |o: &carebell::care::Occurrence| {
        format!("{} {}", o.slot.dosage, o.local.format("%m-%dT%H:%M"))
    };
    (expansion.confidence, expansion.occurrences.iter().map(shown).collect())
}

fn motech(at: Option<&str>, float: bool) -> Value {
    let (after, count) = if float { ("7 d", 4) } else { ("5 d", 5) };
    let past = if float { "float" } else { "drop" };
    let mut first =
        json!({"window": "earliest", "after": after, "every": "1 d", "count": count, "past": past});
    let mut second = json!({"window": "earliest", "after": "1 d", "every": "1 d", "count": if float { 3 } else { 2 }, "past": past});
    if let Some(at) = at {
        first["at"] = json!(at);
        second["at"] = json!(at);
    }
    json!([
        {"name": "milestone1", "earliest": "2 wk", "alerts": [first]},
        {"name": "milestone2", "earliest": "2 wk", "alerts": [second]},
    ])
}

#[test]
#[rustfmt::skip] // a row a line
fn alerts_are_due_as_in_motech() {
    let rows: &[(Value, Value, &str, &[&str])] = &[
        // shouldScheduleAlertsAtReferenceTime
        (motech(None, false), json!({}), "2050-05-10T08:20:00",
            &["1 05-15T08:20", "1 05-16T08:20", "1 05-17T08:20", "1 05-18T08:20", "1 05-19T08:20"]),
        // shouldNotScheduleAlertsInThePastForDelayedEnrollment
        (motech(None, false), json!({"enrolled": "2050-05-17T09:00:00"}), "2050-05-10T10:00:00",
            &["1 05-17T10:00", "1 05-18T10:00", "1 05-19T10:00"]),
        // shouldNotScheduleAlertForTheDayIfPreferredTimeIsPassed
        (motech(None, false), json!({"enrolled": "2050-05-17T11:00:00"}), "2050-05-10T08:00:00",
            &["1 05-18T08:00", "1 05-19T08:00"]),
        // shouldScheduleSecondMilestoneAlertsUsingLastFulfilTimeAsReferenceWhichIsBeforeNow
        (motech(None, false), json!({"enrolled": "2050-05-18T10:00:00", "met": {"milestone1": {"at": "2050-05-17T09:00:00", "recorded": "2050-05-18T10:00:00"}}}), "2050-05-10T11:00:00",
            &["2 05-19T09:00"]),
        // ...WhichIsAfterNow
        (motech(None, false), json!({"enrolled": "2050-05-18T10:00:00", "met": {"milestone1": {"at": "2050-05-17T11:00:00", "recorded": "2050-05-18T10:00:00"}}}), "2050-05-10T09:00:00",
            &["2 05-18T11:00", "2 05-19T11:00"]),
        // shouldScheduleFloatingAlertsAtPreferredAlertTime
        (motech(Some("08:20"), true), json!({}), "2050-05-10T09:00:00",
            &["1 05-17T08:20", "1 05-18T08:20", "1 05-19T08:20", "1 05-20T08:20"]),
        // shouldFloatTheAlertsForDelayedEnrollment
        (motech(Some("09:00"), true), json!({"enrolled": "2050-05-10T10:00:00"}), "2050-05-02T11:00:00",
            &["1 05-11T09:00", "1 05-12T09:00", "1 05-13T09:00", "1 05-14T09:00"]),
        // shouldFloatTheAlertsForDelayedEnrollmentInTheGivenSpaceLeft
        (motech(Some("08:00"), true), json!({"enrolled": "2050-05-20T10:00:00"}), "2050-05-09T12:00:00",
            &["1 05-21T08:00", "1 05-22T08:00", "1 05-23T08:00"]),
        // shouldScheduleSecondMilestoneAlertsForToday
        (motech(Some("09:00"), true), json!({"enrolled": "2050-05-20T10:00:00", "met": {"milestone1": {"at": "2050-05-18T11:00:00", "recorded": "2050-05-20T10:00:00"}}}), "2050-05-09T11:00:00",
            &["2 05-21T09:00", "2 05-22T09:00", "2 05-23T09:00"]),
    ];
    for (protocol, facts, anchor, expected) in rows {
        assert_eq!(due(protocol, facts, anchor), (Confidence::Exact, expected.iter().map(|s| (*s).to_owned()).collect()), "{facts}");
    }
}

fn visits() -> Value {
    json!([
        {"name": "first", "earliest": "3 wk", "due": "1 wk", "late": "2 wk", "max": "1 mo", "alerts": [
            {"window": "due", "at": "09:00"},
            {"window": "late", "at": "09:00", "every": "3 d", "count": 10},
            {"window": "max", "at": "10:00"}]},
        {"name": "second", "due": "1 mo", "alerts": [{"window": "due", "after": "1 mo"}, {"window": "due", "after": "27 d"}]},
    ])
}

#[test]
#[rustfmt::skip] // a row a line
fn windows_follow_one_another_and_end_when_the_milestone_is_met() {
    let rows: &[(Value, Confidence, &[&str])] = &[
        // Due from 22 January, late from 29 January to 12 February, for the last time from then.
        (json!({}), Confidence::Exact,
            &["1 01-22T09:00", "2 01-29T09:00", "2 02-01T09:00", "2 02-04T09:00", "2 02-07T09:00", "2 02-10T09:00", "3 02-12T10:00"]),
        // Met on 31 January: nothing more of the first; the second has a window of one month, clamped to
        // 28 February, so an alert a month in has no room, and one after 27 days has.
        (json!({"met": {"first": {"at": "2025-01-31"}}}), Confidence::Defaulted,
            &["1 01-22T09:00", "2 01-29T09:00", "5 02-27T08:00"]),
        // Met out of order: both are over.
        (json!({"met": {"second": {"at": "2025-01-30"}}}), Confidence::Exact, &["1 01-22T09:00", "2 01-29T09:00"]),
        (json!({"met": {"first": {"at": "2025-01-02"}, "second": {"at": "2025-01-10"}}}), Confidence::Defaulted, &[]),
        (json!({"met": {"third": {"at": "2025-01-31"}}}), Confidence::Review,
            &["1 01-22T09:00", "2 01-29T09:00", "2 02-01T09:00", "2 02-04T09:00", "2 02-07T09:00", "2 02-10T09:00", "3 02-12T10:00"]),
        (json!({"met": {"first": {"at": "soon"}}}), Confidence::Review,
            &["1 01-22T09:00", "2 01-29T09:00", "2 02-01T09:00", "2 02-04T09:00", "2 02-07T09:00", "2 02-10T09:00", "3 02-12T10:00"]),
    ];
    for (facts, sure, expected) in rows {
        let (confidence, got) = due(&visits(), facts, "2025-01-01");
        assert_eq!((confidence, got), (*sure, expected.iter().map(|s| (*s).to_owned()).collect()), "{facts}");
    }
}

#[test]
fn p7_alerts_keep_their_local_time_over_a_change_of_the_clocks() {
    let protocol = json!([{"name": "visit", "due": "4 wk", "alerts": [
        {"window": "due", "at": "02:30", "every": "1 d", "count": 3}]}]);
    let (_, got) = due_in("Europe/Berlin", &protocol, &json!({}), "2025-03-29");
    assert_eq!(got, ["1 03-29T02:30", "1 03-30T03:30", "1 03-31T02:30"]);
}

//! What can happen to a house, and lists of it at random.

use carebell::care::{ChannelKind, UtcMs};
use carebell::crash;
use carebell::sandbox::{AnswerFault, CallbackFault, Channel, Fault, Rule};
use proptest::prelude::*;

/// One person of the simulated house.
pub struct Resident {
    pub contacts: &'static [(ChannelKind, &'static str)],
    /// Over which stand-in they speak.
    pub speaks: Channel,
    /// Index of the dose's time. Those of one line are apart: the later one's receipt shows that the line speaks.
    pub dose: usize,
}

impl Resident {
    pub fn phone(&self) -> &'static str {
        self.contacts[0].1
    }
}

pub const RESIDENTS: [Resident; 3] = [
    Resident {
        contacts: &[
            (ChannelKind::Whatsapp, "+351912345001"),
            (ChannelKind::Email, "one@example.org"),
        ],
        speaks: Channel::Whatsapp,
        dose: 0,
    },
    Resident { contacts: &[(ChannelKind::Sms, "+351912345002")], speaks: Channel::Twilio, dose: 0 },
    Resident {
        contacts: &[(ChannelKind::Whatsapp, "+351912345003")],
        speaks: Channel::Whatsapp,
        dose: 1,
    },
];
/// The neighbour whose rows are damaged (P9); its language marks it.
pub const NEIGHBOUR: &str = "+351912345009";

pub const DOSE_TIMES: [&str; 4] = ["08:00", "08:05", "09:00", "12:00"];
/// Zones, and how far each is from UTC in November 2026, in minutes (IANA: none of them changes in that time).
pub const ZONES: [(&str, i64); 3] =
    [("Europe/Lisbon", 0), ("Asia/Kolkata", 330), ("America/New_York", -300)];

#[derive(Clone, Debug)]
pub enum Op {
    /// Time passes, and everybody does what is due.
    Advance {
        minutes: i64,
    },
    /// Time passes, and no daemon is there.
    Outage {
        minutes: i64,
    },
    EditDose {
        who: usize,
        time: usize,
    },
    /// The edit before the last one is the plan again.
    RevertDose {
        who: usize,
    },
    EndDose {
        who: usize,
    },
    Pause {
        who: usize,
    },
    Resume {
        who: usize,
    },
    Stop {
        who: usize,
    },
    Start {
        who: usize,
    },
    Move {
        who: usize,
        zone: usize,
    },
    /// An operator marks the first address bad.
    GoneBad {
        who: usize,
    },
    Mended {
        who: usize,
    },
    Misbehave(Rule),
    /// The next message to be taken on WhatsApp: neither answer nor receipts come.
    LoseAllTrace,
    /// The first daemon dies where it comes to this place for the nth time.
    Crash {
        point: &'static str,
        nth: u32,
    },
    /// A daemon stops past its leases with a request in flight, and goes on when another has taken over.
    Stall {
        minutes: i64,
    },
    /// The next answer about a message to somebody comes too late.
    TimeOut {
        who: usize,
    },
    /// An operator's emergency stop.
    StopSending,
    ResumeSending,
    PauseChannel {
        channel: Channel,
    },
    ResumeChannel {
        channel: Channel,
    },
    /// A second daemon on the same database.
    Rival,
    /// Every connection to the database is cut in the middle of a step (PostgreSQL).
    CutDatabase,
    /// The neighbour's record does not open any more.
    Poison,
}

pub fn refusal(channel: Channel, status: u16, code: &str) -> Rule {
    let refuse =
        AnswerFault::Refuse { status, code: Some(code.to_owned()), retry_after: Some("90".into()) };
    Rule::once(Fault::Answer(refuse)).on(channel)
}

/// The provider's front door breaks: nothing is taken, and we cannot know.
pub fn never_taken() -> Rule {
    let answer = AnswerFault::Refuse { status: 500, code: None, retry_after: None };
    Rule::once(Fault::Answer(answer)).on(Channel::Whatsapp)
}

fn rules() -> impl Strategy<Value = Rule> {
    prop_oneof![
        Just(Rule::once(Fault::DropBeforeReading)),
        Just(never_taken()),
        Just(Rule::once(Fault::Answer(AnswerFault::Drop))),
        Just(Rule::once(Fault::Answer(AnswerFault::Fail { status: 500 }))),
        Just(Rule::once(Fault::Answer(AnswerFault::Garbage))),
        Just(refusal(Channel::Whatsapp, 429, "130429")),
        Just(refusal(Channel::Twilio, 429, "20429")),
        Just(refusal(Channel::Whatsapp, 400, "131026")),
        Just(refusal(Channel::Twilio, 401, "20003")),
        Just(Rule::once(Fault::Callbacks(CallbackFault::Doubled))),
        Just(Rule::once(Fault::Callbacks(CallbackFault::Reversed))),
        Just(Rule::once(Fault::Callbacks(CallbackFault::BeforeResponse))),
        Just(Rule::once(Fault::Callbacks(CallbackFault::Off))),
        Just(Rule::once(Fault::Callbacks(CallbackFault::DelayedMs(40 * 60_000)))),
    ]
}

/// Lists of operations.
pub fn lists() -> impl Strategy<Value = Vec<Op>> {
    let who = || 0..RESIDENTS.len();
    let channel = || prop::sample::select(vec![Channel::Whatsapp, Channel::Twilio, Channel::Email]);
    let point = prop::sample::select(crash::POINTS.to_vec());
    let op = prop_oneof![
        7 => (1_i64..200).prop_map(|minutes| Op::Advance { minutes }),
        1 => (30_i64..4_000).prop_map(|minutes| Op::Outage { minutes }),
        2 => (who(), 0..DOSE_TIMES.len()).prop_map(|(who, time)| Op::EditDose { who, time }),
        1 => who().prop_map(|who| Op::RevertDose { who }),
        1 => who().prop_map(|who| Op::EndDose { who }),
        1 => who().prop_map(|who| Op::Pause { who }),
        1 => who().prop_map(|who| Op::Resume { who }),
        1 => who().prop_map(|who| Op::Stop { who }),
        1 => who().prop_map(|who| Op::Start { who }),
        1 => (who(), 0..ZONES.len()).prop_map(|(who, zone)| Op::Move { who, zone }),
        1 => who().prop_map(|who| Op::GoneBad { who }),
        1 => who().prop_map(|who| Op::Mended { who }),
        3 => rules().prop_map(Op::Misbehave),
        2 => Just(Op::LoseAllTrace),
        3 => (point, 1_u32..4).prop_map(|(point, nth)| Op::Crash { point, nth }),
        1 => (1_i64..30).prop_map(|minutes| Op::Stall { minutes }),
        1 => who().prop_map(|who| Op::TimeOut { who }),
        1 => Just(Op::StopSending),
        2 => Just(Op::ResumeSending),
        1 => channel().prop_map(|channel| Op::PauseChannel { channel }),
        2 => channel().prop_map(|channel| Op::ResumeChannel { channel }),
        1 => Just(Op::Rival),
        1 => Just(Op::CutDatabase),
        1 => Just(Op::Poison),
    ];
    prop::collection::vec(op, 6..22)
}

/// The instant of a wall-clock time of a day counted from Monday, in a zone.
pub fn instant(day: i64, time: &str, zone: usize) -> UtcMs {
    let (hours, minutes) = time.split_once(':').unwrap();
    let of_day = hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap();
    crate::house::MONDAY.plus_ms((day * 1_440 + of_day - ZONES[zone].1) * 60_000)
}

//! Why something is in the state it is in: one list, stored with the row, printed by `explain`, counted by
//! the metrics.

use crate::care::{Micros, PatientStatus, UtcMs};
use serde::{Deserialize, Serialize};

/// Why. Each variant carries its facts; none carries health data or an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Reason {
    /// The slot came due.
    Due,
    /// The message waits for the end of quiet hours.
    QuietHours {
        /// When they end.
        until: UtcMs,
    },
    /// Quiet hours end after the message's validity.
    QuietUntilTooLate,
    /// The validity passed.
    PastValidity {
        /// By how much, in milliseconds.
        by_ms: i64,
    },
    /// A change of plan, zone or patient made the slot when its validity had already passed.
    ChangedAfterDue,
    /// Older than two days when found: counted in a gap row.
    Gap,
    /// The patient is not active.
    PatientStatus {
        /// What the patient is.
        status: PatientStatus,
    },
    /// The activity is on hold.
    OnHold,
    /// The activity was stopped, or the plan's current text has no such slot.
    PlanChanged,
    /// A person must confirm the activity first.
    NeedsReview,
    /// No consent is recorded for any usable channel.
    NoConsent,
    /// The patient refused or withdrew consent.
    ConsentRefused,
    /// The patient said STOP.
    OptedOut,
    /// No contact point is usable.
    NoContact,
    /// The channel that would carry it is not configured.
    NoChannel,
    /// The language has no text for it.
    NoText,
    /// The programme's budget of the month is spent, and the message is not essential.
    BudgetSpent {
        /// What may be spent in a month.
        monthly: Micros,
    },
    /// A share of what the programme may spend in a month is spent.
    BudgetRunsOut {
        /// In percent.
        percent: u8,
    },
    /// The programme's messages of the month are sent, and this one is not essential.
    CapReached {
        /// How many may be sent in a month.
        messages: u64,
    },
    /// The provider takes no free text for the patient now, and there is no template for it.
    WindowClosed,
    /// The patient lets no marketing through, and the provider may take education for such.
    MarketingStopped,
    /// The provider's template for it may not be used.
    TemplateHeld {
        /// Its name at the provider.
        template: String,
        /// The provider's language code.
        language: String,
        /// Why.
        why: String,
    },
    /// Two slots of one activity fell on one instant; the other one is announced.
    MergedInto {
        /// Name of the other slot.
        slot: String,
    },
    /// Said together with a newer message, after a time in which nothing could leave.
    JoinedInto {
        /// The message that says it.
        message: String,
    },
    /// The same drug was announced already under another name.
    AlreadyAnnounced {
        /// The reminder that announced it.
        reminder: String,
    },
    /// What had stopped it is gone, and it is still valid.
    Reinstated,
    /// The slot falls on another instant now.
    Moved {
        /// Which.
        to: UtcMs,
    },
    /// The installation went live; what the sandbox had queued is dropped.
    GoLive,
    /// A provider accepted it.
    Accepted,
    /// A provider refused it.
    Refused {
        /// The provider's code.
        code: String,
    },
    /// It failed before the request was written.
    NotSent {
        /// Where.
        stage: String,
    },
    /// The request may or may not have arrived.
    UnknownOutcome {
        /// Where it broke.
        stage: String,
    },
    /// The daemon ended, or its lease ran out, between intent and outcome.
    LostInstance,
    /// It will be tried again.
    Retry {
        /// When.
        at: UtcMs,
        /// The code that asked for it.
        code: String,
    },
    /// It goes over the next channel.
    NextChannel {
        /// The code that asked for it.
        code: String,
    },
    /// No receipt came while the provider might deliver it: it goes over the next channel.
    NoReceipt,
    /// Sent once more because the first outcome stayed unknown; marked as a repeat.
    Repeated,
    /// A receipt settled it.
    Receipt {
        /// What the provider said.
        status: String,
    },
    /// It was sent in time, and the provider delivered it too late all the same.
    DeliveredLate {
        /// By how much, in milliseconds.
        by_ms: i64,
    },
    /// The provider's look-up settled it.
    LookedUp,
    /// The provider, which tells of all it takes, told nothing of it over a line that was open throughout.
    Silence {
        /// How long, after the lease's end, in milliseconds.
        silent_ms: i64,
    },
    /// Its outcome stayed unknown, and its class is never sent again blindly.
    StaysUnknown,
    /// Its outcome stayed unknown, and it is not worth a repeat.
    Dropped,
    /// The pace of the sender or of the pair put it off.
    Paced {
        /// Until when.
        until: UtcMs,
    },
    /// Somebody stopped all sending (`carebell stop-sending`).
    SendingStopped,
    /// Its channel is paused (`carebell channels pause`).
    ChannelPaused {
        /// Until when; absent: until somebody resumes it.
        until: Option<UtcMs>,
    },
    /// Its channel rests: the provider is in trouble, or refuses us.
    ChannelResting {
        /// Until when.
        until: Option<UtcMs>,
    },
    /// The database went back in time: what it does not know of may have been sent.
    RestoredBackup,
    /// It broke its step three times.
    Poisoned,
    /// The watch expected more reminders than there are.
    RemindersMissing {
        /// Slots without a reminder, among the patients looked at.
        missing: i64,
        /// Patients whose alarm is lost or late, or whose plan cannot be expanded.
        patients: i64,
    },
    /// The machine's clock may not be believed: nothing is done until it is set right.
    ClockInTrouble {
        /// Why, as told to operators.
        what: String,
    },
    /// Nothing could leave for a while; counts are of reminders that were due then.
    Outage {
        /// The channel that did not work; absent: no daemon ran.
        channel: Option<String>,
        /// From.
        since: UtcMs,
        /// To.
        until: UtcMs,
        /// Sent after it.
        sent: i64,
        /// Expired.
        expired: i64,
        /// Spoken for by a newer one.
        superseded: i64,
        /// Whatever else became of them.
        other: i64,
        /// Slots that were found too late for reminders of their own, and are counted in gap rows.
        #[serde(default)]
        in_gaps: i64,
    },
    /// A person decided so.
    Person {
        /// What they did.
        what: String,
    },
}

impl Reason {
    /// The stable word: the `reason` tag of the stored JSON, and the metric's label.
    pub fn word(&self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.get("reason").and_then(|r| r.as_str()).map(str::to_owned))
            .unwrap_or_default()
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Due => f.write_str("the slot came due"),
            Self::QuietHours { until } => {
                write!(f, "quiet hours of the patient until {}", until.rfc3339())
            }
            Self::QuietUntilTooLate => {
                f.write_str("quiet hours end after the message would still be of use")
            }
            Self::PastValidity { by_ms } => {
                write!(f, "its validity had passed by {} s", by_ms / 1_000)
            }
            Self::ChangedAfterDue => {
                f.write_str("a change made this slot when it was already past")
            }
            Self::Gap => f.write_str("more than two days overdue when found"),
            Self::PatientStatus { status } => write!(f, "the patient is {}", status.word()),
            Self::OnHold => f.write_str("the activity is on hold"),
            Self::PlanChanged => f.write_str("the plan no longer has this slot"),
            Self::NeedsReview => {
                f.write_str("a person must confirm the activity (carebell review)")
            }
            Self::NoConsent => f.write_str("no consent is recorded"),
            Self::ConsentRefused => f.write_str("consent was refused or withdrawn"),
            Self::OptedOut => f.write_str("the patient said STOP"),
            Self::NoContact => f.write_str("no contact point is usable"),
            Self::NoChannel => f.write_str("no configured channel reaches the patient"),
            Self::NoText => f.write_str("no text in the patient's language"),
            Self::BudgetSpent { monthly } => {
                write!(
                    f,
                    "the month's budget of {monthly} is spent; only what is essential is sent"
                )
            }
            Self::BudgetRunsOut { percent } => {
                write!(f, "{percent} percent of the month's budget are used")
            }
            Self::CapReached { messages } => {
                write!(
                    f,
                    "the month's {messages} messages are sent; only what is essential is sent"
                )
            }
            Self::WindowClosed => {
                f.write_str("the patient wrote more than 24 hours ago, and no template says it")
            }
            Self::MarketingStopped => f.write_str("the patient lets no marketing through there"),
            Self::TemplateHeld { template, language, why } => {
                write!(f, "its template {template} in {language} is held: {why}")
            }
            Self::MergedInto { slot } => write!(f, "announced together with {slot}"),
            Self::JoinedInto { message } => write!(f, "said together with {message}"),
            Self::AlreadyAnnounced { reminder } => {
                write!(f, "the same drug was announced by {reminder}")
            }
            Self::Reinstated => f.write_str("what had stopped it is gone, and it is still of use"),
            Self::Moved { to } => write!(f, "it falls on {} now", to.rfc3339()),
            Self::GoLive => f.write_str("it belongs to the sandbox, before going live"),
            Self::Accepted => f.write_str("the provider accepted it"),
            Self::Refused { code } => write!(f, "the provider refused it with code {code}"),
            Self::NotSent { stage } => write!(f, "it failed before it was sent ({stage})"),
            Self::UnknownOutcome { stage } => {
                write!(f, "it may or may not have arrived (broke at {stage})")
            }
            Self::LostInstance => f.write_str("the daemon ended between intent and outcome"),
            Self::Retry { at, code } => write!(f, "again at {} (code {code})", at.rfc3339()),
            Self::NextChannel { code } => write!(f, "goes over the next channel (code {code})"),
            Self::NoReceipt => f.write_str("no receipt came in time; goes over the next channel"),
            Self::Repeated => f.write_str("sent once more, marked as a repeat"),
            Self::Receipt { status } => write!(f, "the provider reported it {status}"),
            Self::DeliveredLate { by_ms } => {
                write!(f, "the provider delivered it {} s after it was of use", by_ms / 1_000)
            }
            Self::LookedUp => f.write_str("the provider's list shows it"),
            Self::Silence { silent_ms } => write!(
                f,
                "the provider never took it: {} s of silence while its receipts for others came in",
                silent_ms / 1_000
            ),
            Self::StaysUnknown => {
                f.write_str("nobody knows whether it arrived; never sent again blindly")
            }
            Self::Dropped => f.write_str("nobody knows whether it arrived; not worth a repeat"),
            Self::Paced { until } => write!(f, "put off by the pace until {}", until.rfc3339()),
            Self::SendingStopped => f.write_str("all sending is stopped"),
            Self::ChannelPaused { until: Some(until) } => {
                write!(f, "its channel is paused until {}", until.rfc3339())
            }
            Self::ChannelPaused { until: None } => f.write_str("its channel is paused"),
            Self::ChannelResting { until: Some(until) } => {
                write!(f, "its provider is in trouble: the channel rests until {}", until.rfc3339())
            }
            Self::ChannelResting { until: None } => {
                f.write_str("its provider is in trouble: the channel rests")
            }
            Self::RestoredBackup => {
                f.write_str("the database went back in time: it may have been sent before")
            }
            Self::Poisoned => f.write_str("it broke its step three times"),
            Self::RemindersMissing { missing, patients } => write!(
                f,
                "{missing} slots without a reminder, {patients} patients that nobody wakes"
            ),
            Self::ClockInTrouble { what } => f.write_str(what),
            Self::Outage { channel, since, until, sent, expired, superseded, other, in_gaps } => {
                write!(
                    f,
                    "{} from {} to {}: {expired} reminders expired, {superseded} gave way to newer ones, {sent} were \
                     sent afterwards, {other} ended otherwise",
                    channel.as_ref().map_or_else(
                        || "no daemon was running".to_owned(),
                        |channel| format!("nothing left over {channel}")
                    ),
                    since.rfc3339(),
                    until.rfc3339()
                )?;
                if *in_gaps > 0 {
                    write!(f, ", {in_gaps} slots were found more than two days overdue")?;
                }
                Ok(())
            }
            Self::Person { what } => write!(f, "a person decided: {what}"),
        }
    }
}

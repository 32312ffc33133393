//! The table of decisions: what FHIR leaves open, how it is decided, and the notes an expansion gives of it.

use super::civil::Times;
use super::moment::DAY_SECONDS;
use crate::care::{Confidence, Note};
use smallvec::SmallVec;

macro_rules! decisions {
    ($($(#[$doc:meta])* $name:ident = $rule:literal : $text:literal;)+) => {
        /// One decision about a point that FHIR's `Timing` leaves open, or one reason to ask a person.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Decision { $($(#[$doc])* $name,)+ }

        impl Decision {
            /// Every decision, in the order of the elements they concern.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// Its short stable name: the `rule` of a [`Note`].
            pub const fn rule(self) -> &'static str {
                match self { $(Self::$name => $rule,)+ }
            }

            /// What is decided.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

decisions! {
    /// Where counting starts.
    Anchor = "anchor": "Counting starts at bounds start, else at the order's own date. A date means 00:00 there; what is no date cannot start anything.";
    /// A date-time without offset.
    LocalStart = "local-start": "A date-time without an offset is read by the patient's clock.";
    /// Events stand alone.
    Events = "events": "A list of events is the whole schedule. Exactly one event beside an unbounded rule is where the rule starts.";
    /// An event without a clock time.
    EventDay = "event-day": "An event that is only a day falls at the first clock time of the table; a month or a year is no day.";
    /// `code` alone.
    Abbreviation = "abbreviation": "BID and its kin are at the table's clock times.";
    /// `code` and `repeat` disagree.
    CodeConflict = "code-conflict": "Where the code and the rule beside it give different rates, a person decides.";
    /// A code of nobody's.
    UnknownCode = "unknown-code": "A code outside the standard's value set is not guessed.";
    /// Text only.
    TextOnly = "text-only": "Free text is never scheduled.";
    /// Nothing to schedule.
    NoTiming = "no-timing": "Without a timing nothing is scheduled.";
    /// As needed.
    AsNeeded = "as-needed": "What is taken as needed is never scheduled.";
    /// One occurrence in a window.
    Once = "once": "Bounds alone, a count of 1 alone or a frequency of 1 without a period mean once, at the start of the window.";
    /// No rate.
    NoPeriod = "no-period": "More than once, without a period, says nothing about when.";
    /// Several a day.
    TimesPerDay = "times-per-day": "n times a day without clock times fall at the routine's table, else spread between its wake and bed, else 08:00; 08:00 20:00; 08:00 14:00 20:00; 08:00 12:00 16:00 20:00.";
    /// Five and more a day.
    ManyPerDay = "many-per-day": "Five times a day and more without clock times is often a number of tablets: a person decides.";
    /// Several a week.
    TimesPerWeek = "times-per-week": "n times a week without days fall 0; 0 3; 0 2 4; 0 2 4 6; ... days after the start's weekday.";
    /// Several in another period.
    TimesPerPeriod = "times-per-period": "Several times in any other period without days say nothing about which: a person decides.";
    /// Upper limit of frequency.
    FrequencyMax = "frequency-max": "Of a range of frequencies the lower is reminded.";
    /// Upper limit of period.
    PeriodMax = "period-max": "Of a range of periods the longer is kept: the fewest reminders that satisfy the order.";
    /// Upper limit of count.
    CountMax = "count-max": "Of a range of counts the lower is reminded.";
    /// Frequency against lists.
    FrequencyConflict = "frequency-conflict": "A frequency that does not match the listed days and times is a contradiction.";
    /// Interval origin.
    IntervalOrigin = "interval-origin": "An interval in hours whose start has no time of day counts from the routine's first time, else its wake, else 00:00.";
    /// Intervals beside clock times or days.
    IntervalConflict = "interval-conflict": "An interval in hours beside clock times or days is a contradiction.";
    /// Too short.
    ShortPeriod = "short-period": "Under an hour there are no reminders for patients.";
    /// Period that is none.
    BadPeriod = "bad-period": "A period is more than zero, in whole seconds, and whole for months and years; s is no unit for reminders.";
    /// Day filters beside other periods.
    DayConflict = "day-conflict": "Days of the week go with a day or with weeks, days of the month with a day or with months.";
    /// Days of a cycle.
    DaysOfCycle = "days-of-cycle": "Days of a cycle are placed where the order says how long the cycle is; a period in days beside them is read as its length, and a person decides.";
    /// Days on and off.
    Cycle = "cycle": "Days on and off count from the start, and go with days and weeks; a cycle has at most 366 days.";
    /// While awake.
    WhileAwake = "while-awake": "An interval while awake counts from the routine's wake time to its bed time, else from 07:00 to 22:00, anew each day.";
    /// Ends of months.
    MonthEnd = "month-end": "A day that a month does not have is its last day, unless the order says skip.";
    /// Close together.
    MinimumSpacing = "minimum-spacing": "Slots closer together than the order's own minimum are confirmed by a person.";
    /// Too much.
    MaximumDose = "maximum-dose": "More than the order's own maximum within its period is confirmed by a person.";
    /// Milestones.
    Milestones = "milestones": "A milestone counts from the moment the one before it was met, the first from the anchor; what is met or over has no more alerts.";
    /// Codes of `when`.
    When = "when": "Meal and sleep codes are at the routine's times, else at 07:00 wake, 08:00, 13:00, 19:00 meals, 22:00 bed; parts of the day at fixed times.";
    /// Meal codes without a meal.
    Meals = "meals": "C, AC and PC mean breakfast, lunch and dinner; with frequency 2 breakfast and dinner, with 1 breakfast.";
    /// Lead before meals.
    Lead = "lead": "Before a meal without an offset is 30 minutes before; after a meal is at its time.";
    /// `duration` as course length.
    DurationAsCourse = "duration-as-course": "A duration in days or longer that spans the period is the length of the course.";
    /// Range of lengths.
    BoundsRange = "bounds-range": "Of a range of lengths the longer is kept; without one the course stays open.";
    /// Bounds that are none.
    BadBounds = "bad-bounds": "Bounds have one form, a unit, a length above zero and an end not before their start.";
    /// Broken invariants.
    Invariant = "invariant": "A timing that breaks FHIR's own rules (tim-1 to tim-10) is confirmed by a person.";
    /// A value that cannot be read.
    BadValue = "bad-value": "A value of the wrong form is left out, and a person decides.";
    /// Modifiers.
    Modifier = "modifier": "A modifier extension may change the meaning of everything.";
    /// Steps.
    Steps = "steps": "A step starts where the one before it ends; without an end all run side by side, and a person decides.";
    /// Too many dosages.
    ManyDosages = "many-dosages": "More than a thousand dosages are no order: those beyond are left out.";
    /// Refused for its size.
    TooMany = "too-many": "A window with more than a million occurrences is refused: ask for a shorter one.";
}

/// What was decided on the way, and how sure that leaves the whole. Put into words only when somebody asks.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) confidence: Confidence,
    found: SmallVec<[(Decision, Told); 2]>,
}

/// What a finding says beyond its decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// What the decision says.
    Decision,
    /// Something fixed.
    Text(&'static str),
    /// So many times a day, at these clock times.
    PerDay(i64, Times),
    /// A code, at these clock times.
    At(&'static str, Times),
    /// Anything else.
    Words(Box<str>),
}

impl From<&'static str> for Told {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

impl From<String> for Told {
    fn from(text: String) -> Self {
        Self::Words(text.into())
    }
}

impl Findings {
    /// Worth saying; changes nothing.
    pub(super) fn mention(&mut self, decision: Decision) {
        self.find(decision, Told::Decision);
    }

    /// Worth saying in its own words; changes nothing.
    pub(super) fn mention_that(&mut self, decision: Decision, told: impl Into<Told>) {
        self.find(decision, told.into());
    }

    /// A table or a default filled something.
    pub(super) fn assume(&mut self, decision: Decision) {
        self.assume_that(decision, Told::Decision);
    }

    /// A table or a default filled something, told in its own words.
    pub(super) fn assume_that(&mut self, decision: Decision, told: impl Into<Told>) {
        self.confidence = self.confidence.max(Confidence::Defaulted);
        self.find(decision, told.into());
    }

    /// A person must confirm.
    pub(super) fn ask(&mut self, decision: Decision) {
        self.ask_that(decision, Told::Decision);
    }

    /// A person must confirm, told in its own words.
    pub(super) fn ask_that(&mut self, decision: Decision, told: impl Into<Told>) {
        self.confidence = self.confidence.max(Confidence::Review);
        self.find(decision, told.into());
    }

    /// Nothing of this part is scheduled; a question that is open stays open.
    pub(super) fn nothing(&mut self, decision: Decision) {
        if self.confidence != Confidence::Review {
            self.confidence = Confidence::None;
        }
        self.mention(decision);
    }

    /// Takes in what another part found, each once.
    pub(super) fn take(&mut self, other: Self) {
        for (decision, told) in other.found {
            self.find(decision, told);
        }
    }

    /// What was found, in words.
    pub(super) fn notes(&self) -> Vec<Note> {
        let note = |(decision, told): &(Decision, Told)| Note {
            rule: decision.rule().to_owned(),
            text: match told {
                Told::Decision => decision.text().to_owned(),
                Told::Text(text) => (*text).to_owned(),
                Told::PerDay(n, times) => format!("{n} a day: {}", show(times)),
                Told::At(code, times) => format!("{code}: {}", show(times)),
                Told::Words(text) => text.to_string(),
            },
        };
        self.found.iter().map(note).collect()
    }

    fn find(&mut self, decision: Decision, told: Told) {
        if !self.found.iter().any(|(other, what)| *other == decision && *what == told) {
            self.found.push((decision, told));
        }
    }
}

/// Clock times for a note: `08:00, 20:00`.
pub(super) fn show(times: &[i64]) -> String {
    let clock = |time: &i64| {
        let of_day = time.rem_euclid(DAY_SECONDS);
        format!("{:02}:{:02}", of_day / 3_600, of_day % 3_600 / 60)
    };
    times.iter().map(clock).collect::<Vec<_>>().join(", ")
}

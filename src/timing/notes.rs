//! The table of decisions: what FHIR leaves open, how it is decided, and the notes an expansion gives of it.

use crate::care::{Confidence, Note};

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
    DaysOfCycle = "days-of-cycle": "Days of a cycle of unknown length cannot be placed.";
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
    /// Refused for its size.
    TooMany = "too-many": "A window with more than a million occurrences is refused: ask for a shorter one.";
}

/// What was decided on the way, and how sure that leaves the whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) confidence: Confidence,
    pub(super) notes: Vec<Note>,
}

impl Findings {
    /// Worth saying; changes nothing.
    pub(super) fn mention(&mut self, decision: Decision) {
        self.note(decision, decision.text().to_owned());
    }

    /// A table or a default filled something.
    pub(super) fn assume(&mut self, decision: Decision) {
        self.assume_that(decision, decision.text());
    }

    /// A table or a default filled something, told in its own words.
    pub(super) fn assume_that(&mut self, decision: Decision, text: impl Into<String>) {
        self.confidence = self.confidence.max(Confidence::Defaulted);
        self.note(decision, text.into());
    }

    /// A person must confirm.
    pub(super) fn ask(&mut self, decision: Decision) {
        self.ask_that(decision, decision.text());
    }

    /// A person must confirm, told in its own words.
    pub(super) fn ask_that(&mut self, decision: Decision, text: impl Into<String>) {
        self.confidence = self.confidence.max(Confidence::Review);
        self.note(decision, text.into());
    }

    /// Nothing of this part is scheduled; a question that is open stays open.
    pub(super) fn nothing(&mut self, decision: Decision) {
        if self.confidence != Confidence::Review {
            self.confidence = Confidence::None;
        }
        self.mention(decision);
    }

    /// Takes in another part's notes, each once.
    pub(super) fn take_notes(&mut self, notes: Vec<Note>) {
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    fn note(&mut self, decision: Decision, text: String) {
        self.take_notes(vec![Note { rule: decision.rule().to_owned(), text }]);
    }
}

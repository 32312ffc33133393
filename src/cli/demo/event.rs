//! What the demo tells, one line an event: in 80 columns for people, as JSON for programs.

use super::cast::Person;
use crate::care::{Press, Reason, ReminderState, UtcMs};
use crate::cli::{Output, Tone, printable};
use serde::Serialize;

/// Columns of a line before its text: time, city, label, channel, language.
const HEAD_COLUMNS: usize = 43;
/// Columns of a line.
const COLUMNS: usize = 80;

/// Something that happened to a patient.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Event {
    /// When, in UTC (RFC 3339).
    at: String,
    /// What the patient's clock shows then, `HH:MM`.
    local_time: String,
    /// IANA zone.
    zone: String,
    #[serde(skip)]
    city: String,
    /// Who: a number that every run gives alike.
    patient: String,
    /// What.
    #[serde(flatten)]
    what: What,
}

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub(super) enum What {
    /// A provider took a message.
    Sent { channel: &'static str, language: String, text: String },
    /// A provider, or the phone, said more of it.
    Receipt { channel: String, status: &'static str },
    /// A provider said no.
    Refused { channel: String, code: String },
    /// The patient wrote.
    Reply { channel: &'static str, text: String },
    /// The patient pressed a button under a reminder.
    Press { channel: String, pressed: Press },
    /// A message waits for the end of the patient's quiet hours.
    Held { until_local_time: String },
    /// A reminder ended without being sent, or is open again.
    Reminder { state: ReminderState, reason: Reason },
}

impl Event {
    /// Something that happened to a person.
    pub(super) fn new(at: UtcMs, person: &Person, what: What) -> Self {
        Self {
            at: at.rfc3339(),
            local_time: person.local_time(at),
            zone: person.zone.name().to_owned(),
            city: person.city(),
            patient: person.label.clone(),
            what,
        }
    }

    /// The line that tells it.
    pub(super) fn line(&self, output: &Output) -> String {
        let room = COLUMNS - HEAD_COLUMNS;
        let (channel, language, mark, text, tone) = match &self.what {
            What::Sent { channel, language, text } => {
                (*channel, language.as_str(), "→ ", text.clone(), None)
            }
            What::Receipt { channel, status } => {
                (channel.as_str(), "", "  ", (*status).to_owned(), Some(Tone::Good))
            }
            What::Refused { channel, code } => {
                (channel.as_str(), "", "  ", format!("refused with code {code}"), Some(Tone::Bad))
            }
            What::Reply { channel, text } => {
                (*channel, "", "← ", text.clone(), Some(Tone::Warning))
            }
            What::Press { channel, pressed } => {
                (channel.as_str(), "", "← ", format!("[{}]", pressed.word()), Some(Tone::Good))
            }
            What::Held { until_local_time } => {
                let text = format!("held: quiet hours until {until_local_time}");
                ("", "", "  ", text, Some(Tone::Warning))
            }
            What::Reminder { state: ReminderState::Queued, .. } => {
                ("", "", "  ", "open again: it is still of use".to_owned(), Some(Tone::Good))
            }
            What::Reminder { state, reason } => {
                let text = format!("{}: {reason}", state.word());
                ("", "", "  ", text, Some(Tone::Warning))
            }
        };
        let city: String = self.city.chars().take(13).collect();
        let (time, patient) = (&self.local_time, &self.patient);
        let text = shown(&text, room - mark.chars().count());
        let text = match tone {
            Some(tone) => output.paint(tone, &text).into_owned(),
            None => text,
        };
        let head = format!("{time} {city:<13} {patient:<10} {channel:<8} {language:<2} ");
        format!("{head}{mark}{text}").trim_end().to_owned()
    }
}

/// The beginning of a text on one line, cut between words; text that runs from right to left is isolated, so that
/// it does not reorder the rest of the line (Unicode Standard Annex 9, section 2.4). The text's own isolates
/// could be cut in two and are left out.
fn shown(text: &str, columns: usize) -> String {
    let text: String = text.chars().filter(|c| !matches!(c, '\u{2066}'..='\u{2069}')).collect();
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short = String::new();
    if one_line.chars().count() <= columns {
        short = one_line;
    } else {
        for word in one_line.split(' ') {
            if short.chars().count() + 1 + word.chars().count() >= columns {
                break;
            }
            if !short.is_empty() {
                short.push(' ');
            }
            short.push_str(word);
        }
        short.push('…');
    }
    let safe = printable(&short);
    if safe.chars().any(is_right_to_left) {
        format!("\u{2068}{safe}\u{2069}")
    } else {
        safe.into_owned()
    }
}

/// The blocks of Hebrew, Arabic and their neighbours, and of the presentation forms.
const fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_words_and_cannot_steer_the_line() {
        for (text, expected) in [
            ("short", "short"),
            ("a line that is much too long for it", "a line that is much…"),
            ("two\nlines \u{202e}x", "two lines \\u{202e}x"),
            ("تذكير \u{2068}08:00\u{2069}", "\u{2068}تذكير 08:00\u{2069}"),
        ] {
            assert_eq!(shown(text, 22), expected);
        }
    }
}

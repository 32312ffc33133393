//! Reminders as a calendar that a phone can subscribe to (iCalendar, RFC 5545; refresh by RFC 7986).
//!
//! A calendar leaves the house: it says when, and no more of what than its caller puts into a summary.

use crate::care::UtcMs;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What a reminder is called where nothing else may be said.
pub(super) const DISCREET: &str = "Reminder";

/// Longest line in octets, its break not counted (RFC 5545 section 3.1).
const LINE_OCTETS: usize = 75;

/// One due moment.
pub(super) struct Event {
    /// What tells it from every other, in this and every later calendar; only a hash of it is written.
    pub(super) identity: String,
    /// When.
    pub(super) at: UtcMs,
    /// What to say.
    pub(super) summary: String,
}

/// The calendar; `now` is when it is made.
pub(super) fn calendar(name: &str, now: UtcMs, events: &[Event]) -> String {
    let mut lines = Lines::default();
    lines.put("BEGIN:VCALENDAR");
    lines.put("VERSION:2.0");
    lines.put("PRODID:-//Carebell//Carebell//EN");
    lines.put("CALSCALE:GREGORIAN");
    lines.put("METHOD:PUBLISH");
    lines.put(&format!("X-WR-CALNAME:{}", escaped(name)));
    lines.put("REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    lines.put("X-PUBLISHED-TTL:PT1H");
    for Event { identity, at, summary } in events {
        let summary = escaped(summary);
        lines.put("BEGIN:VEVENT");
        lines.put(&format!("UID:{}@carebell", hash(identity)));
        lines.put(&format!("DTSTAMP:{}", utc(now)));
        lines.put(&format!("DTSTART:{}", utc(*at)));
        lines.put("DURATION:PT5M");
        lines.put(&format!("SUMMARY:{summary}"));
        lines.put("CLASS:PRIVATE");
        lines.put("TRANSP:TRANSPARENT");
        lines.put("BEGIN:VALARM");
        lines.put("ACTION:DISPLAY");
        lines.put(&format!("DESCRIPTION:{summary}"));
        lines.put("TRIGGER:PT0S");
        lines.put("END:VALARM");
        lines.put("END:VEVENT");
    }
    lines.put("END:VCALENDAR");
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Adds a content line, folded between characters.
    fn put(&mut self, line: &str) {
        let mut octets = 0;
        for c in line.chars() {
            if octets + c.len_utf8() > LINE_OCTETS {
                self.0.push_str("\r\n ");
                octets = 1;
            }
            self.0.push(c);
            octets += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// A value of type TEXT (RFC 5545 section 3.3.11); control characters have no place in it.
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                value.push('\\');
                value.push(c);
            }
            '\n' => value.push_str("\\n"),
            c if c.is_control() => {}
            c => value.push(c),
        }
    }
    value
}

fn utc(at: UtcMs) -> String {
    at.to_utc().format("%Y%m%dT%H%M%SZ").to_string()
}

/// A hash by which a text is told from others and not read.
pub(super) fn hash(identity: &str) -> String {
    let digest = Sha256::digest(identity.as_bytes());
    digest[..16].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_between_characters() {
        // RFC 5545 section 3.1: 75 octets, continued after CRLF and one space, never within a character.
        let name = "é😀;".repeat(60);
        let text = calendar(&name, UtcMs(0), &[]);
        assert!(text.ends_with("END:VCALENDAR\r\n") && text.contains("\r\n "));
        assert!(text.split("\r\n").all(|line| line.len() <= LINE_OCTETS));
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']));
        let unfolded = text.replace("\r\n ", "");
        assert!(unfolded.contains(&format!("X-WR-CALNAME:{}\r\n", name.replace(';', "\\;"))));
    }

    #[test]
    fn texts_are_escaped() {
        // RFC 5545 section 3.3.11.
        assert_eq!(escaped("a,b;c\\d\r\ne\u{7}:\"f\""), "a\\,b\\;c\\\\d\\ne:\"f\"");
    }

    #[test]
    fn p10_an_event_keeps_its_id_and_gives_nothing_away() {
        let event = |identity: &str, at| Event {
            identity: identity.to_owned(),
            at,
            summary: DISCREET.to_owned(),
        };
        let uid = |text: &str| {
            text.lines().find(|line| line.starts_with("UID:")).map(str::to_owned).unwrap()
        };
        let one = calendar("x", UtcMs(0), &[event("metformin 08:00", UtcMs(0))]);
        let moved = calendar("y", UtcMs(9_000), &[event("metformin 08:00", UtcMs(3_600_000))]);
        let other = calendar("x", UtcMs(0), &[event("metformin 20:00", UtcMs(0))]);
        assert_eq!(uid(&one), uid(&moved));
        assert_ne!(uid(&one), uid(&other));
        assert!(!one.contains("metformin"));
    }
}

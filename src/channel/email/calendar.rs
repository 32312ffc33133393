//! An appointment as a calendar's entry (RFC 5545; METHOD:REQUEST and METHOD:CANCEL by RFC 5546 sections 3.2.2 and
//! 3.2.5).

use super::super::{Invite, InviteAct};
use crate::care::UtcMs;
use chrono::DateTime;
use std::fmt::Write as _;

/// Longest line in octets, without its end (RFC 5545 section 3.1).
const LINE_OCTETS: usize = 75;

/// The entry, for one who is invited by another. Nobody is asked to answer: what a calendar answers is read by nobody.
pub(super) fn entry(invite: &Invite, organizer: &str, attendee: &str, domain: &str) -> String {
    let uid = format!("UID:{}@{domain}", invite.uid);
    let status = match invite.act {
        InviteAct::Request => "CONFIRMED",
        InviteAct::Cancel => "CANCELLED",
    };
    let lines = [
        "BEGIN:VCALENDAR".to_owned(),
        "PRODID:-//Carebell//Carebell//EN".to_owned(),
        "VERSION:2.0".to_owned(),
        "CALSCALE:GREGORIAN".to_owned(),
        format!("METHOD:{}", invite.act.method()),
        "BEGIN:VEVENT".to_owned(),
        uid,
        format!("SEQUENCE:{}", invite.sequence),
        format!("DTSTAMP:{}", utc(invite.stamp)),
        format!("DTSTART:{}", utc(invite.start)),
        format!("SUMMARY:{}", escaped(invite.summary.0.expose())),
        format!("ORGANIZER:mailto:{organizer}"),
        format!("ATTENDEE;RSVP=FALSE:mailto:{attendee}"),
        format!("STATUS:{status}"),
        "CLASS:PRIVATE".to_owned(),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ];
    lines.iter().map(|line| folded(line)).collect()
}

/// `20261124T110000Z`.
fn utc(at: UtcMs) -> String {
    let at = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// Text (RFC 5545 section 3.3.11).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => {
                let _ = write!(escaped, "\\{c}");
            }
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A line with its end; a long one goes on behind a space. No letter is cut.
fn folded(line: &str) -> String {
    let mut folded = String::with_capacity(line.len() + 2);
    let mut octets = 0;
    for c in line.chars() {
        if octets + c.len_utf8() > LINE_OCTETS {
            folded.push_str("\r\n ");
            octets = 1;
        }
        folded.push(c);
        octets += c.len_utf8();
    }
    folded.push_str("\r\n");
    folded
}

#[cfg(test)]
mod tests {
    use super::super::super::Text;
    use super::*;
    use crate::care::Phi;

    fn invite(summary: &str) -> Invite {
        Invite {
            uid: "act_1".to_owned(),
            sequence: 3,
            start: UtcMs(1_795_518_000_000),
            stamp: UtcMs(1_795_392_000_000),
            summary: Text(Phi::from(summary)),
            act: InviteAct::Request,
        }
    }

    #[test]
    fn the_entry_says_what_a_calendar_needs_and_nothing_else() {
        let entry = super::entry(&invite("Appointment: Rowan"), "c@x.org", "a@y.org", "x.org");
        assert_eq!(
            entry.lines().collect::<Vec<_>>(),
            [
                "BEGIN:VCALENDAR",
                "PRODID:-//Carebell//Carebell//EN",
                "VERSION:2.0",
                "CALSCALE:GREGORIAN",
                "METHOD:REQUEST",
                "BEGIN:VEVENT",
                "UID:act_1@x.org",
                "SEQUENCE:3",
                "DTSTAMP:20261123T000000Z",
                "DTSTART:20261124T110000Z",
                "SUMMARY:Appointment: Rowan",
                "ORGANIZER:mailto:c@x.org",
                "ATTENDEE;RSVP=FALSE:mailto:a@y.org",
                "STATUS:CONFIRMED",
                "CLASS:PRIVATE",
                "END:VEVENT",
                "END:VCALENDAR",
            ]
        );
        assert_eq!(entry.matches("\r\n").count(), 17);
    }

    #[test]
    fn what_is_called_off_is_the_same_entry_with_another_method() {
        let requested = super::entry(&invite("a"), "c@x.org", "a@y.org", "x.org");
        let called_off = Invite { act: InviteAct::Cancel, sequence: 4, ..invite("a") };
        assert_eq!(
            super::entry(&called_off, "c@x.org", "a@y.org", "x.org"),
            requested
                .replace("METHOD:REQUEST", "METHOD:CANCEL")
                .replace("SEQUENCE:3", "SEQUENCE:4")
                .replace("STATUS:CONFIRMED", "STATUS:CANCELLED")
        );
    }

    #[test]
    fn long_lines_are_folded_between_letters_and_signs_are_escaped() {
        let summary = "मुलाकात; ".repeat(20);
        let entry = super::entry(&invite(&summary), "c@x.org", "a@y.org", "x.org");
        assert!(entry.split("\r\n").all(|line| line.len() <= LINE_OCTETS), "{entry}");
        let unfolded = entry.replace("\r\n ", "");
        assert!(unfolded.contains(&"मुलाकात\\; ".repeat(20)));
        assert_eq!(escaped("a,b;c\\d\ne\rf"), "a\\,b\\;c\\\\d\\nef");
    }
}

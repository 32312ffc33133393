//! The answers of a batch as JSON, written straight into bytes: this is what its pace hangs on.

use crate::care::slot::Planned;
use crate::care::{Expansion, Occurrence, Slot, UtcMs};
use chrono::{Datelike, NaiveDateTime, Timelike};
use serde_json::value::RawValue;

/// When so many bytes are written they move on.
const FULL_BYTES: usize = 256 << 10;

/// Answers under way to whoever writes them out.
pub(super) struct Answer<'a> {
    bytes: Vec<u8>,
    move_on: &'a mut dyn FnMut(Vec<u8>),
}

impl<'a> Answer<'a> {
    pub(super) fn new(move_on: &'a mut dyn FnMut(Vec<u8>)) -> Self {
        Self { bytes: Vec::with_capacity(FULL_BYTES + 4_096), move_on }
    }

    /// What has not moved on yet.
    pub(super) fn rest(self) -> Vec<u8> {
        self.bytes
    }

    /// Answers with an expansion.
    pub(super) fn give(&mut self, id: Option<&RawValue>, expansion: &Expansion) {
        self.begin(id);
        self.put(b",\"confidence\":\"");
        self.put(expansion.confidence.word().as_bytes());
        self.put(b"\",\"notes\":[");
        for (index, note) in expansion.notes.iter().enumerate() {
            self.put(if index == 0 { b"{\"rule\":" } else { b",{\"rule\":" });
            self.text(&note.rule);
            self.put(b",\"text\":");
            self.text(&note.text);
            self.put(b"}");
        }
        self.put(b"],\"occurrences\":[");
        for (index, occurrence) in expansion.occurrences.iter().enumerate() {
            if index > 0 {
                self.put(b",");
            }
            self.occurrence(occurrence);
            self.move_on_if_full();
        }
        self.put(b"]}\n");
        self.move_on_if_full();
    }

    /// Answers that a line cannot be expanded.
    pub(super) fn refuse(&mut self, id: Option<&RawValue>, why: &str) {
        self.begin(id);
        self.put(b",\"confidence\":null,\"notes\":[],\"occurrences\":[],\"error\":");
        self.text(why);
        self.put(b"}\n");
        self.move_on_if_full();
    }

    fn begin(&mut self, id: Option<&RawValue>) {
        self.put(b"{\"id\":");
        self.put(id.map_or("null", RawValue::get).as_bytes());
    }

    fn occurrence(&mut self, occurrence: &Occurrence) {
        self.put(b"{\"slot\":\"");
        self.slot(&occurrence.slot);
        self.put(b"\",\"local\":\"");
        self.local(occurrence.local);
        self.put(b"\",\"utc\":\"");
        self.utc(occurrence.at);
        self.put(b"\"");
        for (index, slot) in occurrence.merged.iter().enumerate() {
            self.put(if index == 0 { b",\"merged\":[\"" } else { b",\"" });
            self.slot(slot);
            self.put(b"\"");
        }
        self.put(if occurrence.merged.is_empty() { b"}" } else { b"]}" });
    }

    /// The planned time; dosages from the second on bear their number.
    fn slot(&mut self, slot: &Slot) {
        match slot.planned {
            Planned::Local(local) => self.local(local),
            Planned::Elapsed(at) => self.utc(at),
        }
        if slot.dosage > 1 {
            self.put(b"#");
            self.put(slot.dosage.to_string().as_bytes());
        }
    }

    fn utc(&mut self, at: UtcMs) {
        self.local(at.at_offset(0));
        self.put(b"Z");
    }

    /// `YYYY-MM-DDThh:mm:ss`, and milliseconds where there are any.
    fn local(&mut self, local: NaiveDateTime) {
        let (date, time) = (local.date(), local.time());
        let year = u32::try_from(date.year()).unwrap_or_default().min(9_999);
        let mut form = *b"0000-00-00T00:00:00";
        for (at, number) in [
            (0, year / 100),
            (2, year % 100),
            (5, date.month()),
            (8, date.day()),
            (11, time.hour()),
            (14, time.minute()),
            (17, time.second()),
        ] {
            form[at] = b'0' + (number / 10) as u8;
            form[at + 1] = b'0' + (number % 10) as u8;
        }
        self.put(&form);
        let ms = time.nanosecond() / 1_000_000;
        if ms > 0 {
            self.put(format!(".{ms:03}").as_bytes());
        }
    }

    /// A JSON string.
    fn text(&mut self, text: &str) {
        self.put(b"\"");
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= b' ' && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.put(&text.as_bytes()[plain..at]);
            self.put(format!("\\u{byte:04x}").as_bytes());
            plain = at + 1;
        }
        self.put(&text.as_bytes()[plain..]);
        self.put(b"\"");
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn move_on_if_full(&mut self) {
        if self.bytes.len() >= FULL_BYTES {
            let next = Vec::with_capacity(FULL_BYTES + 4_096);
            (self.move_on)(std::mem::replace(&mut self.bytes, next));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::{Confidence, Note};

    fn written(write: impl FnOnce(&mut Answer<'_>)) -> serde_json::Value {
        let mut moved = Vec::new();
        let mut move_on = |bytes: Vec<u8>| moved.extend(bytes);
        let mut answer = Answer::new(&mut move_on);
        write(&mut answer);
        let rest = answer.rest();
        moved.extend(rest);
        serde_json::from_slice(&moved).unwrap()
    }

    #[test]
    fn times_are_written_as_chrono_writes_them() {
        let moments = [
            -62_135_596_800_000,
            -1,
            0,
            78,
            1_795_366_759_000,
            951_782_400_000,
            253_402_300_799_000,
        ];
        for at in moments.map(UtcMs) {
            let slot = Slot { dosage: 12, planned: Planned::Elapsed(at) };
            let (planned, local) = (slot.planned.to_string(), at.at_offset(0));
            let merged = vec![Slot { dosage: 1, planned: Planned::Local(local) }];
            let occurrences = vec![Occurrence { slot, at, local, merged }];
            let expansion = Expansion { occurrences, ..Expansion::default() };
            let shown = written(|answer| answer.give(None, &expansion));
            let shown = &shown["occurrences"][0];
            assert_eq!(shown["slot"], format!("{planned}#12"));
            assert_eq!(shown["utc"], planned);
            assert_eq!(shown["local"], Planned::Local(local).to_string());
            assert_eq!(shown["merged"][0], shown["local"]);
        }
    }

    #[test]
    fn texts_and_ids_survive() {
        let text = "\"\\\u{1}\n\u{7f}é\u{2028}😀";
        let notes = vec![Note { rule: text.to_owned(), text: text.to_owned() }; 2];
        let expansion = Expansion { confidence: Confidence::Review, notes, ..Expansion::default() };
        let shown = written(|answer| answer.give(None, &expansion));
        assert_eq!((&shown["notes"][1]["rule"], &shown["id"]), (&text.into(), &().into()));
        assert_eq!(shown["confidence"], "review");
        assert_eq!(written(|answer| answer.refuse(None, text))["error"], text);
    }
}

//! One line of a batch: read once, expanded, answered. Nothing that a line says can harm another.

use super::answer::Answer;
use super::moments::Written;
use super::routines;
use crate::care::{Dosage, Expansion, Note, Routine, UtcMs, ZoneRules};
use crate::import::Remark;
use crate::import::dosages::{Read, WrittenDosage, WrittenDosages, WrittenTiming, strict};
use crate::timing::{self, Context, Decision, MAX_DOSAGES};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// A longer line is not read.
pub(super) const MAX_LINE_BYTES: usize = 4 << 20;

/// So many different routines are kept in mind.
const ROUTINES_KEPT: usize = 1_024;

/// The anchor where none is needed.
const NO_ANCHOR: &str = "";
/// The anchor of what is never scheduled, whatever it is.
const ANY_ANCHOR: &str = "2000-01-01";

/// What a line may hold; other keys are ignored.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    timing: Option<WrittenTiming>,
    dosage: Option<WrittenDosage>,
    dosages: Option<WrittenDosages>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    zone: Option<Text<'a>>,
    #[serde(borrow)]
    anchor: Option<Text<'a>>,
    #[serde(borrow)]
    from: Option<Text<'a>>,
    #[serde(borrow)]
    to: Option<Text<'a>>,
    #[serde(borrow)]
    routine: Option<&'a RawValue>,
}

/// A text, borrowed unless it has escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Cow<'de, str>, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Cow<'de, str>, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }

        deserializer.deserialize_str(Any).map(Self)
    }
}

/// Why a line has no expansion.
type Fault = Cow<'static, str>;

/// Where lines are answered, one after the other.
pub(super) struct Desk<'z> {
    zones: &'z dyn ZoneRules,
    /// Routines by their JSON: a batch has few.
    routines: HashMap<Box<str>, Arc<Routine>>,
    plain: Arc<Routine>,
}

impl<'z> Desk<'z> {
    pub(super) fn new(zones: &'z dyn ZoneRules) -> Self {
        Self { zones, routines: HashMap::new(), plain: Arc::default() }
    }

    /// Answers a line, unless it is blank.
    pub(super) fn answer(&mut self, line: &[u8], answer: &mut Answer<'_>) {
        // A byte order mark opens a file; nothing else begins with it.
        let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
        if line.is_empty() {
            return;
        }
        if line.len() > MAX_LINE_BYTES {
            return Self::refuse_long(line, answer);
        }
        let read = std::str::from_utf8(line)
            .map_err(|_| Fault::Borrowed("the line is not UTF-8"))
            .and_then(|text| parsed(text).map_err(|remark| remark.to_string().into()));
        let parsed = match read {
            Ok(parsed) => parsed,
            Err(fault) => return answer.refuse(id_of(line), &fault),
        };
        let id = parsed.id;
        // A fault of the engine's own is this line's alone (design.md P9).
        let expanded = std::panic::catch_unwind(AssertUnwindSafe(|| self.expand(parsed)));
        match expanded {
            Ok(Ok(expansion)) => answer.give(id, &expansion),
            Ok(Err(fault)) => answer.refuse(id, &fault),
            Err(_) => answer.refuse(id, "the engine broke on it; please report this"),
        }
    }

    /// Answers a line of which only the beginning was read.
    pub(super) fn refuse_long(beginning: &[u8], answer: &mut Answer<'_>) {
        answer.refuse(id_of(beginning), "the line is longer than 4 MiB");
    }

    fn expand(&mut self, line: Line<'_>) -> Result<Expansion, Fault> {
        let required = |text: &Option<Text<'_>>, missing: &'static str| match text {
            Some(_) => Ok(()),
            None => Err(Fault::Borrowed(missing)),
        };
        required(&line.zone, "zone is missing: an IANA name such as Africa/Nairobi")?;
        required(&line.from, "from is missing: an instant such as 2026-03-08T00:00:00Z")?;
        required(&line.to, "to is missing: an instant such as 2026-03-15T00:00:00Z")?;
        let zone = line.zone.and_then(|zone| self.zones.zone(&zone.0));
        let zone = zone.ok_or("zone is none that is known: an IANA name such as Africa/Nairobi")?;
        let (from, to) = (instant(line.from.as_ref()), instant(line.to.as_ref()));
        let from = from.ok_or("from is no instant: write it as 2026-03-08T00:00:00Z")?;
        let to = to.ok_or("to is no instant: write it as 2026-03-15T00:00:00Z")?;
        if to < from {
            return Err("to is before from".into());
        }
        let anchor = line.anchor.as_ref().map(|anchor| anchor.0.as_ref());
        if anchor.is_some_and(|anchor| Written::parse(anchor).is_none()) {
            return Err(
                "anchor is no date or date-time: write it as 2026-03-08 or 2026-03-08T08:00:00"
                    .into(),
            );
        }
        let routine = self.routine(line.routine)?;
        let Read { dosages, remarks } =
            dosages(line.timing, line.dosage, line.dosages, line.text.as_ref())?;
        let context = |anchor| Context { zone: &zone, routine: &routine, anchor };
        let mut expansion = match anchor {
            Some(anchor) => timing::expand(&dosages, context(anchor), from, to),
            None => unanchored(&dosages, context, from, to)?,
        };
        expansion.notes.extend(remarks.iter().map(form_note));
        Ok(expansion)
    }

    fn routine(&mut self, written: Option<&RawValue>) -> Result<Arc<Routine>, Fault> {
        let Some(written) = written else { return Ok(Arc::clone(&self.plain)) };
        if let Some(known) = self.routines.get(written.get()) {
            return Ok(Arc::clone(known));
        }
        let read = serde_json::from_str(written.get()).map_err(|_| "routine is no object")?;
        let routine = Arc::new(routines::read(&read)?);
        if self.routines.len() < ROUTINES_KEPT {
            self.routines.insert(written.get().into(), Arc::clone(&routine));
        }
        Ok(routine)
    }
}

/// A remark of the reader as a note.
pub(super) fn form_note(remark: &Remark) -> Note {
    Note { rule: "form".to_owned(), text: remark.to_string() }
}

fn parsed(text: &str) -> Result<Line<'_>, Remark> {
    // serde would take a list for an object, by position.
    if !text.starts_with('{') {
        return Err(Remark::at(".", crate::import::Why::NotAnObject));
    }
    strict(text)
}

fn instant(text: Option<&Text<'_>>) -> Option<UtcMs> {
    match Written::parse(&text?.0)? {
        Written::Instant(at) => Some(at),
        Written::Date(_) | Written::Local(_) => None,
    }
}

/// The dosages of a line, from whichever key holds them.
fn dosages(
    timing: Option<WrittenTiming>,
    dosage: Option<WrittenDosage>,
    dosages: Option<WrittenDosages>,
    text: Option<&Text<'_>>,
) -> Result<Read, Fault> {
    let read = match (timing, dosage, dosages, text) {
        (Some(timing), None, None, None) => timing.read("timing"),
        (None, Some(dosage), None, None) => dosage.read("dosage"),
        (None, None, Some(dosages), None) => dosages.read("dosages"),
        (None, None, None, Some(text)) => {
            let parsed = timing::text::parse(&text.0);
            let dosages = parsed.map_err(|fault| format!("text: {fault}"))?;
            Read { dosages, ..Read::default() }
        }
        (None, None, None, None) => Read::default(),
        _ => return Err("only one of timing, dosage, dosages and text may be there".into()),
    };
    if read.dosages.is_empty() {
        return Err("nothing to expand: give one of timing, dosage, dosages and text".into());
    }
    if read.dosages.len() > usize::from(MAX_DOSAGES) {
        return Err(
            format!("more than {MAX_DOSAGES} dosages are no order: give it in parts").into()
        );
    }
    Ok(read)
}

/// Expands what has no anchor; possible where it brings a start of its own, needs none, or is never scheduled.
fn unanchored<'a>(
    dosages: &[Dosage],
    context: impl Fn(&'a str) -> Context<'a>,
    from: UtcMs,
    to: UtcMs,
) -> Result<Expansion, Fault> {
    let lacks_start =
        |notes: &[Note]| notes.iter().any(|note| note.rule == Decision::Anchor.rule());
    let expansion = timing::expand(dosages, context(NO_ANCHOR), from, to);
    if !lacks_start(&expansion.notes) {
        return Ok(expansion);
    }
    let scheduled: Vec<Dosage> =
        dosages.iter().filter(|dosage| !dosage.is_as_needed()).cloned().collect();
    if lacks_start(&timing::compile(&scheduled, context(NO_ANCHOR)).notes()) {
        return Err("anchor is missing, and the timing has no start of its own: give the date it counts from".into());
    }
    Ok(timing::expand(dosages, context(ANY_ANCHOR), from, to))
}

/// The id of a line that cannot be read, if it stands there once and whole.
fn id_of(line: &[u8]) -> Option<&RawValue> {
    struct Object<'i, 'a>(&'i mut Vec<&'a RawValue>);

    impl<'a> Visitor<'a> for Object<'_, 'a> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                if key == "id" {
                    self.0.push(map.next_value()?);
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(())
        }
    }

    let mut ids = Vec::new();
    // Whatever comes after the fault does not matter.
    let _ = serde_json::Deserializer::from_slice(line).deserialize_map(Object(&mut ids));
    let [id] = ids.as_slice() else { return None };
    // A number at the very end may go on where the line was cut.
    let number = id.get().ends_with(|c: char| c.is_ascii_digit());
    (!number || !line.ends_with(id.get().as_bytes())).then_some(*id)
}

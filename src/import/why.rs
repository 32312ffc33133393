//! Everything that an import notices, one variant each: the list of the reasons in its reports.

use crate::import::phone::AddressFault;
use serde::{Deserialize, Serialize};

/// What was noticed, with its facts; the text says how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "kebab-case", rename_all_fields = "snake_case")]
pub enum Why {
    /// The operating system refused.
    #[error("the file cannot be read ({kind})")]
    Unreadable {
        /// Kind of the error.
        kind: String,
    },
    /// UTF-16.
    #[error("the file is UTF-16; save it as UTF-8 (in Excel: \"CSV UTF-8\")")]
    Utf16,
    /// Some other encoding, most likely Windows-1252.
    #[error(
        "the text is not UTF-8, most likely Windows-1252; save it as UTF-8 (in Excel: \"CSV UTF-8\")"
    )]
    NotUtf8,
    /// gzip or zip.
    #[error("the file is compressed ({form}); unpack it, or export a workbook as \"CSV UTF-8\"")]
    Compressed {
        /// Which form.
        form: String,
    },
    /// Too large for one piece.
    #[error("larger than {limit_bytes} bytes; split it, or give one resource per line (NDJSON)")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// Nothing that the importer knows.
    #[error("neither FHIR JSON, nor NDJSON, nor a CSV file with known columns")]
    NotData,
    /// An XML document.
    #[error("FHIR XML is not read; export JSON")]
    Xml,
    /// Broken JSON.
    #[error("not JSON: {kind} at line {line}, column {column}")]
    Syntax {
        /// Kind of the fault.
        kind: String,
        /// Line, from 1, within the resource's document.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// No type.
    #[error("has no resourceType, so it is no FHIR resource")]
    NoResourceType,
    /// An array at the top.
    #[error("an array is no FHIR resource; wrap the resources in a Bundle or give NDJSON")]
    Array,
    /// A key given twice.
    #[error("the key is given twice, and which one holds cannot be known; keep one")]
    DuplicateKey,
    /// Objects and lists within each other without end.
    #[error("more than {limit} objects and lists within each other; FHIR has no use for so many")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Text, a list or whatever else.
    #[error("is no JSON object")]
    NotAnObject,
    /// Another type than the standard's.
    #[error("is {found}, not {expected}")]
    WrongType {
        /// What it is.
        found: String,
        /// What the standard has there.
        expected: String,
    },
    /// The importer itself failed.
    #[error("the importer broke on it; please report this")]
    Broke,
    /// Another resource type.
    #[error("resources of this type carry no reminders")]
    OtherType,
    /// `search.mode` include or outcome.
    #[error("came along with a search (search.mode {mode}) and is used to resolve references only")]
    SearchCompany {
        /// The mode.
        mode: String,
    },
    /// An entry that has no resource.
    #[error("the entry has no resource ({method})")]
    NoResource {
        /// Its request's method, or `no request`.
        method: String,
    },
    /// A Bundle or file with nothing in it.
    #[error("nothing is in it")]
    Empty,
    /// A newer version of the same resource is in the same document.
    #[error("a newer version of it is in the same document")]
    OlderVersion,
    /// The same once more.
    #[error("the same resource is in the document twice")]
    Twice,
    /// Versions that nothing orders.
    #[error("the document holds different versions of it and nothing says which is the newest")]
    Contradiction,
    /// One key, several things.
    #[error(
        "its business identifier also stands on another resource, so it is kept apart by its id"
    )]
    SharedIdentifier,
    /// History entries that cannot be ordered.
    #[error("a deletion in a history needs response.lastModified to be ordered")]
    NoTime,
    /// A deletion of something that was never imported.
    #[error("names neither a type and id nor an identifier to delete")]
    DeletesWhat,
    /// A number as text or the like.
    #[error("is {found}; the standard has {expected}; taken as meant")]
    Loose {
        /// What it is.
        found: String,
        /// What the standard has there.
        expected: String,
    },
    /// `Active` for `active`.
    #[error("codes are case-sensitive; taken in lower case")]
    Case,
    /// Nothing to know it by.
    #[error("has neither identifier nor id, and too little else to be known again by")]
    NoIdentity,
    /// Whom it is for is not said.
    #[error("does not say whose it is; give a reference to a Patient")]
    NoSubject,
    /// The patient it names was not taken.
    #[error("names a patient of the same document who was rejected")]
    PatientRejected,
    /// For somebody else.
    #[error("is addressed to somebody else than the patient")]
    NotForPatient,
    /// An unknown zone.
    #[error("is not a time zone that any source knows; use an IANA name such as Africa/Nairobi")]
    UnknownZone,
    /// A bare offset.
    #[error("is an offset, not a time zone; use an IANA name such as Africa/Nairobi")]
    OffsetIsNoZone,
    /// No zone in the record.
    #[error("names no time zone; the programme's is used")]
    ZoneDefaulted,
    /// The programme's zone is unknown.
    #[error("the programme's zone is unknown; correct `zone` in programme.toml")]
    ProgrammeZone,
    /// A language that is no language tag.
    #[error("is not a BCP 47 language tag; the programme's language is used")]
    UnknownLanguage,
    /// An address that cannot be used.
    #[error("not used: {0}")]
    Address(AddressFault),
    /// A landline.
    #[error(
        "is a landline, which takes no SMS: kept for WhatsApp alone, after every other address"
    )]
    Landline,
    /// No channel reaches the patient.
    #[error("no address is usable, so nothing can be sent; the patient is imported")]
    Unreachable,
    /// No status.
    #[error("has no status; a person must say whether it is in force")]
    NoStatus,
    /// A status outside the value set.
    #[error("is not a status that the standard knows; a person must say whether it is in force")]
    UnknownStatus,
    /// No intent.
    #[error("has no intent; a person must say whether it is an order")]
    NoIntent,
    /// An intent that is no order.
    #[error("is a {intent}, not an order; nothing is sent")]
    NotAnOrder {
        /// The intent.
        intent: String,
    },
    /// `doNotPerform`.
    #[error("says not to do it; nothing is sent")]
    DoNotPerform,
    /// A modifier extension.
    #[error("a modifier extension may change the meaning; a person must look at it")]
    Modifier,
    /// Text where a schedule should be.
    #[error("the schedule is text; a person must look at it")]
    TextSchedule,
    /// No name of the drug.
    #[error("the medicine's name is not in the document")]
    NoDrug,
    /// A date that is none.
    #[error("is not a FHIR date or date-time (YYYY-MM-DD, or with a time and offset)")]
    NotADate,
    /// An appointment without a start.
    #[error("has no start")]
    NoStart,
    /// Nothing says when.
    #[error("says nothing of when, so it is never due")]
    NoTiming,
    /// Material that is not the programme's.
    #[error(
        "names no material of the programme: words go out alone until programme.toml has it under media"
    )]
    UnknownMaterial,
    /// Material with what takes none.
    #[error("goes with education, lifestyle and notices, not with {kind}: it is left out")]
    MaterialHere {
        /// The activity's kind.
        kind: String,
    },
    /// More than one.
    #[error("is one more material; the first one is sent")]
    MoreMaterial,
    /// A reference that leads nowhere within the document.
    #[error("leads nowhere in this document")]
    Dangling,
    /// A consent to something else.
    #[error(
        "does not speak of reminders or messages; name its category in the programme's consent_categories if it does"
    )]
    OtherConsent,
    /// A consent that decides nothing yet.
    #[error("decides nothing: {state}")]
    Undecided {
        /// What it is instead.
        state: String,
    },
    /// A row of another length than the header.
    #[error("the row has {found} cells, the header {expected}; check quotes and separators")]
    Ragged {
        /// Cells in the row.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// A column that must be there.
    #[error("the header has no such column")]
    NoColumn,
    /// One order in two rows that differ.
    #[error("is the order of line {line}, but differs; give each order its own order_id")]
    SameOrder {
        /// The first row.
        line: u64,
    },
    /// Columns that mean nothing here.
    #[error("unknown columns are left out: {names}")]
    UnknownColumns {
        /// Their names.
        names: String,
    },
    /// Two columns of one meaning.
    #[error("two columns mean {column}; keep one")]
    TwiceColumn {
        /// The meaning.
        column: String,
    },
    /// A cell that must be filled.
    #[error("is empty")]
    Missing,
    /// A cell that is not one of the words known.
    #[error("is not understood; use {expected}")]
    NotUnderstood {
        /// What is understood.
        expected: String,
    },
    /// A text of the timing column that is no timing.
    #[error("character {character} {found}; {expected}")]
    Phrase {
        /// Where, in characters from 1.
        character: usize,
        /// What is wrong there.
        found: String,
        /// What to write, with an example.
        expected: String,
    },
    /// A date that could be read two ways.
    #[error("could be day/month or month/day; write YYYY-MM-DD")]
    AmbiguousDate,
    /// Two rows of one patient disagree.
    #[error("differs from line {line}, which is of the same patient")]
    Disagrees {
        /// The earlier row.
        line: u64,
    },
    /// A consent without its date.
    #[error("no date of the consent; the time of the import is recorded")]
    ConsentUndated,
    /// Older than what is stored.
    #[error("is an older version than the one stored, which stays")]
    Stale,
    /// Another birth date.
    #[error(
        "differs from the birth date of the stored patient with this identifier; nothing was changed, a person must say who is who"
    )]
    OtherBirthDate,
    /// The patient it names is in doubt.
    #[error("names a patient whose birth date is in doubt; nothing was changed")]
    PatientInDoubt,
    /// Its names lead to several things.
    #[error("its identifiers name several different stored records; nothing was changed")]
    Ambiguous,
    /// A name that belongs to somebody else's record.
    #[error("is stored as another patient's; nothing was changed")]
    OtherPatient,
    /// The subject is not known yet.
    #[error(
        "names a patient who is not known yet; kept, and imported when the patient is; nothing is sent before"
    )]
    WaitsForPatient,
    /// An address of several people.
    #[error("{people} other active patients use the same address; a STOP from it stops all")]
    SharedAddress {
        /// How many.
        people: usize,
    },
    /// The same drug twice.
    #[error(
        "another active order of the same medicine overlaps with it; this one waits until a person confirms it"
    )]
    SameMedicine,
    /// Another order took its place.
    #[error("another one that is stored replaces it")]
    Replaced,
    /// A deletion of what is not there.
    #[error("is not in the store, so there is nothing to delete")]
    NotStored,
    /// Died; terminal.
    #[error(
        "the patient is recorded as deceased and stays so; if that was an error, register the patient anew"
    )]
    Deceased,
    /// The record was merged into another.
    #[error(
        "the record was merged into another one; its orders end here, import those of the other record"
    )]
    Merged,
    /// A plan that takes another's place later.
    #[error(
        "starts later; the plan it replaces goes on, import this one again once it has started"
    )]
    StartsLater,
    /// A patient of another programme.
    #[error("the patient is in programme {programme} and stays there")]
    OtherProgramme {
        /// Which.
        programme: String,
    },
    /// The programme of an intake row.
    #[error("the programme is unknown; add it under schedules/programmes, or correct the column")]
    UnknownProgramme,
    /// The kind of an intake row.
    #[error("the kind is unknown; use fhir or csv")]
    UnknownKind,
    /// A CSV row that is no JSON object.
    #[error("is no JSON object of columns and texts")]
    NotColumns,
    /// The patient refused, and the consent has no date.
    #[error("the patient has said no; a consent without a date cannot be newer, give its date")]
    RefusalStands,
    /// A rule of time that a person must confirm.
    #[error("{rule}: {text}")]
    Timing {
        /// The decision's short name.
        rule: String,
        /// What is decided.
        text: String,
    },
    /// A cell with a NUL, or one that is too long.
    #[error("holds a NUL character or more than {limit_bytes} bytes")]
    BadCell {
        /// The limit.
        limit_bytes: usize,
    },
}

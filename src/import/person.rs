//! What both formats know of a person: zone, language, addresses.

use crate::care::patient::Origin;
use crate::care::{Address, ChannelKind, ContactPoint};
use crate::import::Settings;
use crate::import::fhir::json::Remarks;
use crate::import::phone::{self, Line, Number};
use crate::import::report::Remark;
use crate::import::why::Why;

/// The patient's zone: the record's, else the programme's.
///
/// # Errors
/// When the zone is not known: a reminder by a wrong clock is worse than none (design.md P7).
pub(crate) fn zone(
    written: Option<&str>,
    path: &str,
    settings: &Settings<'_>,
    remarks: &mut Remarks,
) -> Result<(String, Origin), Remark> {
    let Some(name) = written.map(str::trim).filter(|name| !name.is_empty()) else {
        let default = &settings.programme.zone;
        if settings.zones.zone(default).is_none() {
            return Err(Remark::at(path, Why::ProgrammeZone));
        }
        remarks.add(path, Why::ZoneDefaulted);
        return Ok((default.clone(), Origin::Defaulted));
    };
    if is_offset(name) {
        return Err(Remark::at(path, Why::OffsetIsNoZone));
    }
    match settings.zones.zone(name) {
        Some(_) => Ok((name.to_owned(), Origin::Given)),
        None => Err(Remark::at(path, Why::UnknownZone)),
    }
}

fn is_offset(name: &str) -> bool {
    let bare = name.trim_start_matches("UTC").trim_start_matches("GMT");
    bare.starts_with(['+', '-', '−'])
        || (!bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit() || c == ':'))
}

/// The patient's language: the record's, else the programme's.
pub(crate) fn language(
    written: Option<&str>,
    path: &str,
    settings: &Settings<'_>,
    remarks: &mut Remarks,
) -> String {
    let Some(tag) = written.map(str::trim).filter(|tag| !tag.is_empty()) else {
        return settings.programme.language.clone();
    };
    let tag = SHORTER.iter().find(|(long, _)| *long == tag).map_or(tag, |(_, short)| short);
    match tag.parse::<unic_langid::LanguageIdentifier>() {
        Ok(language) if language.language.as_str() != "und" => language.to_string(),
        _ => {
            remarks.add(path, Why::UnknownLanguage);
            settings.programme.language.clone()
        }
    }
}

/// Three-letter codes (ISO 639-3), as RapidPro writes them, of languages that BCP 47 calls by two letters.
const SHORTER: &[(&str, &str)] = &[
    ("afr", "af"),
    ("amh", "am"),
    ("ara", "ar"),
    ("ben", "bn"),
    ("deu", "de"),
    ("eng", "en"),
    ("fas", "fa"),
    ("fra", "fr"),
    ("hau", "ha"),
    ("hin", "hi"),
    ("ibo", "ig"),
    ("ind", "id"),
    ("ita", "it"),
    ("khm", "km"),
    ("kin", "rw"),
    ("lug", "lg"),
    ("mya", "my"),
    ("nep", "ne"),
    ("nld", "nl"),
    ("nya", "ny"),
    ("pol", "pl"),
    ("por", "pt"),
    ("rus", "ru"),
    ("sna", "sn"),
    ("som", "so"),
    ("spa", "es"),
    ("swa", "sw"),
    ("swh", "sw"),
    ("tam", "ta"),
    ("tel", "te"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("urd", "ur"),
    ("vie", "vi"),
    ("wol", "wo"),
    ("xho", "xh"),
    ("yor", "yo"),
    ("zho", "zh"),
    ("zul", "zu"),
];

/// Contact points in order of preference. A phone number stands for WhatsApp and SMS alike; which of them is
/// used is the programme's and the consent's business.
#[derive(Default)]
pub(crate) struct Contacts {
    points: Vec<ContactPoint>,
    /// Numbers of landlines: they may be on WhatsApp, but whatever else there is comes first.
    landlines: Vec<Address>,
    last_rank: u16,
}

impl Contacts {
    /// Adds a phone number for the given channels, or remarks why it cannot be used.
    pub(crate) fn phone(
        &mut self,
        written: &str,
        channels: &[ChannelKind],
        path: &str,
        settings: &Settings<'_>,
        remarks: &mut Remarks,
    ) {
        match phone::phone(written, settings.programme.phone_region.as_deref()) {
            Ok(Number { address, line: Line::Mobile }) => self.add(&address, channels),
            Ok(Number { address, line: Line::Landline })
                if channels.contains(&ChannelKind::Whatsapp) =>
            {
                remarks.add(path, Why::Landline);
                self.landlines.push(address);
            }
            Ok(Number { line: Line::Landline, .. }) => {
                remarks.add(path, Why::Address(phone::takes_none("fixed-line")));
            }
            Err(fault) => remarks.add(path, Why::Address(fault)),
        }
    }

    /// Adds an email address, or remarks why it cannot be used.
    pub(crate) fn email(&mut self, written: &str, path: &str, remarks: &mut Remarks) {
        match phone::email(written) {
            Ok(address) => self.add(&address, &[ChannelKind::Email]),
            Err(fault) => remarks.add(path, Why::Address(fault)),
        }
    }

    fn add(&mut self, address: &Address, channels: &[ChannelKind]) {
        self.last_rank = self.last_rank.saturating_add(1);
        for &channel in channels {
            let known = |p: &ContactPoint| p.channel == channel && p.address == *address;
            if !self.points.iter().any(known) {
                let rank = self.last_rank;
                self.points.push(ContactPoint { channel, address: address.clone(), rank });
            }
        }
    }

    /// All of them; remarks when there is none.
    pub(crate) fn finish(mut self, path: &str, remarks: &mut Remarks) -> Vec<ContactPoint> {
        for address in std::mem::take(&mut self.landlines) {
            self.add(&address, &[ChannelKind::Whatsapp]);
        }
        if self.points.is_empty() {
            remarks.add(path, Why::Unreachable);
        }
        self.points
    }
}

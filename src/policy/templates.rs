//! Whether a programme's template may be used as its provider lists it, told before a patient waits for it.

use crate::care::ListedTemplate;
use crate::care::programme::WhatsappTemplate;

/// States in which a provider sends by a template. What is flagged may be paused soon.
const USABLE: [&str; 2] = ["APPROVED", "FLAGGED"];

/// What stands in the way of a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The provider has none of this name in this language.
    #[error(
        "the provider has no such template in this language: create it there, or correct its name"
    )]
    Missing,
    /// It is not approved, or not any more.
    #[error("the provider says it is {status}: see WhatsApp Manager")]
    Status {
        /// The provider's word.
        status: String,
    },
    /// It is sorted among what reminders may not go by.
    #[error("it is sorted as {category}: have it reviewed, or allow it in template_categories")]
    Category {
        /// The provider's word.
        category: String,
    },
    /// It has other parameters than the programme fills.
    #[error("it has {listed}, the programme fills {filled}: make them agree")]
    Parameters {
        /// What the provider lists.
        listed: String,
        /// What the programme has.
        filled: String,
    },
    /// It has other quick replies than the programme knows.
    #[error(
        "it has {listed} quick replies, the programme's `buttons` name {named}: make them agree"
    )]
    Buttons {
        /// How many the provider lists.
        listed: usize,
        /// How many the programme has.
        named: usize,
    },
    /// It has another header than its name in the programme says.
    #[error(
        "it has {header}, by its name in the programme it has {wanted}: correct one of the two"
    )]
    Header {
        /// What it has, by the provider's list.
        header: String,
        /// What the programme says.
        wanted: String,
    },
    /// The provider would try for its own default of days.
    #[error("its message_send_ttl_seconds is not set there: set it to {declared}")]
    NoTtl {
        /// What the programme says.
        declared: u32,
    },
    /// The provider would try longer than the programme believes (P5).
    #[error(
        "its message_send_ttl_seconds is {listed} there, the programme says {declared}: make them agree"
    )]
    LongTtl {
        /// What the provider lists.
        listed: u32,
        /// What the programme says.
        declared: u32,
    },
    /// A provider refused a message because of it.
    #[error("the provider refused it with code {code}")]
    Refused {
        /// The provider's code.
        code: String,
    },
}

/// The first thing that stands in the way of a template, for one of its languages; `listed` is what the provider's
/// list has under its name there.
///
/// Source: `reference/channels.md` sections 0 and 1.3; design.md P5 and section 6.
pub fn fault_of(
    wanted: &WhatsappTemplate,
    listed: Option<&ListedTemplate>,
    categories: &[String],
) -> Option<Fault> {
    let Some(listed) = listed else { return Some(Fault::Missing) };
    fault_of_status(&listed.status)
        .or_else(|| fault_of_category(&listed.category, categories))
        .or_else(|| fault_of_parameters(wanted, listed))
        .or_else(|| {
            let (listed, named) = (listed.buttons, wanted.buttons.len());
            (listed != named).then_some(Fault::Buttons { listed, named })
        })
        .or_else(|| {
            let told = |kind: &str| match kind {
                "" | "TEXT" => "no file as its header".to_owned(),
                kind => format!("a header of kind {kind}"),
            };
            let meant = wanted.header.map(|kind| kind.word().to_uppercase()).unwrap_or_default();
            let (header, wanted) = (told(&listed.header), told(&meant));
            (header != wanted).then_some(Fault::Header { header, wanted })
        })
        .or_else(|| fault_of_ttl(wanted.ttl_seconds, listed.ttl_seconds))
}

/// What a state says.
pub fn fault_of_status(status: &str) -> Option<Fault> {
    (!USABLE.contains(&status)).then(|| Fault::Status { status: status.to_owned() })
}

/// What a category says.
pub fn fault_of_category(category: &str, categories: &[String]) -> Option<Fault> {
    let is_allowed = categories.iter().any(|allowed| allowed == category);
    (!is_allowed).then(|| Fault::Category { category: category.to_owned() })
}

fn fault_of_parameters(wanted: &WhatsappTemplate, listed: &ListedTemplate) -> Option<Fault> {
    let agree = wanted.parameters.len() == listed.parameters
        && wanted.parameter_names.len() == listed.parameter_names.len()
        && wanted.parameter_names.iter().all(|name| listed.parameter_names.contains(name));
    let told = |count: usize, names: &[String]| match names {
        [] => format!("{count} parameters by number"),
        names => format!("the parameters {}", names.join(", ")),
    };
    (!agree).then(|| Fault::Parameters {
        listed: told(listed.parameters, &listed.parameter_names),
        filled: told(wanted.parameters.len(), &wanted.parameter_names),
    })
}

fn fault_of_ttl(declared: u32, listed: Option<u32>) -> Option<Fault> {
    match listed {
        None => Some(Fault::NoTtl { declared }),
        Some(listed) if listed > declared => Some(Fault::LongTtl { listed, declared }),
        Some(_) => None,
    }
}

/// For how long a refusal of a template is believed where no list says otherwise, in milliseconds; `None` where the
/// code is about one message rather than about the template.
///
/// Source: `reference/channels.md` section 6.
pub fn refused_for_ms(code: &str) -> Option<i64> {
    use crate::care::time::{DAY_MS, HOUR_MS};
    match code {
        // First paused for three hours, then for six.
        "132015" => Some(3 * HOUR_MS),
        "132007" | "132016" => Some(DAY_MS),
        "131064" | "132000" | "132001" | "132068" | "132069" => Some(HOUR_MS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::care::programme::TemplateCategory;
    use crate::care::{MediaKind, Press};

    fn wanted() -> WhatsappTemplate {
        WhatsappTemplate {
            name: "dose".to_owned(),
            languages: [("en".to_owned(), "en".to_owned())].into(),
            parameters: vec!["sender".to_owned(), "time".to_owned()],
            parameter_names: Vec::new(),
            buttons: Vec::new(),
            ttl_seconds: 3_600,
            category: TemplateCategory::default(),
            header: None,
        }
    }

    fn listed() -> ListedTemplate {
        ListedTemplate {
            name: "dose".to_owned(),
            language: "en".to_owned(),
            category: "UTILITY".to_owned(),
            status: "APPROVED".to_owned(),
            quality: "GREEN".to_owned(),
            parameters: 2,
            parameter_names: Vec::new(),
            header: String::new(),
            buttons: 0,
            ttl_seconds: Some(3_600),
        }
    }

    #[test]
    fn p5_a_template_is_used_only_as_the_programme_means_it() {
        let fault = |change: fn(&mut ListedTemplate)| {
            let mut listed = listed();
            change(&mut listed);
            fault_of(&wanted(), Some(&listed), &["UTILITY".to_owned()])
        };
        assert_eq!(fault(|_| ()), None);
        assert_eq!(fault(|l| l.ttl_seconds = Some(30)), None, "a shorter time is no harm");
        assert_eq!(fault(|l| l.status = "FLAGGED".to_owned()), None);
        assert_eq!(fault(|l| l.header = "TEXT".to_owned()), None);
        for (change, word) in [
            ((|l| l.status = "PAUSED".to_owned()) as fn(&mut ListedTemplate), "PAUSED"),
            (|l| l.status = "DISABLED".to_owned(), "DISABLED"),
            (|l| l.status = "PENDING".to_owned(), "PENDING"),
            (|l| l.category = "MARKETING".to_owned(), "MARKETING"),
            (|l| l.parameters = 3, "3 parameters"),
            (|l| l.parameter_names = vec!["a".to_owned(), "b".to_owned()], "the parameters a, b"),
            (|l| l.buttons = 2, "2 quick replies"),
            (|l| l.header = "IMAGE".to_owned(), "IMAGE"),
            (|l| l.ttl_seconds = None, "not set"),
            (|l| l.ttl_seconds = Some(3_601), "3601"),
        ] {
            let told = fault(change).unwrap().to_string();
            assert!(told.contains(word), "{told}");
        }
        let film = WhatsappTemplate { header: Some(MediaKind::Video), ..wanted() };
        let of_film = ListedTemplate { header: "VIDEO".to_owned(), ..listed() };
        let utility = ["UTILITY".to_owned()];
        assert_eq!(fault_of(&film, Some(&of_film), &utility), None);
        let told = fault_of(&film, Some(&listed()), &utility).unwrap().to_string();
        assert!(told.contains("no file") && told.contains("VIDEO"), "{told}");
        assert_eq!(fault_of(&wanted(), None, &[]), Some(Fault::Missing));
        let pressed = WhatsappTemplate { buttons: vec![Press::Done, Press::Help], ..wanted() };
        let pressable = ListedTemplate { buttons: 2, ..listed() };
        let utility = ["UTILITY".to_owned()];
        assert_eq!(fault_of(&pressed, Some(&pressable), &utility), None);
        let none = Some(Fault::Buttons { listed: 0, named: 2 });
        assert_eq!(fault_of(&pressed, Some(&listed()), &utility), none);
        let marketing = ListedTemplate { category: "MARKETING".to_owned(), ..listed() };
        let both = ["UTILITY".to_owned(), "MARKETING".to_owned()];
        assert_eq!(fault_of(&wanted(), Some(&marketing), &both), None);
        let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let by_name = ListedTemplate { parameter_names: names(&["b", "a"]), ..listed() };
        let filled = WhatsappTemplate { parameter_names: names(&["a", "b"]), ..wanted() };
        assert_eq!(fault_of(&filled, Some(&by_name), &both), None);
    }

    #[test]
    fn a_refusal_holds_the_template_only_where_it_is_about_the_template() {
        for (code, holds) in [
            ("132015", true),
            ("132016", true),
            ("132001", true),
            ("132000", true),
            ("132018", false),
            ("132005", false),
            ("132012", false),
            ("131026", false),
        ] {
            assert_eq!(refused_for_ms(code).is_some(), holds, "{code}");
        }
    }
}

//! Which WhatsApp template carries a message, and its parameters.

use super::parameters::parameters;
use super::render::Variables;
use super::saying::{NotRenderable, Repeat, Saying, Template};
use super::{MessageName, files::normal_tag};
use crate::care::programme::WhatsappTemplate;
use crate::care::{MediaKind, Programme, TextStyle};

/// Ends the key of a second template, whose TTL is shorter.
const SHORT: &str = "-short";
/// A template that fits a saying.
pub(super) struct Chosen<'a> {
    template: &'a WhatsappTemplate,
    /// The style that the template speaks in.
    pub style: TextStyle,
}

/// The template with the longest TTL that is still shorter than what is left of the message (P5): the longer a
/// provider tries, the likelier it arrives.
///
/// A programme names templates by message: `dose`, `dose-overt`; `-repeat` after it for one that says that it
/// may be a repeat; `-video` (or another kind) for one with a file as its header; `-short` at the end for a second one
/// with a shorter TTL. Where an overt template is absent,
/// the discreet one serves: Meta must approve texts, and few drug names pass.
pub(super) fn choose<'a>(
    programme: &'a Programme,
    saying: &Saying,
    style: TextStyle,
    valid_for_seconds: i64,
) -> Result<Chosen<'a>, NotRenderable> {
    let mut named = Vec::new();
    // One that shows the material, in whatever style, says more than one that names it.
    let with_file =
        saying.material.file.map(|kind| [style, TextStyle::Discreet].map(|s| (s, Some(kind))));
    let bare = [style, TextStyle::Discreet].map(|style| (style, None));
    for (style, header) in with_file.into_iter().flatten().chain(bare) {
        let mut key = key(saying.what, style, saying.repeat);
        if let Some(kind) = header {
            key = with_header(&key, kind);
        }
        let both = [format!("{key}{SHORT}"), key];
        named = both.iter().filter_map(|key| programme.whatsapp_templates.get(key)).collect();
        let speaks = |t: &&&WhatsappTemplate| code_in(t, &saying.language).is_some();
        let fits = |t: &&&WhatsappTemplate| i64::from(t.ttl_seconds) < valid_for_seconds;
        let fitting = named.iter().filter(speaks).filter(fits);
        if let Some(template) = fitting.max_by_key(|template| template.ttl_seconds) {
            return Ok(Chosen { template, style });
        }
    }
    let speaking = named.iter().filter(|t| code_in(t, &saying.language).is_some());
    if let (Some(template), 0) = (named.first(), speaking.clone().count()) {
        let (template, language) = (template.name.clone(), saying.language.clone());
        return Err(NotRenderable::NoTemplateLanguage { template, language });
    }
    Err(match speaking.min_by_key(|template| template.ttl_seconds) {
        Some(shortest) => NotRenderable::OutlivesMessage {
            template: shortest.name.clone(),
            ttl_seconds: shortest.ttl_seconds,
            valid_for_seconds,
        },
        None => NotRenderable::NoTemplate {
            programme: programme.name.clone(),
            message: key(saying.what, TextStyle::Discreet, saying.repeat),
        },
    })
}

impl Chosen<'_> {
    /// The template with its parameters filled in.
    pub(super) fn fill(
        &self,
        variables: &Variables,
        saying: &Saying,
    ) -> Result<Template, NotRenderable> {
        let tag = normal_tag(&saying.language);
        let value = |name: &String| {
            variables.value(name, saying.form, &tag).ok_or_else(|| NotRenderable::Broken {
                message: self.template.name.clone(),
                language: saying.language.clone(),
                what: format!("there is no variable {name}"),
            })
        };
        let values: Vec<String> =
            self.template.parameters.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Template {
            name: self.template.name.clone(),
            language: self.language(&saying.language)?,
            names: self.template.parameter_names.clone(),
            parameters: parameters(&values)?,
            buttons: self.template.buttons.clone(),
            ttl_seconds: self.template.ttl_seconds,
            category: self.template.category,
            header: self.template.header,
        })
    }

    fn language(&self, language: &str) -> Result<String, NotRenderable> {
        code_in(self.template, language).ok_or_else(|| NotRenderable::NoTemplateLanguage {
            template: self.template.name.clone(),
            language: language.to_owned(),
        })
    }
}

/// Meta's code for a language, by the same shortening as for texts: Meta itself never falls back.
pub(super) fn code_in(template: &WhatsappTemplate, language: &str) -> Option<String> {
    let tag = normal_tag(language);
    let mut tags = std::iter::successors(Some(tag.as_str()), |tag| Some(tag.rsplit_once('-')?.0));
    let approved = &template.languages;
    let found = tags.find_map(|tag| approved.iter().find(|(ours, _)| normal_tag(ours) == tag));
    found.map(|(_, code)| code.clone())
}

fn key(what: MessageName, style: TextStyle, repeat: Repeat) -> String {
    match repeat {
        Repeat::First => what.id(style),
        Repeat::Again => format!("{}-repeat", what.id(style)),
    }
}

/// Every key that a programme may name a template by, with the style that it speaks in.
pub(super) fn known_keys() -> Vec<(String, TextStyle)> {
    let mut keys = Vec::new();
    for what in MessageName::ALL {
        for style in what.styles() {
            for repeat in [Repeat::First, Repeat::Again] {
                let key = key(what, *style, repeat);
                let with = MediaKind::ALL.into_iter().filter(|_| what.takes_material());
                for key in with.map(|kind| with_header(&key, kind)).chain([key.clone()]) {
                    keys.push((format!("{key}{SHORT}"), *style));
                    keys.push((key, *style));
                }
            }
        }
    }
    keys
}

pub(super) fn with_header(key: &str, kind: MediaKind) -> String {
    format!("{key}-{}", kind.word())
}

/// The kind of file that a template's header takes, by the key that it is named by.
pub(super) fn header_of(key: &str) -> Option<MediaKind> {
    let key = key.strip_suffix(SHORT).unwrap_or(key);
    MediaKind::ALL.into_iter().find(|kind| {
        let suffix = with_header("", *kind);
        key.strip_suffix(suffix.as_str()).is_some()
    })
}

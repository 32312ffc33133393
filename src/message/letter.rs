//! What is said as HTML: mails, and the page behind their link to unsubscribe. Everything is escaped, and nothing is
//! fetched when it is opened.

use super::files::CatalogueProblem;
use super::render::{flat, is_right_to_left};
use super::saying::{NotRenderable, Rendered};
use super::{Catalogue, catalogue::Texts};
use crate::care::{Phi, Programme};
use fluent_bundle::FluentArgs;
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};
use std::path::Path;

/// The templates by their files' names, with the copy in the binary.
const TEMPLATES: [(&str, &str); 2] = [
    ("mail.html", include_str!("../../schedules/mail.html")),
    ("page.html", include_str!("../../schedules/page.html")),
];
/// What makes a reader's program fetch something, in small letters.
const FETCHES: [&str; 9] =
    ["src=", "srcset=", "background=", "<link", "<script", "<iframe", "<object", "@import", "url("];
const SAMPLE: &str = "Sample & more";
const SAMPLE_LINE: &str = "Sample text & more";
const SAMPLE_URL: &str = "https://sample.invalid/u/a";
const SAMPLE_LINK: &str = "https://sample.invalid/m/a";

/// The templates, compiled and tried.
#[derive(Debug)]
pub(super) struct Letters(Environment<'static>);

/// A mail's body, twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// As plain text.
    pub text: Phi<String>,
    /// As HTML.
    pub html: Phi<String>,
}

/// The page behind the link to unsubscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeavingPage {
    /// Whether the patient means it, with a button.
    Ask,
    /// It is done.
    Done,
}

impl Letters {
    /// Reads the copy in the binary and lays `overlay` (the folder `schedules.dir`) over it.
    pub(super) fn load(overlay: Option<&Path>) -> Result<Self, Vec<CatalogueProblem>> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut problems = Vec::new();
        for (name, built_in) in TEMPLATES {
            let file = overlay.map(|folder| folder.join(name)).filter(|file| file.exists());
            let shown = file
                .as_ref()
                .map_or_else(|| format!("built-in {name}"), |file| file.display().to_string());
            let text = match file.map(std::fs::read_to_string) {
                None => Ok(built_in.to_owned()),
                Some(read) => read.map_err(|fault| format!("it cannot be read ({})", fault.kind())),
            };
            let tried = text.and_then(|text| {
                environment
                    .add_template_owned(name, text)
                    .map_err(|fault| fault_of(&fault))
                    .and_then(|()| try_out(&environment, name))
            });
            problems.extend(tried.err().map(|what| CatalogueProblem {
                file: shown,
                place: "the template".to_owned(),
                what,
                fix: format!("begin with a copy of the built-in {name}"),
            }));
        }
        if problems.is_empty() { Ok(Self(environment)) } else { Err(problems) }
    }

    fn render(&self, name: &str, values: Value) -> Result<String, String> {
        render(&self.0, name, values)
    }
}

fn render(environment: &Environment<'_>, name: &str, values: Value) -> Result<String, String> {
    let template = environment.get_template(name);
    template.and_then(|template| template.render(values)).map_err(|fault| fault_of(&fault))
}

/// What a template's fault is, without the values it was rendered with.
fn fault_of(fault: &minijinja::Error) -> String {
    let line = fault.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    format!("{}{line}", fault.kind())
}

/// Whether a template says what it must, escapes it, and fetches nothing.
fn try_out(environment: &Environment<'_>, name: &str) -> Result<(), String> {
    let lines = vec![SAMPLE_LINE];
    let mail = context! { language => "ar", direction => "rtl", subject => SAMPLE, lines => lines,
    links => vec![SAMPLE_LINK], material => SAMPLE, unsubscribe_url => SAMPLE_URL, unsubscribe => SAMPLE };
    let page =
        context! { language => "ar", direction => "rtl", text => SAMPLE_LINE, button => SAMPLE };
    let html = render(environment, name, if name == "mail.html" { mail } else { page })?;
    let must_say: &[&str] = match name {
        "mail.html" => &["Sample text &amp; more", "/m/a", "/u/a", "rtl"],
        _ => &["Sample text &amp; more", "method=\"post\"", "rtl"],
    };
    let unescaped = |url: &str| url.replace("&#x2f;", "/");
    let html = unescaped(&html);
    if let Some(missing) = must_say.iter().find(|words| !html.contains(**words)) {
        return Err(format!("what it makes of sample values lacks {missing}"));
    }
    let small = html.to_lowercase();
    match FETCHES.into_iter().find(|fetches| small.contains(fetches)) {
        Some(fetches) => Err(format!("{fetches} fetches something when it is opened")),
        None => Ok(()),
    }
}

impl Catalogue {
    /// The mail of a rendered text: with links to its material and to unsubscribe at its end, and the same as HTML.
    ///
    /// # Errors
    /// When the language has no texts, or one does not render.
    pub fn letter(
        &self,
        programme: &Programme,
        language: &str,
        rendered: &Rendered,
        unsubscribe_url: Option<&str>,
    ) -> Result<Letter, NotRenderable> {
        let texts = self.texts_for(programme, language)?;
        let unsubscribe = said(texts, "unsubscribe", programme)?;
        let material = said(texts, "material", programme)?;
        let text = rendered.text.expose();
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let lines: Vec<String> = lines.map(str::to_owned).collect();
        let subject = rendered.subject.as_ref().map_or("", |subject| subject.expose().as_str());
        let values = context! {
            language => texts.language.as_str(),
            direction => direction(texts),
            subject => subject,
            lines => lines,
            links => rendered.links.clone(),
            material => material.as_str(),
            unsubscribe_url => unsubscribe_url,
            unsubscribe => unsubscribe.as_str(),
        };
        let html = self.letters.render("mail.html", values);
        let html = html.map_err(|what| broken(texts, "mail.html", what))?;
        let links = rendered.links.iter().map(|url| format!("\n\n{material}: {url}"));
        let end = unsubscribe_url.map(|url| format!("\n\n{unsubscribe}: {url}"));
        let ends: String = links.chain(end).collect();
        Ok(Letter { text: Phi::new(format!("{text}{ends}\n")), html: Phi::new(html) })
    }

    /// What a calendar shows of an appointment: nothing but whose it is.
    ///
    /// # Errors
    /// When the language has no texts, or it does not render.
    pub fn appointment_title(
        &self,
        programme: &Programme,
        language: &str,
    ) -> Result<Phi<String>, NotRenderable> {
        let texts = self.texts_for(programme, language)?;
        said(texts, "appointment-title", programme).map(Phi::new)
    }

    /// The page behind a mail's link to unsubscribe, as HTML. It names the programme's sender and nobody else.
    ///
    /// # Errors
    /// When the language has no texts, or one does not render.
    pub fn leaving_page(
        &self,
        programme: &Programme,
        language: &str,
        page: LeavingPage,
    ) -> Result<String, NotRenderable> {
        let texts = self.texts_for(programme, language)?;
        let (id, button) = match page {
            LeavingPage::Ask => ("unsubscribe-ask", Some(said(texts, "unsubscribe", programme)?)),
            LeavingPage::Done => ("unsubscribe-done", None),
        };
        let values = context! {
            language => texts.language.as_str(),
            direction => direction(texts),
            text => said(texts, id, programme)?,
            button => button,
        };
        self.letters.render("page.html", values).map_err(|what| broken(texts, "page.html", what))
    }

    fn texts_for(&self, programme: &Programme, language: &str) -> Result<&Texts, NotRenderable> {
        self.texts(&programme.name, language)
            .ok_or_else(|| NotRenderable::NoLanguage { language: language.to_owned() })
    }
}

fn said(texts: &Texts, id: &str, programme: &Programme) -> Result<String, NotRenderable> {
    let mut arguments = FluentArgs::new();
    arguments.set("sender", flat(&programme.sender_name));
    let text = texts.say(id, &arguments).map_err(|what| broken(texts, id, what))?;
    Ok(flat(&text))
}

fn broken(texts: &Texts, message: &str, what: String) -> NotRenderable {
    let language = texts.language.clone();
    NotRenderable::Broken { message: message.to_owned(), language, what }
}

fn direction(texts: &Texts) -> &'static str {
    if is_right_to_left(&texts.language) { "rtl" } else { "ltr" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_a_template_that_fetches_or_hides_something_is_refused() {
        let tried = |text: &str| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("mail.html"), text).unwrap();
            Letters::load(Some(folder.path())).map(drop).map_err(|found| found[0].to_string())
        };
        let built_in = TEMPLATES[0].1;
        assert_eq!(tried(built_in), Ok(()));
        for (text, word) in [
            (built_in.replace("</body>", "<img src=\"https://t.example/p.gif\"></body>"), "src="),
            (built_in.replace("background:", "background: url(x);"), "url("),
            (built_in.replace("{{ line }}", ""), "lacks"),
            (built_in.replace("{{ line }}", "{{ line|safe }}"), "lacks"),
            (built_in.replace("{{ line }}", "{{ lin }}"), "undefined"),
            (built_in.replace("endfor", "endif"), "syntax"),
        ] {
            let found = tried(&text).unwrap_err();
            assert!(found.contains("mail.html") && found.contains(word), "{found}");
        }
    }
}

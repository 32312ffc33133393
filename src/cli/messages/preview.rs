//! `carebell messages preview`.

use super::Texts;
use crate::care::ids::PatientId;
use crate::care::programme::Permission;
use crate::care::time::DAY_MS;
use crate::care::{ChannelKind, MediaKind, Micros, Phi, Press, Programme, TextStyle};
use crate::cli::app::App;
use crate::cli::installation::{When, not_found, opened, rules, standing_of};
use crate::cli::{Context, Exit, Failure, Form, printable, wrapped};
use crate::message::cost::Charge;
use crate::message::segments::Encoding;
use crate::message::survey::{Size, form, number_beginning, sample, size};
use crate::message::{Catalogue, Enclosed, MessageName, Prices, Rendered, Repeat, Saying, media};
use crate::schedule::forecast;
use serde::Serialize;

/// How far a patient's next message is looked for, in days.
const DAYS: i64 = 30;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The message: dose, appointment, help, ...
    #[arg(value_name = "MESSAGE", value_parser = message, required_unless_present = "patient")]
    message: Option<MessageName>,
    /// The next message of this patient instead, in the patient's language and style
    #[arg(long, value_name = "ID", conflicts_with_all = ["message", "programme", "language", "overt", "repeat"])]
    patient: Option<PatientId>,
    /// With --patient: say what is really taken; it is shown in clear
    #[arg(long, requires = "patient")]
    names: bool,
    /// The programme
    #[arg(long, value_name = "NAME", default_value = "general")]
    programme: String,
    /// The language [default: the programme's]
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// As a patient sees it who chose texts that name what is due
    #[arg(long)]
    overt: bool,
    /// As it is sent when it may be a repeat
    #[arg(long)]
    repeat: bool,
    /// With this material of the programme
    #[arg(long, value_name = "NAME", conflicts_with = "patient")]
    material: Option<String>,
    #[command(flatten)]
    form: Form,
}

/// A message over one channel.
#[derive(Serialize)]
struct Shown {
    channel: ChannelKind,
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What {
    Said {
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        template: Option<Box<ShownTemplate>>,
        /// What a mail links to beside its text.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        links: Vec<String>,
        #[serde(flatten)]
        size: Size,
    },
    Unsaid {
        why: String,
    },
}

#[derive(Serialize)]
struct ShownTemplate {
    name: String,
    language: String,
    category: &'static str,
    ttl_seconds: u32,
    parameters: Vec<String>,
    /// What its quick replies say.
    buttons: Vec<Press>,
    /// The kind of file that its header shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<MediaKind>,
}

fn message(word: &str) -> Result<MessageName, String> {
    MessageName::ALL.into_iter().find(|name| name.word() == word).ok_or_else(|| {
        let words = MessageName::ALL.map(MessageName::word).join(", ");
        format!("no such message; there are {words}")
    })
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    match (args.patient, args.message) {
        (Some(patient), _) => opened(context, async |app| next(args, app, patient, context).await),
        (None, Some(message)) => any(args, message, context),
        (None, None) => Ok(()),
    }
}

/// A message with sample values.
fn any(args: &Args, message: MessageName, context: &Context) -> Result<(), Failure> {
    let texts = Texts::read(context)?;
    let programme = texts.programmes.get(&args.programme).ok_or_else(|| {
        not_found("programme", &args.programme, "carebell messages check names them all")
    })?;
    if args.overt && programme.overt_texts == Permission::Denied {
        let message = format!("the programme {} permits no overt texts", programme.name);
        let fix =
            "set overt_texts = \"allowed\" in its programme.toml, if they may be read by others";
        return Err(Failure::new(Exit::Failed, message, fix));
    }
    let language = args.language.as_deref().unwrap_or(&programme.language);
    let style = if args.overt { TextStyle::Overt } else { TextStyle::Discreet };
    let repeat = if args.repeat { Repeat::Again } else { Repeat::First };
    let mut saying = sample(message, language, style, repeat, ChannelKind::Sms);
    if let Some(name) = &args.material {
        let edition = media::edition(programme, name, language).ok_or_else(|| {
            let fix = "its programme.toml lists material under media, by language";
            not_found("material", name, fix)
        })?;
        let links = edition.url.iter().cloned().collect();
        saying.material = Enclosed { file: media::kind(edition), links };
    }
    let page = Page {
        catalogue: &texts.catalogue,
        prices: &texts.prices,
        programme,
        saying,
        number: number_beginning(programme),
    };
    page.print(args.form, "", context)
}

/// The next message of a patient.
async fn next(
    args: &Args,
    app: &App,
    patient: PatientId,
    context: &Context,
) -> Result<(), Failure> {
    let mut tx = app.store.read().await?;
    let standing = standing_of(app, &mut tx, patient).await?;
    let (programme, zone) = rules(app, &standing)?;
    let configured = app.channel_kinds();
    let channels = app.foreseen_channels(&configured);
    let now = app.clock.now();
    let window = (now, now.plus_ms(DAYS * DAY_MS));
    let foreseen = forecast(window, &standing, programme, &zone, channels);
    let Some(message) = foreseen.messages.first() else {
        let what = format!("nothing will be sent to {patient} in {DAYS} days");
        let fix = format!("carebell preview --patient {patient} --days {DAYS} tells why");
        return Err(Failure::new(Exit::NotFound, what, fix));
    };
    let mut saying = message.saying(&standing, programme);
    if !args.names {
        let what = sample(saying.what, "en", saying.style, Repeat::First, ChannelKind::Sms);
        let one = what.items.first().cloned();
        saying.items = saying.items.iter().filter_map(|_| one.clone()).collect();
    }
    let prices = app.tariff.prices();
    let when = When::new(message.at, Some(&zone));
    let over = message.contact.channel.word();
    let number = message.contact.address.expose().to_owned();
    let page = Page { catalogue: &app.catalogue, prices, programme, saying, number };
    let head = format!("{patient}, {when}, goes over {over}\n\n");
    page.print(args.form, &head, context)
}

/// A message over each channel of its programme.
struct Page<'a> {
    catalogue: &'a Catalogue,
    prices: &'a Prices,
    programme: &'a Programme,
    saying: Saying,
    /// Where to, as far as the price depends on it.
    number: String,
}

impl Page<'_> {
    fn print(&self, form: Form, head: &str, context: &Context) -> Result<(), Failure> {
        let channels = self.programme.channels.iter();
        let shown: Vec<Shown> = channels.map(|channel| self.shown(*channel)).collect();
        if form.json {
            return context.output.json(&shown);
        }
        let page = text(&shown, self.programme, &self.prices.currency);
        context.output.print(&format!("{head}{page}"))
    }

    fn shown(&self, channel: ChannelKind) -> Shown {
        let saying = Saying { form: form(self.saying.what, channel), ..self.saying.clone() };
        let what = match self.catalogue.render(self.programme, &saying) {
            Err(why) => What::Unsaid { why: why.to_string() },
            Ok(rendered) => {
                let charge = Charge::of(&rendered, channel);
                said(rendered, channel, self.prices.estimate(charge, &self.number))
            }
        };
        Shown { channel, what }
    }
}

fn said(rendered: Rendered, channel: ChannelKind, cost: Option<Micros>) -> What {
    let size = size(&rendered, channel, cost);
    What::Said {
        subject: rendered.subject.map(Phi::into_inner),
        text: rendered.text.into_inner(),
        template: rendered.template.map(|template| {
            Box::new(ShownTemplate {
                name: template.name,
                language: template.language,
                category: template.category.word(),
                ttl_seconds: template.ttl_seconds,
                parameters: template.parameters.into_iter().map(Phi::into_inner).collect(),
                buttons: template.buttons,
                header: template.header,
            })
        }),
        links: if channel == ChannelKind::Email { rendered.links } else { Vec::new() },
        size,
    }
}

fn text(shown: &[Shown], programme: &Programme, currency: &str) -> String {
    let mut page = String::new();
    for one in shown {
        let channel = one.channel.word();
        match &one.what {
            What::Unsaid { why } => page += &wrapped(&format!("{channel}: not sent: {why}"), 0),
            What::Said { subject, text, template, links, size } => {
                page += &wrapped(&format!("{channel}: {}", facts(size, currency)), 0);
                if let Some(template) = template {
                    page += &about(template, programme);
                }
                if let Some(subject) = subject {
                    page += &lines(&format!("Subject: {subject}\n"));
                }
                page += &lines(text);
                page += &links.iter().map(|link| lines(link)).collect::<String>();
            }
        }
        page.push('\n');
    }
    page.trim_end().to_owned()
}

/// `2 parts in UCS-2, 96 characters, 0.16 USD at most`.
fn facts(size: &Size, currency: &str) -> String {
    let parts = size.parts.map(|parts| {
        let alphabet = size.encoding.map_or("", Encoding::word);
        let part = if parts == 1 { "part" } else { "parts" };
        format!("{parts} {part} in {alphabet}, ")
    });
    let cost =
        size.cost.map_or("no price known".to_owned(), |cost| format!("{cost} {currency} at most"));
    format!("{}{} characters, {cost}", parts.unwrap_or_default(), size.characters)
}

fn about(template: &ShownTemplate, programme: &Programme) -> String {
    let ShownTemplate { name, language, category, ttl_seconds, parameters, buttons, header } =
        template;
    let header = header.map(|kind| format!(", its header a file of kind {}", kind.word()));
    let mut told = wrapped(
        &format!(
            "template {name} ({language}, {category}){}, kept for {ttl_seconds} s; its text at Meta should say:",
            header.unwrap_or_default()
        ),
        2,
    );
    let named = programme.whatsapp_templates.values().find(|known| known.name == *name);
    let names = named.map(|known| known.parameters.clone()).unwrap_or_default();
    for (n, (value, name)) in parameters.iter().zip(names).enumerate() {
        told += &lines(&format!("{{{{{}}}}} {name}: {value}", n + 1));
    }
    if !buttons.is_empty() {
        let words: Vec<&str> = buttons.iter().map(|press| press.word()).collect();
        told += &lines(&format!("buttons: {}", words.join(", ")));
    }
    told
}

/// A text line by line, as it is, within the page.
fn lines(text: &str) -> String {
    // A terminal has its own mind about directions: the marks are for phones.
    let seen = text.chars().filter(|c| !matches!(c, '\u{2066}'..='\u{2069}'));
    let seen: String = seen.collect();
    seen.lines().map(|line| wrapped(&printable(line), 4)).collect()
}

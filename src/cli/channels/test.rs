//! `carebell channels test`: what would be asked of the provider, what it says of us, and one message for real.

use super::must_be_configured;
use crate::care::hold::Scope;
use crate::care::ids::AttemptId;
use crate::care::{Address, ContactHealth, Phi, UtcMs};
use crate::channel::{
    Channel, Content, Health, Media, MediaSource, Outbound, Outcome, ReminderForm, ShownRequest,
    Text, Upload,
};
use crate::cli::app::App;
use crate::cli::ask::confirm;
use crate::cli::installation::{masked, not_found};
use crate::cli::{Context, Exit, Failure, Form, wrapped};
use crate::store::story::{Act, audit};
use crate::store::{Result as Stored, holds, patients};
use serde::Serialize;

/// How long the provider may go on trying, in seconds: who tests stands beside the phone.
const VALIDITY_SECONDS: u32 = 300;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --to nothing is sent. The message is nobody's reminder: no attempt is kept of it, and \
                        its receipts are parked.\n\
                        Examples:\n  carebell channels test twilio\n  \
                        carebell channels test twilio --to +14155550100\n  \
                        carebell channels test whatsapp --to +14155550100 --template dose_discreet --language en_US \\\n    \
                        --parameter Clinic --parameter 08:00"
)]
pub(in crate::cli) struct Args {
    /// The channel, as configured
    name: String,
    /// Send to this address: E.164 with its plus sign, or a mail address
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    /// What it says
    #[arg(long, default_value = "This is a test of Carebell. Nothing needs to be done.")]
    text: String,
    /// An approved template in place of free text
    #[arg(long, value_name = "NAME", requires = "language")]
    template: Option<String>,
    /// The template's language, as the provider writes it
    #[arg(long, value_name = "CODE", requires = "template")]
    language: Option<String>,
    /// A parameter of the template, in order; may be given again
    #[arg(long = "parameter", value_name = "TEXT", requires = "template")]
    parameters: Vec<String>,
    /// With this file: programme, material and language, as oak/m1/en
    #[arg(long, value_name = "MATERIAL")]
    material: Option<String>,
    /// Do not ask
    #[arg(long, requires = "to")]
    yes: bool,
    /// Who tests; recorded
    #[arg(long, value_name = "NAME", default_value = "operator")]
    by: String,
    #[command(flatten)]
    form: Form,
}

#[derive(Debug, Serialize)]
struct Answer {
    channel: String,
    /// What the provider would refuse.
    problems: Vec<String>,
    /// The request as it would be made, secrets masked.
    request: Option<ShownRequest>,
    /// What the provider says of us.
    facts: Vec<(&'static str, String)>,
    warnings: Vec<String>,
    /// What became of the message; none: nothing was sent.
    sent: Option<String>,
}

pub(super) async fn run(args: &Args, app: &App, context: &Context) -> Result<(), Failure> {
    must_be_configured(app, &args.name)?;
    let Some(channel) = app.channels.by_name(&args.name) else { return Ok(()) };
    let media = material(args, app, channel.as_ref())?;
    let mut outbound = outbound(args, app, channel.as_ref(), media);
    let mut answer = Answer {
        channel: args.name.clone(),
        problems: channel.problems(&outbound.content).iter().map(ToString::to_string).collect(),
        request: None,
        facts: Vec::new(),
        warnings: Vec::new(),
        sent: None,
    };
    match channel.rendered(&outbound) {
        Ok(request) => answer.request = Some(request),
        Err(outcome) => answer.problems.push(words(&outcome)),
    }
    match channel.probe().await {
        Ok(Health { facts, warnings }) => (answer.facts, answer.warnings) = (facts, warnings),
        Err(outcome) => answer.warnings.push(format!("it cannot be asked: {}", words(&outcome))),
    }
    let mut went = true;
    if args.to.is_some() && answer.problems.is_empty() {
        if !args.form.json {
            show(&answer, context)?;
        }
        let outcome = send(args, app, channel.as_ref(), &mut outbound, context).await?;
        went = matches!(outcome, Outcome::Accepted { .. });
        answer.sent = Some(words(&outcome));
        if !args.form.json {
            context.output.print(&wrapped(&words(&outcome), 0))?;
        }
    } else if !args.form.json {
        show(&answer, context)?;
    }
    if args.form.json {
        context.output.json(&answer)?;
    }
    let fine = went && answer.problems.is_empty();
    if fine { Ok(()) } else { Err(Failure::Answered(Exit::Failed)) }
}

/// The file of a material, as the channel takes it.
fn material(args: &Args, app: &App, channel: &dyn Channel) -> Result<Option<Media>, Failure> {
    let Some(written) = &args.material else { return Ok(None) };
    let mut parts = written.splitn(3, '/');
    let named = (parts.next(), parts.next(), parts.next());
    let edition = match named {
        (Some(programme), Some(name), Some(tag)) => app
            .programmes
            .get(programme)
            .and_then(|programme| crate::message::media::edition(programme, name, tag)),
        _ => None,
    };
    let fix = "write programme/material/language; programme.toml has it under media";
    let edition = edition.ok_or_else(|| not_found("material", written, fix))?;
    let taken = channel.takes(edition);
    let taken = taken.map_err(|fault| Failure::new(Exit::Failed, fault.what, fault.fix))?;
    let none = || {
        Failure::new(
            Exit::Failed,
            format!("no file goes over {}", args.name),
            "its texts hold the link",
        )
    };
    Ok(Some(taken.ok_or_else(none)?))
}

fn outbound(args: &Args, app: &App, channel: &dyn Channel, media: Option<Media>) -> Outbound {
    let text = |text: &str| Text(Phi::from(text));
    let correlation = AttemptId::new(app.clock.now(), &mut app.rng.fork());
    let form = channel.capabilities().reminders;
    let content = match (&args.template, form) {
        (Some(name), _) => Content::Template {
            name: name.clone(),
            language: args.language.clone().unwrap_or_default(),
            names: Vec::new(),
            parameters: args.parameters.iter().map(|one| text(one)).collect(),
            header: media,
            buttons: Vec::new(),
        },
        (None, ReminderForm::Email) => Content::Email {
            subject: text("Test"),
            text: text(&args.text),
            html: None,
            message_id: correlation.to_string(),
            unsubscribe_url: None,
            invite: None,
        },
        (None, ReminderForm::Text | ReminderForm::Template) => {
            Content::Text { body: text(&args.text), buttons: Vec::new(), media }
        }
    };
    // RFC 2606, and a number that no plan assigns.
    let nobody = if form == ReminderForm::Email { "nobody@example.org" } else { "+12025550100" };
    Outbound {
        correlation,
        to: Address::new(args.to.clone().unwrap_or_else(|| nobody.to_owned())),
        user_id: None,
        content,
        validity_seconds: VALIDITY_SECONDS,
    }
}

fn show(answer: &Answer, context: &Context) -> Result<(), Failure> {
    let mut lines = Vec::new();
    lines.extend(answer.problems.iter().map(|problem| format!("problem: {problem}")));
    lines.extend(answer.facts.iter().map(|(name, value)| format!("{name}: {value}")));
    lines.extend(answer.warnings.iter().map(|warning| format!("warning: {warning}")));
    if let Some(request) = &answer.request {
        lines.push(format!("{} {}", request.method, request.url));
        lines.extend(request.headers.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.extend(request.body.iter().cloned());
    }
    if answer.sent.is_none() && answer.problems.is_empty() {
        lines.push("Nothing is sent without --to.".to_owned());
    }
    context.output.print(&lines.join("\n"))
}

/// One message for real, unless sending is stopped or its owner has said STOP.
async fn send(
    args: &Args,
    app: &App,
    channel: &dyn Channel,
    outbound: &mut Outbound,
    context: &Context,
) -> Result<Outcome, Failure> {
    let now = app.clock.now();
    if let Some(why) = hindrance(app, &outbound.to, now).await? {
        let fix = "test with another address, or once nothing is in the way";
        return Err(Failure::new(Exit::Failed, format!("nothing is sent: {why}"), fix));
    }
    if !args.yes {
        let warning = format!("One message goes over {} for real.", args.name);
        confirm(context, &warning, "send", "the test")?;
    }
    let outcome = match hand_over(channel, &mut outbound.content).await {
        Ok(()) => channel.send(outbound).await,
        Err(outcome) => outcome,
    };
    let detail = serde_json::json!({ "to": masked(&outbound.to), "outcome": words(&outcome) });
    let detail = detail.to_string();
    let act = Act { actor: &args.by, action: "channel.test", subject: &args.name, detail: &detail };
    let mut tx = app.store.write().await?;
    audit(&mut tx, &mut app.rng.fork(), &act, now).await?;
    tx.commit().await?;
    Ok(outcome)
}

/// A file on this machine goes to the provider first, and the message names it by its id.
async fn hand_over(channel: &dyn Channel, content: &mut Content) -> Result<(), Outcome> {
    let (Content::Text { media: Some(media), .. } | Content::Template { header: Some(media), .. }) =
        content
    else {
        return Ok(());
    };
    let taken = channel.hand_over(media).await.transpose()?;
    if let (Some(Upload { id, .. }), MediaSource::File { sha256, .. }) = (taken, &media.source) {
        media.source = MediaSource::Upload { id, sha256: sha256.clone() };
    }
    Ok(())
}

async fn hindrance(app: &App, to: &Address, now: UtcMs) -> Stored<Option<&'static str>> {
    let mut tx = app.store.read().await?;
    let holding = |scope: &Scope| matches!(scope, Scope::Sending | Scope::Restored);
    if holds::all(&mut tx).await?.iter().any(|hold| holding(&hold.scope) && hold.holds_at(now)) {
        return Ok(Some("sending is stopped on every instance"));
    }
    for (contact, patient) in patients::with_address(&mut tx, app.store.keys(), to).await? {
        let rows = patients::load(&mut tx, app.store.keys(), &[patient]).await?;
        let known = patients::contacts(&mut tx, &rows).await?;
        let stopped = |health| health == ContactHealth::OptedOut;
        if known.iter().any(|one| one.id == contact && stopped(one.health)) {
            return Ok(Some("a patient has said STOP from this address"));
        }
    }
    Ok(None)
}

fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { ids } => format!("accepted as {}", ids.join(", ")),
        Outcome::Refused { action, code, .. } => {
            format!("refused with {code}: {}", action.word())
        }
        Outcome::NotSent { stage } => format!("not sent: it broke at {stage}"),
        Outcome::Unknown { stage } => format!("unknown: it broke at {stage}, and may have arrived"),
    }
}

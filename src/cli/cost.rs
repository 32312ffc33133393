//! `carebell cost`: what the plans as they stand will cost, by the very expansion and texts of the daemon.

use super::app::App;
use super::installation::{not_found, opened};
use super::{Context, Failure, Form, Tone, wrapped};
use crate::care::ids::PatientId;
use crate::care::programme::Budget;
use crate::care::time::DAY_MS;
use crate::care::{ChannelKind, Micros, Programme, Spent, UtcMs, ZoneRules as _};
use crate::policy::budget::{Spending, month, spending};
use crate::schedule::forecast;
use crate::store;
use crate::store::patients;
use crate::store::standing::{self, Standing};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;

/// Patients that are read in one go.
const PAGE: i64 = 256;
/// Days of a budget's month, for a forecast of another length.
const MONTH_DAYS: u64 = 30;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is sent or written. The most it can cost: texts of both styles as they are, every slot as \
                  if nothing changed, no WhatsApp window open (templates inside one are free), no fallbacks, repeats \
                  and answers. Prices: schedules/prices.toml.\n\
                  Examples:\n  carebell cost\n  carebell cost --days 90 --programme general --json"
)]
pub(super) struct Args {
    /// How many days from now
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// One programme alone
    #[arg(long, value_name = "NAME")]
    programme: Option<String>,
    #[command(flatten)]
    form: Form,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Answer {
    from: String,
    until: String,
    days: u16,
    currency: String,
    patients: usize,
    lines: Vec<Line>,
    total: Micros,
    unsent_slots: usize,
    unknown_programmes: usize,
    budgets: Vec<Budgeted>,
}

/// The messages of a programme over a channel.
#[derive(Debug, Serialize)]
struct Line {
    programme: String,
    channel: ChannelKind,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Sums {
    messages: u64,
    /// Parts of SMS, else messages.
    units: u64,
    cost: Micros,
    /// Messages for which no price is known.
    unpriced: u64,
    /// Messages that cannot be said over the channel: `carebell messages check` tells why.
    unsaid: u64,
}

/// A programme's budget against thirty days at the forecast's rate, and what is spent of it.
#[derive(Debug, Serialize)]
struct Budgeted {
    programme: String,
    monthly: Option<Micros>,
    messages: Option<u64>,
    thirty_days: Micros,
    thirty_days_messages: u64,
    /// In the calendar month so far.
    spent: Micros,
    /// In the calendar month so far.
    sent: u64,
    stands: &'static str,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<(), Failure> {
    opened(context, async |app| {
        let answer = answer(args, app).await?;
        if args.form.json { context.output.json(&answer) } else { print(&answer, context) }
    })
}

async fn answer(args: &Args, app: &App) -> Result<Answer, Failure> {
    if let Some(name) = args.programme.as_ref().filter(|name| app.programmes.get(name).is_none()) {
        return Err(not_found("programme", name, "carebell messages check names them all"));
    }
    let now = app.clock.now();
    let window = (now, now.plus_ms(i64::from(args.days) * DAY_MS));
    let mut tally = Tally::new(app, window);
    let bar = progress(app).await?;
    let mut after: Option<PatientId> = None;
    loop {
        // A transaction a page: a long one would keep the database from tidying up behind it.
        let mut tx = app.store.read().await?;
        let page = patients::page(&mut tx, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(*last);
        let standings = standing::load(&mut tx, app.store.keys(), &page).await?;
        drop(tx);
        let wanted = |one: &&Standing| {
            args.programme.as_deref().is_none_or(|name| name == one.row.programme)
        };
        standings.values().filter(wanted).for_each(|standing| tally.add(standing));
        bar.inc(page.len() as u64);
    }
    bar.finish_and_clear();
    let spent = spent(app, now).await?;
    Ok(tally.answer(args.days, &spent))
}

/// What programmes with a budget spent in their calendar month so far.
async fn spent(app: &App, now: UtcMs) -> Result<BTreeMap<String, Spent>, Failure> {
    let month = |programme: &Programme| {
        programme.budget?;
        let zone = app.zones.zone(&programme.zone)?;
        Some((programme.name.clone(), month(now, &zone).0))
    };
    let months: Vec<_> = app.programmes.iter().filter_map(month).collect();
    let mut tx = app.store.read().await?;
    let spent = store::spending::of(&mut tx, &months).await?;
    Ok(spent.into_iter().map(|((programme, _), spent)| (programme, spent)).collect())
}

/// Shown on a terminal only.
async fn progress(app: &App) -> Result<ProgressBar, Failure> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let mut tx = app.store.read().await?;
    let patients: i64 = patients::count(&mut tx).await?.iter().map(|(_, count)| count).sum();
    let bar = ProgressBar::new(patients.unsigned_abs());
    let template = "{wide_bar} {human_pos} of {human_len} patients, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    Ok(bar)
}

/// What is counted on the way.
struct Tally<'a> {
    app: &'a App,
    window: (UtcMs, UtcMs),
    configured: Vec<ChannelKind>,
    sums: BTreeMap<(String, ChannelKind), Sums>,
    patients: usize,
    unsent: usize,
    unknown: usize,
}

impl<'a> Tally<'a> {
    fn new(app: &'a App, window: (UtcMs, UtcMs)) -> Self {
        Self {
            app,
            window,
            configured: app.channel_kinds(),
            sums: BTreeMap::new(),
            patients: 0,
            unsent: 0,
            unknown: 0,
        }
    }

    fn add(&mut self, standing: &Standing) {
        let row = &standing.row;
        let (Some(programme), Some(zone)) =
            (self.app.programmes.get(&row.programme), self.app.zones.zone(&row.patient.zone))
        else {
            self.unknown += 1;
            return;
        };
        self.patients += 1;
        let channels = self.app.foreseen_channels(&self.configured);
        let foreseen = forecast(self.window, standing, programme, &zone, channels);
        self.unsent += foreseen.unsent;
        for message in &foreseen.messages {
            let channel = message.contact.channel;
            let charge = self.app.tariff.charge(programme, &message.saying(standing), channel);
            let key = (programme.name.clone(), channel);
            let sums = self.sums.entry(key).or_default();
            let Some(charge) = charge else {
                sums.unsaid += 1;
                continue;
            };
            sums.messages += 1;
            sums.units += charge.units() as u64;
            match self.app.tariff.prices().estimate(charge, message.contact.address.expose()) {
                Some(price) => sums.cost = sums.cost.plus(price),
                None => sums.unpriced += 1,
            }
        }
    }

    fn answer(self, days: u16, spent: &BTreeMap<String, Spent>) -> Answer {
        let lines: Vec<Line> = self
            .sums
            .into_iter()
            .map(|((programme, channel), sums)| Line { programme, channel, sums })
            .collect();
        let foreseen = |name: &str| {
            let lines = lines.iter().filter(|line| line.programme == name);
            lines.fold(Spent::default(), |sum, line| {
                let Sums { cost, messages, .. } = line.sums;
                sum.plus(Spent { cost, messages })
            })
        };
        let of = |programme: &Programme| {
            let (name, budget) = (&programme.name, programme.budget?);
            let so_far = spent.get(name).copied().unwrap_or_default();
            (lines.iter().any(|line| line.programme == *name) || so_far != Spent::default())
                .then(|| budgeted(name, &budget, foreseen(name), days, so_far))
        };
        Answer {
            from: self.window.0.rfc3339(),
            until: self.window.1.rfc3339(),
            days,
            currency: self.app.tariff.prices().currency.clone(),
            patients: self.patients,
            total: lines.iter().map(|line| line.sums.cost).sum(),
            unsent_slots: self.unsent,
            unknown_programmes: self.unknown,
            budgets: self.app.programmes.iter().filter_map(of).collect(),
            lines,
        }
    }
}

fn budgeted(
    programme: &str,
    budget: &Budget,
    foreseen: Spent,
    days: u16,
    so_far: Spent,
) -> Budgeted {
    let rate = |amount: u64| amount.saturating_mul(MONTH_DAYS) / u64::from(days);
    let thirty_days =
        Spent { cost: Micros(rate(foreseen.cost.0)), messages: rate(foreseen.messages) };
    let stands = match spending(thirty_days, budget).max(spending(so_far, budget)) {
        Spending::Within => "within",
        Spending::RunsOut => "runs-out",
        Spending::Spent => "over",
    };
    Budgeted {
        programme: programme.to_owned(),
        monthly: budget.monthly,
        messages: budget.messages,
        thirty_days: thirty_days.cost,
        thirty_days_messages: thirty_days.messages,
        spent: so_far.cost,
        sent: so_far.messages,
        stands,
    }
}

fn print(answer: &Answer, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    let Answer { days, patients, currency, total, unsent_slots, .. } = answer;
    output.print(&format!("{days} days, {patients} patients\n"))?;
    let cost = format!("{currency} at most");
    let row = |line: &Line| {
        vec![
            line.programme.clone(),
            line.channel.word().to_owned(),
            line.sums.messages.to_string(),
            line.sums.units.to_string(),
            line.sums.cost.to_string(),
        ]
    };
    let mut rows: Vec<_> = answer.lines.iter().map(row).collect();
    let dash = String::new;
    rows.push(vec!["total".to_owned(), dash(), dash(), dash(), total.to_string()]);
    output.table(&["programme", "over", "messages", "paid units", &cost], &rows)?;
    let mut told = String::new();
    for budget in &answer.budgets {
        let (tone, word) = match budget.stands {
            "within" => (Tone::Good, "within budget"),
            "runs-out" => (Tone::Warning, "budget runs out"),
            _ => (Tone::Bad, "over budget"),
        };
        let word = output.paint(tone, word);
        let Budgeted { programme, thirty_days, thirty_days_messages, spent, sent, .. } = budget;
        if let Some(monthly) = budget.monthly {
            let line = format!("{programme}: {thirty_days} of {monthly} {currency} in 30 days");
            told.extend([word.as_ref(), "  ", &line, &format!("; {spent} this month\n")]);
        }
        if let Some(most) = budget.messages {
            let line = format!("{programme}: {thirty_days_messages} of {most} messages in 30 days");
            told.extend([word.as_ref(), "  ", &line, &format!("; {sent} this month\n")]);
        }
    }
    for line in &answer.lines {
        let (name, channel) = (&line.programme, line.channel.word());
        for (count, what) in [
            (line.sums.unpriced, "have no price: add a default to prices.toml"),
            (line.sums.unsaid, "cannot be said: carebell messages check tells why"),
        ] {
            if count > 0 {
                told += &wrapped(&format!("{name} over {channel}: {count} messages {what}"), 0);
            }
        }
    }
    if *unsent_slots > 0 {
        let text =
            format!("{unsent_slots} slots end unsent: carebell preview tells why of a patient");
        told += &wrapped(&text, 0);
    }
    if answer.unknown_programmes > 0 {
        let count = answer.unknown_programmes;
        told += &wrapped(&format!("{count} patients of a programme or zone that is not known"), 0);
    }
    if told.is_empty() { Ok(()) } else { output.print(&format!("\n{told}")) }
}

//! From a message's reminders to what is handed to a channel.

use super::calendar::News;
use super::media::Shelf;
use crate::care::HeldTemplate;
use crate::care::contact::KnownContact;
use crate::care::ids::AttemptId;
use crate::care::press::Payload;
use crate::care::programme::Programme;
use crate::care::slot::Planned;
use crate::care::{Class, Phi, Press, Schedule, UtcMs, Zone};
use crate::channel::{Button, Channel, Content, Invite, InviteAct, Outbound, ReminderForm, Text};
use crate::message::announced::{self, Announced};
use crate::message::cost::Charge;
use crate::message::{
    Catalogue, Enclosed, Form, MessageName, NotRenderable, Rendered, Repeat, Saying,
};
use crate::policy::calendar::Follow;
use crate::store::activities::ActivityRow;
use crate::store::messages::MessageRow;
use crate::store::reminders::ReminderRow;
use crate::store::standing::Standing;

/// A fallback hop gets at most this much of the validity, in milliseconds (design.md section 6).
const HOP_MS: i64 = crate::care::time::HOUR_MS;

/// What composing needs.
#[derive(Clone, Copy)]
pub(super) struct Composition<'a> {
    pub(super) now: UtcMs,
    pub(super) catalogue: &'a Catalogue,
    pub(super) programme: &'a Programme,
    pub(super) zone: &'a Zone,
    pub(super) standing: &'a Standing,
    pub(super) message: &'a MessageRow,
    /// The message's reminders that still hold, with their activities.
    pub(super) reminders: &'a [(&'a ReminderRow, &'a ActivityRow)],
    pub(super) repeat: Repeat,
    /// What it tells a calendar, where it announces nothing new.
    pub(super) calendar: Option<News<'a>>,
    /// Templates that may not be used.
    pub(super) held: &'a [HeldTemplate],
    /// Whether free text is taken at the address, where it is taken only at times.
    pub(super) window: Window,
    /// What providers have of material.
    pub(super) shelf: &'a Shelf,
}

/// The time in which a provider takes free text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// It does.
    Open,
    /// The patient wrote too long ago, or never.
    Closed,
}

/// A message as it is handed to a channel, and what the provider charges for it.
pub(super) struct Composed {
    pub(super) outbound: Outbound,
    pub(super) charge: Charge,
}

impl Composition<'_> {
    /// The message for one contact point.
    pub(super) fn outbound(
        &self,
        correlation: AttemptId,
        contact: &KnownContact,
        channel: &dyn Channel,
        hop: Hop,
    ) -> Result<Composed, NotRenderable> {
        let left_ms = self.message.valid_until.since(self.now).max(0);
        let hop_ms = match hop {
            Hop::Last => left_ms,
            Hop::MoreToCome => (left_ms / 2).min(HOP_MS),
        };
        let answer = self.message.class == Class::Answer;
        let form = match channel.capabilities().reminders {
            ReminderForm::Text => Form::Text,
            ReminderForm::Template if answer && self.window == Window::Open => Form::Text,
            ReminderForm::Template => Form::Template { valid_for_seconds: left_ms / 1_000 },
            ReminderForm::Email => Form::Email,
        };
        let announced = self.announced();
        let times = announced::times(&announced, self.zone);
        let (local_time, also_at) =
            times.unwrap_or_else(|| (self.zone.local(self.spoken_of()), Vec::new()));
        let language = &self.standing.row.patient.language;
        let editions = announced::material(&announced, self.programme, language);
        let file = editions.first().and_then(|edition| self.shelf.file(channel, edition, self.now));
        let saying = Saying {
            what: self.what()?,
            language: language.clone(),
            style: self.standing.row.patient.text_style,
            form,
            local_time,
            also_at,
            items: announced::items(&announced),
            repeat: self.repeat,
            material: Enclosed {
                file: file.as_ref().map(|media| media.kind),
                links: announced::links(&editions),
            },
        };
        let is_template = matches!(form, Form::Template { .. });
        let rendered = self.render(channel.name(), &saying).map_err(|fault| match fault {
            NotRenderable::NoTemplate { .. } if answer && is_template => {
                NotRenderable::WindowClosed
            }
            fault => fault,
        })?;
        let charge = Charge::of(&rendered, channel.kind());
        let ttl_seconds = rendered.template.as_ref().map(|template| template.ttl_seconds);
        let email = match &rendered.subject {
            Some(subject) => Some(self.email(channel, &saying.language, &rendered, subject)?),
            None => None,
        };
        let content = match (rendered.template, email) {
            (Some(template), _) => Content::Template {
                name: template.name,
                language: template.language,
                names: template.names,
                parameters: template.parameters.into_iter().map(Text).collect(),
                header: template.header.and(file),
                buttons: buttons(&template.buttons, correlation),
            },
            (None, Some(email)) => email,
            (None, None) => Content::text(Text(rendered.text)),
        };
        let outbound = Outbound {
            correlation,
            to: contact.address.clone(),
            user_id: None,
            content,
            validity_seconds: ttl_seconds
                .unwrap_or_else(|| u32::try_from((hop_ms / 1_000).max(1)).unwrap_or(u32::MAX)),
        };
        Ok(Composed { outbound, charge })
    }

    /// The words, by no template that is held.
    fn render(&self, channel: &str, saying: &Saying) -> Result<Rendered, NotRenderable> {
        let is_ours =
            |held: &&HeldTemplate| held.channel == channel && held.programme == self.programme.name;
        let held: Vec<&HeldTemplate> = self.held.iter().filter(is_ours).collect();
        if held.is_empty() || !matches!(saying.form, Form::Template { .. }) {
            return self.catalogue.render(self.programme, saying);
        }
        let mut left = self.programme.clone();
        let mut missing = None;
        for (key, template) in &mut left.whatsapp_templates {
            template.languages.retain(|_, code| {
                let one = held.iter().find(|h| h.name == template.name && h.language == *code);
                if one.is_some() && key.starts_with(saying.what.word()) {
                    missing = missing.or(one);
                }
                one.is_none()
            });
        }
        self.catalogue.render(&left, saying).map_err(|fault| match (fault, missing) {
            (
                NotRenderable::NoTemplate { .. }
                | NotRenderable::NoTemplateLanguage { .. }
                | NotRenderable::OutlivesMessage { .. },
                Some(held),
            ) => NotRenderable::TemplateHeld {
                template: held.name.clone(),
                language: held.language.clone(),
                why: held.why.clone(),
            },
            (fault, _) => fault,
        })
    }

    fn email(
        &self,
        channel: &dyn Channel,
        language: &str,
        rendered: &Rendered,
        subject: &Phi<String>,
    ) -> Result<Content, NotRenderable> {
        let url = channel.unsubscribe_url(self.message.patient, &self.programme.name);
        let letter = self.catalogue.letter(self.programme, language, rendered, url.as_deref())?;
        Ok(Content::Email {
            subject: Text(subject.clone()),
            text: Text(letter.text),
            html: Some(Text(letter.html)),
            message_id: self.message.id.to_string(),
            unsubscribe_url: url,
            invite: self.invite(language)?,
        })
    }

    /// The calendar's entry of the appointment that is announced, while it is to come, or called off. Of several in one
    /// message none: each would need a mail of its own (RFC 5546 section 3.2.2).
    fn invite(&self, language: &str) -> Result<Option<Invite>, NotRenderable> {
        let (row, start, sequence, act) = match (self.calendar, self.what()?) {
            (Some(News { follow: Follow::CalledOff, entry, row }), _) => {
                let sequence = row.revision.max(entry.sequence + 1);
                (row, entry.start, sequence, InviteAct::Cancel)
            }
            (_, MessageName::Appointment) => {
                let mut rows = self.rows();
                let Some(row) = rows.next() else { return Ok(None) };
                let is_one = rows.all(|other| other.id == row.id);
                match row.activity.schedule {
                    Schedule::Appointment { start } if is_one && start > self.now => {
                        (row, start, row.revision, InviteAct::Request)
                    }
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(Invite {
            uid: row.id.to_string(),
            sequence,
            start,
            stamp: self.now,
            summary: Text(self.catalogue.appointment_title(self.programme, language)?),
            act,
        }))
    }

    /// The activities that are announced.
    fn rows(&self) -> impl Iterator<Item = &ActivityRow> {
        let moved = self.calendar.filter(|news| news.follow != Follow::CalledOff);
        let announced = self.reminders.iter().map(|(_, row)| *row);
        announced.chain(moved.map(|news| news.row))
    }

    /// The time of what is not announced.
    fn spoken_of(&self) -> UtcMs {
        self.calendar.map_or(self.now, |news| news.entry.start)
    }

    fn what(&self) -> Result<MessageName, NotRenderable> {
        if self.message.class == Class::Answer || self.message.is_for_calendar() {
            return MessageName::ALL
                .into_iter()
                .find(|name| name.word() == self.message.name)
                .ok_or(NotRenderable::Empty { what: "the message's name" });
        }
        announced::what(&self.announced())
    }

    fn announced(&self) -> Vec<Announced<'_>> {
        let moved = self.calendar.filter(|news| news.follow != Follow::CalledOff);
        let moved = moved.map(|news| Announced {
            activity: &news.row.activity,
            due_at: self.now,
            planned: Planned::Elapsed(self.now),
        });
        self.reminders
            .iter()
            .map(|(reminder, row)| {
                let due_at = reminder.due_at;
                let planned = Planned::parse(&reminder.local_time);
                let planned = planned.unwrap_or(Planned::Elapsed(due_at));
                Announced { activity: &row.activity, due_at, planned }
            })
            .chain(moved)
            .collect()
    }
}

/// Quick replies that tell, when pressed, what was pressed under which attempt's message.
fn buttons(presses: &[Press], attempt: AttemptId) -> Vec<Button> {
    let button = |press: &Press| Button {
        title: Text(Phi::from(press.word())),
        payload: Payload { attempt, press: *press }.to_string(),
    };
    presses.iter().map(button).collect()
}

/// Whether another channel would come after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// It would, and the class allows it.
    MoreToCome,
    /// This is the last one.
    Last,
}

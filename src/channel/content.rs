//! What is sent to one address: texts, templates, mails, with their buttons and files.

use crate::care::ids::AttemptId;
use crate::care::{Address, Media, Phi, UtcMs};
use serde::{Deserialize, Serialize};

/// One message to one address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outbound {
    /// Ours; comes back in receipts.
    pub correlation: AttemptId,
    /// Where to.
    pub to: Address,
    /// The id by which the provider knows the person as well, where it gave one.
    #[serde(default)]
    pub user_id: Option<Address>,
    /// What.
    pub content: Content,
    /// How long the provider may go on trying, in seconds (P5).
    pub validity_seconds: u32,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Free text.
    Text {
        /// The text.
        body: Text,
        /// What can be pressed under it, where the channel has buttons.
        #[serde(default)]
        buttons: Vec<Button>,
        /// A picture, film or document with it, where the channel takes one.
        #[serde(default)]
        media: Option<Media>,
    },
    /// An approved template.
    Template {
        /// Its name at the provider.
        name: String,
        /// The provider's language code.
        language: String,
        /// Names of the parameters where the template has names; none: they go by order.
        #[serde(default)]
        names: Vec<String>,
        /// Body parameters in order.
        parameters: Vec<Text>,
        /// The file of its header.
        #[serde(default)]
        header: Option<Media>,
        /// Its quick replies in order: only the payloads travel, the titles are the template's.
        #[serde(default)]
        buttons: Vec<Button>,
    },
    /// An email.
    Email {
        /// Subject, without health data.
        subject: Text,
        /// Plain text.
        text: Text,
        /// The same as HTML.
        #[serde(default)]
        html: Option<Text>,
        /// The same message in its later versions has the same Message-ID: its left side, or the whole.
        message_id: String,
        /// Where the patient leaves the programme's messages by one click.
        #[serde(default)]
        unsubscribe_url: Option<String>,
        /// The appointment it announces or calls off, for the patient's calendar.
        #[serde(default)]
        invite: Option<Invite>,
    },
}

impl Content {
    /// Free text and nothing else.
    pub fn text(body: Text) -> Self {
        Self::Text { body, buttons: Vec::new(), media: None }
    }

    /// The file that goes with it.
    pub const fn file(&self) -> Option<&Media> {
        match self {
            Self::Text { media, .. } => media.as_ref(),
            Self::Template { header, .. } => header.as_ref(),
            Self::Email { .. } => None,
        }
    }
}

/// An appointment for a calendar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Ours; the same for as long as it is the same appointment.
    pub uid: String,
    /// Rises with every change: a calendar takes the highest.
    pub sequence: i64,
    /// When it begins.
    pub start: UtcMs,
    /// When this was written.
    pub stamp: UtcMs,
    /// What the calendar shows; discreet, because others see calendars.
    pub summary: Text,
    /// What becomes of the calendar's entry.
    #[serde(default)]
    pub act: InviteAct,
}

/// What an invite asks of a calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InviteAct {
    /// To have the appointment, as it is now.
    #[default]
    Request,
    /// To have it no longer.
    Cancel,
}

impl InviteAct {
    /// The method of the entry (RFC 5546 section 3.2).
    pub const fn method(self) -> &'static str {
        match self {
            Self::Request => "REQUEST",
            Self::Cancel => "CANCEL",
        }
    }
}

/// Something to press.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What the patient reads.
    pub title: Text,
    /// What comes back; opaque, never health data.
    pub payload: String,
}

/// Text for one patient: serialisable because an attempt's content is sealed as one document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(#[serde(with = "crate::care::phi::sealed")] pub Phi<String>);

/// A request as it may be shown: its secrets are masked, its text and address are the message's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownRequest {
    /// Its method.
    pub method: String,
    /// Its URL.
    pub url: String,
    /// Names and values of its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Option<String>,
}

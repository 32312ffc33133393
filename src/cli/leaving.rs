//! Who leaves by a mail's link, for the server.

use super::daemon::Daemon;
use crate::http::{Leaving, NotHeard};
use crate::inbound::Leaver;
use crate::message::LeavingPage;
use futures::future::BoxFuture;

impl Leaving for Daemon {
    fn ask<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<String>, NotHeard>> {
        Box::pin(async move {
            let leaver = self.inbound.leaver(token).await.map_err(|fault| unheard(&fault))?;
            leaver.map(|leaver| self.page(&leaver, LeavingPage::Ask)).transpose()
        })
    }

    fn leave<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<String>, NotHeard>> {
        Box::pin(async move {
            let leaver = self.inbound.leave(token).await.map_err(|fault| unheard(&fault))?;
            leaver.map(|leaver| self.page(&leaver, LeavingPage::Done)).transpose()
        })
    }
}

impl Daemon {
    /// A page in the patient's language; in the programme's when there are no texts in that.
    fn page(&self, leaver: &Leaver, page: LeavingPage) -> Result<String, NotHeard> {
        let programme = self.app.programmes.get(&leaver.programme).ok_or(NotHeard)?;
        let catalogue = &self.app.catalogue;
        let in_language = |language: &str| catalogue.leaving_page(programme, language, page);
        in_language(&leaver.language).or_else(|_| in_language(&programme.language)).map_err(
            |fault| {
                tracing::error!(%fault, "the page to unsubscribe does not render");
                NotHeard
            },
        )
    }
}

fn unheard(fault: &crate::store::StoreError) -> NotHeard {
    tracing::error!(%fault, "a patient's wish to leave could not be read or written");
    NotHeard
}

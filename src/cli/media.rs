//! Material held against the channels it is to go by, before a patient waits for it.

use crate::care::media::FileFault;
use crate::channel::Channels;
use crate::config::Problem;
use crate::message::{Catalogue, Programmes, media};
use std::collections::BTreeSet;

/// Files that cannot be used, and what a channel of a programme would refuse: the words go without them.
pub(super) fn problems(programmes: &Programmes, channels: &Channels) -> Vec<Problem> {
    let mut told = BTreeSet::new();
    let mut problems = Vec::new();
    for programme in programmes.iter() {
        let used = |kind| programme.channels.contains(&kind);
        for (name, material) in &programme.media {
            for (tag, edition) in &material.0 {
                if let Some(FileFault { path, what, fix }) = &edition.fault {
                    let place = format!("{}, key media.{name}.{tag}", path.display());
                    if told.insert(place.clone()) {
                        problems.push(Problem::new(place, what.clone(), fix.clone()));
                    }
                }
                for channel in channels.iter().filter(|channel| used(channel.kind())) {
                    let Err(fault) = channel.takes(edition) else { continue };
                    let file = edition.file.as_ref().map(|file| file.display().to_string());
                    let place = format!(
                        "{}, key media.{name}.{tag}, over {}",
                        file.unwrap_or_else(|| programme.name.clone()),
                        channel.name()
                    );
                    // Programmes share what `general` has.
                    if told.insert(place.clone()) {
                        problems.push(Problem::new(place, fault.what, fault.fix));
                    }
                }
            }
        }
    }
    problems
}

/// What has no edition in a language of its programme: `inhaler of linden: ar, hi`.
pub(super) fn uncovered(programmes: &Programmes, catalogue: &Catalogue) -> Vec<String> {
    let mut told = Vec::new();
    for programme in programmes.iter() {
        for name in programme.media.keys() {
            let languages = media::uncovered(catalogue, programme, name);
            if !languages.is_empty() {
                told.push(format!("{name} of {}: {}", programme.name, languages.join(", ")));
            }
        }
    }
    told
}

//! Whether every message renders and says what it must, found out with sample values.

use super::catalogue::Texts;
use super::files::CatalogueProblem;
use super::name::LETTERS;
use super::render::Variables;
use super::{Form, MessageName};
use crate::care::TextStyle;
use fluent_bundle::FluentArgs;

/// What is wrong with the messages of a programme in a language.
pub(super) fn problems(programme: &str, texts: &Texts) -> Vec<CatalogueProblem> {
    let problem = |id: &str, what: String| CatalogueProblem {
        file: format!("{programme}/{}.ftl", texts.language),
        place: format!("message {id}"),
        what,
        fix: "write it with the variables that the built-in general/en.ftl uses".to_owned(),
    };
    let mut problems = Vec::new();
    for name in MessageName::ALL {
        for style in name.styles() {
            let id = name.id(*style);
            // Arabic has six plural forms; these counts reach them all.
            let faults = [1, 2, 3, 11, 100]
                .into_iter()
                .filter_map(|count| fault(texts, name, *style, &id, &Variables::sample(count)));
            problems.extend(faults.take(1).map(|what| problem(&id, what)));
        }
    }
    for month in 1..=12 {
        if let Err(what) = Variables::sample_date(texts, month) {
            problems.push(problem("date", what));
            break;
        }
    }
    let letters = LETTERS.map(|id| (id, Some("sender")));
    for (id, variable) in std::iter::once(("repeat-mark", None)).chain(letters) {
        let sample = Variables::sample(1);
        match texts.say(id, &sample.only(variable)) {
            Err(what) => problems.push(problem(id, what)),
            Ok(text) if text.trim().is_empty() => {
                problems.push(problem(id, "it is empty".to_owned()));
            }
            Ok(_) => {}
        }
    }
    problems
}

fn fault(
    texts: &Texts,
    name: MessageName,
    style: TextStyle,
    id: &str,
    sample: &Variables,
) -> Option<String> {
    let arguments: FluentArgs<'_> = sample.arguments(style, Form::Text, &texts.language);
    match texts.say(id, &arguments) {
        Err(what) => Some(what),
        Ok(text) => name
            .must_say(style)
            .into_iter()
            .find(|variable| {
                let value = sample.value(variable, Form::Text, &texts.language);
                value.is_none_or(|value| !text.contains(&value))
            })
            .map(|variable| format!("it does not say ${variable}")),
    }
}

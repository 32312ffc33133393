//! What is new in an answer: what stands above the mail it answers, without quotes, signatures and their like.

/// How mail programs end the line before a quote, in small letters: `On Monday, Clinic wrote:`.
const WROTE: [&str; 18] = [
    "wrote:",
    "a écrit :",
    "a écrit:",
    "escribió:",
    "escreveu:",
    "ha scritto:",
    "schreef:",
    "schrieb:",
    "skrev:",
    "napisał:",
    "napisał(a):",
    "пишет:",
    "написал:",
    "aliandika:",
    "كتب:",
    "ने लिखा:",
    "写道：",
    "のメール:",
];
/// The same where a name follows: `Am 1.1. schrieb Klinik <a@b>:`.
const WROTE_BEFORE_NAME: [&str; 6] =
    [" schrieb ", " schreef ", " skrev ", " a écrit ", "كتب ", " aliandika "];
/// The names of `From` at the head of a quoted mail.
const FROM: [&str; 14] = [
    "from:",
    "von:",
    "de:",
    "de :",
    "da:",
    "van:",
    "från:",
    "od:",
    "от:",
    "kutoka:",
    "من:",
    "प्रेषक:",
    "发件人:",
    "発信者:",
];
/// The names of what follows it.
const AFTER_FROM: [&str; 27] = [
    "sent:",
    "date:",
    "to:",
    "subject:",
    "gesendet:",
    "datum:",
    "an:",
    "betreff:",
    "envoyé",
    "à",
    "objet",
    "enviado",
    "fecha:",
    "data:",
    "para:",
    "asunto:",
    "assunto:",
    "aan:",
    "onderwerp:",
    "imetumwa:",
    "kwa:",
    "mada:",
    "تاريخ",
    "إلى:",
    "الموضوع:",
    "को:",
    "विषय:",
];
/// How telephones sign, in small letters.
const SIGNED: [&str; 14] = [
    "sent from my ",
    "sent from outlook",
    "sent from mail for",
    "get outlook for ",
    "sent via ",
    "envoyé de mon ",
    "envoyé depuis ",
    "enviado desde mi ",
    "enviado do meu ",
    "enviado a partir do ",
    "von meinem ",
    "gesendet mit ",
    "imetumwa kutoka ",
    "أرسلت من ",
];
/// Where the mail that is answered begins in HTML, in small letters.
const QUOTED_HTML: [&str; 8] = [
    "<blockquote",
    "class=\"gmail_quote",
    "id=\"divrplyfwdmsg\"",
    "id=\"appendonsend\"",
    "id=\"mail-editor-reference-message-container\"",
    "class=\"yahoo_quoted\"",
    "class=\"moz-cite-prefix\"",
    "name=\"messagereplysection\"",
];
/// How it begins where it is broken into several lines.
const BEGINS: [&str; 14] = [
    "on ", "le ", "el ", "em ", "am ", "il ", "op ", "den ", "w dniu ", "w ", "в ", "mnamo ",
    "في ", "tarehe ",
];
/// Lines that a line before a quote may be broken into.
const ATTRIBUTION_LINES: usize = 3;

/// The new text of an answer; empty when there is none.
pub(super) fn new_text(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches(['\r', ' '])).collect();
    let mut kept: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if let Some(length) = attribution(&lines[at..]) {
            // Below a quote with signs there may be more; without signs the rest is the quote.
            let below = lines[at + length..].iter().find(|line| !line.trim().is_empty());
            if !below.is_some_and(|line| is_quoted(line)) {
                break;
            }
            at += length;
            continue;
        }
        if is_end(line) || is_quoted_head(&lines[at..]) {
            break;
        }
        if !is_quoted(line) {
            kept.push(line);
        }
        at += 1;
    }
    kept.join("\n").trim().to_owned()
}

/// HTML without the mail that it answers.
pub(super) fn new_html(html: &str) -> &str {
    // ASCII letters only: a letter that grows when it is made small would move what is behind it.
    let small = html.to_ascii_lowercase();
    let cut = QUOTED_HTML.iter().filter_map(|sign| small.find(sign)).min();
    let Some(cut) = cut else { return html };
    // A sign within a tag: the tag goes with it.
    let begin = html[..cut].rfind('<').filter(|begin| !html[*begin..cut].contains('>'));
    &html[..begin.unwrap_or(cut)]
}

fn is_quoted(line: &str) -> bool {
    line.trim_start().starts_with('>')
}

/// Whether nothing of the patient's follows: a signature, or the mail that is answered.
fn is_end(line: &str) -> bool {
    let trimmed = line.trim();
    let small = trimmed.to_lowercase();
    let has_letters = trimmed.chars().any(char::is_alphabetic);
    trimmed == "--"
        || (trimmed.starts_with("-----") && trimmed.ends_with("-----") && has_letters)
        || (trimmed.len() >= 10 && trimmed.chars().all(|c| c == '_'))
        || SIGNED.iter().any(|signed| small.starts_with(signed))
}

/// Whether the head of a quoted mail begins here, as Outlook writes it.
fn is_quoted_head(lines: &[&str]) -> bool {
    let small = |line: &&str| line.trim().trim_start_matches('*').to_lowercase();
    let Some(first) = lines.first().map(small) else { return false };
    let begins = |line: &String, names: &[&str]| names.iter().any(|name| line.starts_with(name));
    begins(&first, &FROM)
        && lines[1..].iter().take(4).map(small).any(|line| begins(&line, &AFTER_FROM))
}

/// How many lines the line before a quote has, if it begins here.
fn attribution(lines: &[&str]) -> Option<usize> {
    let mut joined = String::new();
    for (index, line) in lines.iter().take(ATTRIBUTION_LINES).enumerate() {
        let line = line.trim();
        if line.is_empty() || is_quoted(line) {
            return None;
        }
        joined.push(' ');
        joined.push_str(&line.to_lowercase());
        let says = WROTE.iter().any(|word| joined.ends_with(word))
            || (joined.ends_with(':')
                && WROTE_BEFORE_NAME.iter().any(|word| joined.contains(word)));
        if says && index > 0 && !may_begin(lines[0]) {
            return None;
        }
        // Somebody's name, address or date stands in it; "My sister wrote:" is the patient's own.
        if says {
            return joined.contains(|c: char| c.is_numeric() || c == '@').then_some(index + 1);
        }
    }
    None
}

/// Whether a line before a quote may begin here: by its first word, or by a year.
fn may_begin(line: &str) -> bool {
    let small = line.trim().to_lowercase();
    let mut words = small.split(|c: char| !c.is_numeric());
    BEGINS.iter().any(|word| small.starts_with(word)) || words.any(|word| word.chars().count() == 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_what_is_new_is_heard() {
        for (mail, new) in [
            ("STOP", "STOP"),
            (
                "Yes\r\n\r\nOn Mon, Nov 23, 2026 at 8:00 AM Clinic <c@x.org> wrote:\r\n> To stop, reply STOP\r\n",
                "Yes",
            ),
            (
                "Yes\n\nOn Mon, Nov 23, 2026 at 8:00 AM Clinic\n<replies+abc@x.org> wrote:\n\n> STOP",
                "Yes",
            ),
            ("On 23 Nov 2026, Clinic wrote:\n> STOP\n\nI am well", "I am well"),
            ("Oui\n\nLe lun. 23 nov. 2026 à 08:00, Clinique <c@x.org> a écrit :\n> STOP", "Oui"),
            ("Sí\n\nEl lun, 23 nov 2026 a las 8:00, Clínica (<c@x.org>) escribió:\n> PARAR", "Sí"),
            (
                "Sim\n\nEm seg., 23 de nov. de 2026 às 08:00, Clínica <c@x.org> escreveu:\nPARAR",
                "Sim",
            ),
            ("Ja\n\nAm 23.11.2026 um 08:00 schrieb Klinik <c@x.org>:\n> STOP", "Ja"),
            ("Ndiyo\n\nMnamo 23 Nov 2026, Kliniki aliandika:\n> ACHA", "Ndiyo"),
            ("نعم\n\nفي الاثنين، 23 نوفمبر 2026 كتب Clinic <c@x.org>:\n> توقف", "نعم"),
            ("हाँ\n\nसोम, 23 नव॰ 2026 को 8:00 बजे Clinic <c@x.org> ने लिखा:\n> बंद", "हाँ"),
            ("Yes\nOn Mon, Nov 23, 2026 Clinic <c@x.org> wrote:\n> STOP", "Yes"),
            ("Yes\n\n-----Original Message-----\nFrom: Clinic\nSTOP", "Yes"),
            ("Ja\n\n-----Ursprüngliche Nachricht-----\nSTOP", "Ja"),
            (
                "Yes\n\n________________________________\nFrom: Clinic <c@x.org>\nSent: Monday\nSTOP",
                "Yes",
            ),
            ("Yes\n\nFrom: Clinic <c@x.org>\nSent: Monday\nTo: me\nSubject: A\n\nSTOP", "Yes"),
            ("Oui\n\nDe : Clinique <c@x.org>\nEnvoyé : lundi\nÀ : moi\nSTOP", "Oui"),
            ("*From:* Clinic\n*Sent:* Monday\nSTOP", ""),
            ("Yes\n-- \nAmina\nSTOP sign seller", "Yes"),
            ("Taken\n\nSent from my iPhone", "Taken"),
            ("> STOP\n> STOP", ""),
            (
                "From: the bottom of my heart,\nthank you",
                "From: the bottom of my heart,\nthank you",
            ),
            ("My sister wrote:\nshe comes", "My sister wrote:\nshe comes"),
            ("8 pm: taken", "8 pm: taken"),
            ("", ""),
        ] {
            assert_eq!(new_text(mail), new, "{mail}");
        }
    }

    #[test]
    fn html_is_cut_before_the_quote() {
        for (html, new) in [
            ("<p>Yes</p>", "<p>Yes</p>"),
            ("<p>Yes</p><blockquote>STOP</blockquote>", "<p>Yes</p>"),
            ("<p>Yes</p><div class=\"gmail_quote\">STOP</div>", "<p>Yes</p>"),
            ("<p>Yes \u{130}</p><DIV ID=\"divRplyFwdMsg\">STOP", "<p>Yes \u{130}</p>"),
        ] {
            assert_eq!(new_html(html), new);
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_cutting(text in "[a-z>:@<é\u{130}कः\\- \n\r_*0-9]{0,200}") {
            let new = new_text(&text);
            prop_assert!(new.len() <= text.len());
            new_html(&text);
        }
    }
}

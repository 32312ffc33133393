//! What a patient's reply asks of us, when it is one of the few words that bind a sender by law.
//!
//! Every language's words are heard from everybody: a patient's recorded language is not the one they type in.
//! Red flags ("chest pain") are looked for before this, and elsewhere.
//!
//! The bias: a plain STOP is always heard, whatever its language, case, accents, digits, emoji or politeness
//! (FCC 47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel, unsubscribe, and whatever a reasonable
//! person reads as such). A stop word among other words ("should I stop the white pill?") must not silence a
//! dose, nor be lost: it is [`Heard::PerhapsStop`] and a person reads it. START and HELP are heard only when
//! they stand alone; "yes" is no START, because it answers a reminder as well.

mod words;

use std::collections::BTreeSet;
use std::sync::LazyLock;
use words::{FILLERS, HELP, START, STOP, STOP_ALONE};

/// What a reply asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Send nothing more.
    Stop,
    /// A stop word in a sentence that says more: sending goes on, and a person of the care team reads it.
    PerhapsStop,
    /// Send again.
    Start,
    /// Who are you?
    Help,
    /// A bare number of at most two digits, in whatever script.
    Number(u8),
    /// Anything else.
    Other,
}

/// Reads a reply.
pub fn hear(reply: &str) -> Heard {
    let folded = fold(reply);
    let words: Vec<&str> = folded.split_whitespace().collect();
    if let [number] = words[..]
        && number.len() <= 2
        && let Ok(number) = number.parse()
    {
        return Heard::Number(number);
    }
    let lists = &*LISTS;
    let is_filler = |word: &&str| lists.fillers.contains(*word);
    let plain: Vec<&str> = words.iter().copied().filter(|word| !is_filler(word)).collect();
    let first = words.iter().take_while(|word| is_filler(word)).count();
    let last = words.iter().rev().take_while(|word| is_filler(word)).count();
    let middle = words.get(first..words.len() - last).unwrap_or_default();
    let asks = |list: &Phrases| {
        [&words[..], middle, &plain].iter().any(|words| list.contains(&words.join(" ")))
            // "S T O P"
            || (words.iter().all(|word| word.chars().count() == 1) && list.contains(&words.concat()))
            // "stop stop", "STOP / ARRET"
            || (!plain.is_empty() && plain.iter().all(|word| list.contains(*word)))
    };
    if asks(&lists.stop) {
        Heard::Stop
    } else if asks(&lists.start) {
        Heard::Start
    } else if asks(&lists.help) {
        Heard::Help
    } else if lists.stop_in_sentence.iter().any(|phrase| holds(&words, phrase)) {
        Heard::PerhapsStop
    } else {
        Heard::Other
    }
}

/// Whether a mail asks to leave the mails alone, in the words that our mails' `List-Unsubscribe` header hands to a
/// reader's program. Heard over email only, where it asks for less than the STOP that it is anywhere else.
pub fn leaves_mail(reply: &str) -> bool {
    fold(reply).trim() == "unsubscribe"
}

type Phrases = BTreeSet<String>;

/// The lists, folded once.
struct Lists {
    stop: Phrases,
    stop_in_sentence: Phrases,
    start: Phrases,
    help: Phrases,
    fillers: Phrases,
}

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    let folded = |list: &[&str]| -> Phrases {
        list.iter().map(|phrase| fold(phrase).trim().to_owned()).collect()
    };
    let stop_in_sentence = folded(STOP);
    Lists {
        stop: &stop_in_sentence | &folded(STOP_ALONE),
        stop_in_sentence,
        start: folded(START),
        help: folded(HELP),
        fillers: folded(FILLERS),
    }
});

/// Whether a phrase stands among the words.
fn holds(words: &[&str], phrase: &str) -> bool {
    let phrase: Vec<&str> = phrase.split(' ').collect();
    words.windows(phrase.len()).any(|window| window == phrase)
}

/// Lower case, no accents, vowel signs of Arabic, nuktas or invisible characters, ASCII digits and letters for
/// those of other widths and scripts, spaces for everything that is neither letter nor digit, runs of three or
/// more of one letter as one. Lists and replies go through the same folding, so they meet.
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        match c {
            '\u{1f6d1}' => folded.push_str(" stop "), // the stop sign says what it says
            '\'' | '\u{2019}' | '\u{640}' => {}
            c if is_invisible(c) => {}
            c => match plain(c) {
                c if c.is_alphanumeric() => folded.push(c),
                _ => folded.push(' '),
            },
        }
    }
    squeeze(&folded)
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'                       // combining accents
        | '\u{64b}'..='\u{65f}' | '\u{670}'         // Arabic vowel signs
        | '\u{93c}' | '\u{94d}'                     // Devanagari nukta and virama
        | '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn plain(c: char) -> char {
    let digit = |zero: u32| char::from_u32(u32::from(b'0') + u32::from(c) - zero).unwrap_or(c);
    match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
        'ى' | 'ی' => 'ي',
        'ک' => 'ك',
        'ة' => 'ه',
        '\u{958}'..='\u{95f}' => devanagari_without_nukta(c),
        '\u{660}'..='\u{669}' => digit(0x660),
        '\u{6f0}'..='\u{6f9}' => digit(0x6f0),
        '\u{966}'..='\u{96f}' => digit(0x966),
        // Full-width forms, one by one the ASCII characters.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    }
}

const fn devanagari_without_nukta(c: char) -> char {
    match c {
        '\u{958}' => 'क',
        '\u{959}' => 'ख',
        '\u{95a}' => 'ग',
        '\u{95b}' => 'ज',
        '\u{95c}' => 'ड',
        '\u{95d}' => 'ढ',
        '\u{95e}' => 'फ',
        _ => 'य',
    }
}

/// "stooop" as "stop"; doubled letters and digits stay.
fn squeeze(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    chars
        .chunk_by(|a, b| a == b)
        .flat_map(|run| {
            let is_stretched = run.len() > 2 && run[0].is_alphabetic();
            &run[..if is_stretched { 1 } else { run.len() }]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn p6_a_plain_stop_is_heard_in_every_language_and_disguise() {
        let replies = "stop|STOP|Stop.|sToP!!!|  stop\n|\"stop\"|stop 🙏|🛑|🛑 STOP 🛑|stooooop|S T O P|s.t.o.p|\
            ＳＴＯＰ|st\u{200b}op|Stop please|pls stop|STOP ALL|stop sending messages|Please stop texting me|\
            stop stop stop|STOP/ARRET|stop now|stopall|unsubscribe|Opt-out|OPT OUT|optout|quit|END|Cancel|revoke|\
            remove|TD|No more messages|don't text me|thanks, stop|stop it|\
            alto|PARAR|Pare|baja|BASTA|¡No más!|no mas|no mas mensajes|por favor parar|cancelar|detener|\
            Por favor, no me escriban|arrêt|ARRET|Arrêtez !|arrête s'il vous plaît|désabonner|STOP svp|\
            sair|Parar, por favor|para|chega|descadastrar|\
            acha|ACHA!|sitisha ujumbe|Tafadhali acha|acha kutuma ujumbe|simamisha|usinitumie ujumbe|\
            बंद|बंद करो|बन्द करें|कृपया संदेश बंद करें|मैसेज भेजना बंद कर दो|रोको|रोकें|रुको|स्टॉप|band karo|\
            message band karo|roko|\
            توقف|توقّف|أوقف|اوقف|إيقاف|ايقاف الرسائل|من فضلك توقف|إلغاء|الغاء الاشتراك|لا ترسل رسائل|قف|كفى|ستوب";
        let replies: Vec<&str> = replies.split('|').collect();
        assert!(replies.len() > 80);
        for reply in replies {
            assert_eq!(hear(reply), Heard::Stop, "{reply}");
        }
    }

    #[test]
    fn p2_a_stop_within_a_sentence_silences_nothing_and_is_not_lost() {
        let replies = "Should I stop the white pill?|when can I stop|don't stop|do not stop the messages|\
            stop taking aspirin?|my cough will not stop|I want to stop|stop or start|start stop|\
            ¿puedo darme de baja mañana?|dois-je arrêter le traitement|\
            दवा बंद करूँ क्या|هل أوقف الدواء";
        for reply in replies.split('|') {
            assert_eq!(hear(reply), Heard::PerhapsStop, "{reply}");
        }
    }

    #[test]
    fn start_and_help_are_heard_alone() {
        let start = "start|START!|Start please|unstop|resume messages|iniciar|Reanudar mensajes|alta|\
            reprendre|Démarrer|começar|VOLTAR|anza|Endelea tafadhali|शुरू|शुरू करें|संदेश शुरू करो|ابدأ|ابدا|استئناف الرسائل";
        for reply in start.split('|') {
            assert_eq!(hear(reply), Heard::Start, "{reply}");
        }
        let help =
            "help|HELP?|info|Who is this?|ayuda|AIDE|ajuda|msaada|मदद|सहायता|مساعدة|help me please";
        for reply in help.split('|') {
            assert_eq!(hear(reply), Heard::Help, "{reply}");
        }
    }

    #[test]
    fn answers_to_a_reminder_are_no_keywords() {
        let replies = "|   |yes|ok|👍|done|taken|I took it|listo|ya está|fini|pris|feito|tomei|nimemeza|tayari|basi|\
            हो गया|ले ली|बस|تم|خلاص|نعم|help, I have chest pain|please cancel my visit|para mañana|\
            the weekend is fine|stopover|startle|123|please|gracias";
        for reply in replies.split('|') {
            assert_eq!(hear(reply), Heard::Other, "{reply}");
        }
    }

    #[test]
    fn what_leaves_the_mails_is_a_stop_elsewhere() {
        for (reply, leaves) in [
            ("unsubscribe", true),
            (" Unsubscribe!", true),
            ("STOP", false),
            ("unsubscribe me from everything", false),
            ("", false),
        ] {
            assert_eq!(leaves_mail(reply), leaves, "{reply}");
        }
        assert_eq!(hear("unsubscribe"), Heard::Stop);
    }

    #[test]
    fn a_number_is_heard_in_any_digits() {
        let rows =
            [("1", 1), (" 2. ", 2), ("٣", 3), ("۴", 4), ("५", 5), ("６", 6), ("1️⃣", 1), ("10", 10)];
        for (reply, number) in rows {
            assert_eq!(hear(reply), Heard::Number(number), "{reply}");
        }
    }

    proptest! {
        #[test]
        fn case_and_frame_do_not_change_a_stop(upper in "[sS][tT][oO][pP]", before in "[ .!*\"-]{0,5}", after in "[ .!?*🙏😡]{0,5}") {
            let reply = format!("{before}{upper}{after}");
            prop_assert_eq!(hear(&reply), Heard::Stop);
        }

        #[test]
        fn any_reply_is_read(reply in "\\PC{0,200}") {
            let heard = hear(&reply);
            prop_assert_eq!(heard, hear(&reply.to_lowercase()));
        }
    }
}

//! The words. They are folded before they are compared, so accents and case here are for the reader.

/// Stop words that are heard alone and noticed within a sentence. English ones by 47 CFR 64.1200(a)(10) and by
/// what carriers handle themselves; the others per language.
#[rustfmt::skip] // a line a language
pub(super) const STOP: &[&str] = &[
    // English
    "stop", "stopall", "stop all", "unsubscribe", "unsub", "opt out", "optout", "revoke", "stopp",
    "no more messages", "no more texts", "dont text", "dont text me",
    "dont message", "dont message me",
    // Spanish
    "no más mensajes", "no me escriba", "no me escriban", "darme de baja", "desuscribir",
    // French
    "arrêt", "arrête", "arrêter", "arrêtez", "désabonner", "désabonnement", "désinscrire",
    // Portuguese
    "descadastrar", "cancelar inscrição", "parar de receber", "não quero receber",
    // Swahili
    "sitisha", "komesha", "usitume", "usinitumie", "msitume", "msinitumie", "jiondoe",
    // Hindi, and as it is typed in Latin letters
    "बंद", "बन्द", "रोको", "रोकें", "रोक दो", "स्टॉप", "band karo", "band kar do", "roko", "bandh karo",
    // Arabic
    "توقف", "توقفوا", "أوقف", "أوقفوا", "إيقاف", "ايقاف", "ستوب", "إلغاء الاشتراك", "لا ترسل", "لا ترسلوا",
    "كفى",
];

/// Stop words that mean too much else within a sentence ("para" is Spanish for "for"): heard only alone. No word
/// that also means "done" is here ("fini", "خلاص", "basi"): it answers a reminder.
#[rustfmt::skip] // a line a language
pub(super) const STOP_ALONE: &[&str] = &[
    // English
    "quit", "end", "cancel", "remove", "no more", "td",
    // Spanish
    "alto", "parar", "pare", "para", "baja", "cancelar", "cancela", "basta", "detener", "salir", "no más",
    "fin", "terminar", "quitar",
    // French
    "annuler", "supprimer",
    // Portuguese
    "sair", "remover", "chega", "não mais", "encerrar", "pára",
    // Swahili
    "acha", "acheni", "simama", "simamisha", "ondoa", "ghairi", "toka", "mwisho", "inatosha",
    // Hindi
    "रुको", "रुकें", "रुकिए", "रोक", "रद्द", "band", "bandh", "ruko",
    // Arabic
    "قف", "وقف", "إلغاء", "ألغ", "إنهاء", "خروج", "حذف", "إزالة",
];

/// Words that ask to begin again. No "yes": it answers reminders.
#[rustfmt::skip] // a line a language
pub(super) const START: &[&str] = &[
    "start", "unstop", "resume", "restart", "subscribe", "opt in",
    "iniciar", "inicio", "empezar", "comenzar", "reanudar", "alta",
    "démarrer", "commencer", "reprendre", "reprise",
    "começar", "retomar", "voltar", "início",
    "anza", "anzisha", "endelea", "rudisha",
    "शुरू", "शुरू करें", "शुरू करो", "चालू", "चालू करें", "चालू करो", "स्टार्ट", "shuru", "shuru karo",
    "ابدأ", "ابدأوا", "بدء", "بداية", "استئناف", "اشتراك", "تشغيل", "ستارت",
];

/// Words that ask who we are.
#[rustfmt::skip] // a line a language
pub(super) const HELP: &[&str] = &[
    "help", "help me", "info", "information", "who is this", "who are you",
    "ayuda", "información", "ayúdame", "quién es",
    "aide", "aidez moi", "qui est ce", "qui êtes vous",
    "ajuda", "informação", "quem é", "quem são",
    "msaada", "nisaidie", "usaidizi", "ni nani",
    "मदद", "सहायता", "मदद करें", "हेल्प", "कौन", "madad",
    "مساعدة", "ساعدني", "معلومات", "من أنت", "من أنتم",
];

/// Words that change nothing beside a stop, start or help word: politeness, "messages", "now". Words that could
/// make it be about the treatment ("taking", "tablets", "pain") or turn it round ("not", "until") are never here.
#[rustfmt::skip] // a line a language
pub(super) const FILLERS: &[&str] = &[
    "please", "pls", "plz", "thanks", "thank", "you", "now", "all", "the", "these", "this", "it", "me", "my",
    "sending", "texting", "messaging", "message", "messages", "text", "texts", "sms", "msg", "msgs", "whatsapp",
    "reminder", "reminders", "hi", "hello", "ok",
    "por", "favor", "gracias", "ya", "los", "las", "mensaje", "mensajes", "estos", "hola", "recordatorios",
    "svp", "s'il", "vous", "plaît", "plait", "merci", "les", "ces", "messages", "bonjour", "rappels",
    "obrigado", "obrigada", "já", "as", "os", "mensagem", "mensagens", "estas", "olá", "lembretes",
    "tafadhali", "asante", "sasa", "ujumbe", "huu", "kutuma", "habari",
    "कृपया", "प्लीज़", "धन्यवाद", "संदेश", "मैसेज", "ये", "यह", "करो", "करें", "कर", "दो", "दें", "भेजना", "नमस्ते",
    "kripya", "karo", "karein", "message",
    "من", "فضلك", "رجاء", "الرجاء", "شكرا", "الآن", "الرسائل", "رسائل", "هذه", "الإرسال", "إرسال", "مرحبا",
];

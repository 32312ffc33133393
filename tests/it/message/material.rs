//! Material as programmes configure it: looked into at load, with what is wrong and where.

use super::*;
use carebell::care::media::{Film, FilmIndex, Inside};
use carebell::care::{MediaKind, MediaSource};
use carebell::message::media;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/media");

/// A folder of schedules with these texts, and with these samples as files of the programme oak.
fn schedules(texts: &[(&str, &str)], samples: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let place = |path: &str| {
        let path = dir.path().join("programmes").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for (path, text) in texts {
        std::fs::write(place(path), text).unwrap();
    }
    for (sample, path) in samples {
        std::fs::copy(Path::new(DATA).join(sample), place(path)).unwrap();
    }
    dir
}

fn load(dir: &tempfile::TempDir) -> Result<Programmes, Vec<String>> {
    Programmes::load(Some(dir.path()), &Names, &catalogue())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn files_are_looked_into_and_languages_find_their_edition() {
    let oak = "title = \"Oak\"\n[media.m1]\nen = { file = \"a/f.mp4\", url = \"https://m.example.org/1\" }\n\
               pt = { url = \"https://m.example.org/2\", type = \"application/pdf\" }\n\
               fr = { url = \"https://m.example.org/3\" }\n";
    let general = "title = \"General\"\n[media.m1]\nen = { url = \"https://m.example.org/9\" }\n\
                   hi = { file = \"p.jpg\" }\n[media.m2]\nen = { file = \"s.pdf\" }\n";
    let dir = schedules(
        &[("oak/programme.toml", oak), ("general/programme.toml", general)],
        &[
            ("film.mp4", "oak/media/a/f.mp4"),
            ("picture.jpg", "general/media/p.jpg"),
            ("sheet.pdf", "general/media/s.pdf"),
        ],
    );
    let programmes = load(&dir).unwrap();
    let oak = programmes.get("oak").unwrap();
    let of = |name: &str, language: &str| media::edition(oak, name, language);
    let film = of("m1", "en-GB").unwrap();
    let found = film.content.as_ref().unwrap();
    let expected = Film {
        codecs: vec!["avc1".to_owned(), "mp4a".to_owned()],
        profile: Some(77),
        index: FilmIndex::First,
    };
    assert_eq!(found.form.inside, Inside::Film(expected));
    assert_eq!((found.bytes, found.form.mime_type), (2_201, "video/mp4"));
    let bytes = std::fs::read(Path::new(DATA).join("film.mp4")).unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(&bytes);
    assert_eq!(found.sha256, format!("{hash:x}"));
    assert_eq!(film.file.as_ref().unwrap(), &dir.path().join("programmes/oak/media/a/f.mp4"));
    // An edition replaces another whole, one beside it stays, and another programme keeps its own.
    assert_eq!(film.url.as_deref(), Some("https://m.example.org/1"));
    assert_eq!(media::kind(of("m1", "hi").unwrap()), Some(MediaKind::Image));
    assert_eq!(media::kind(of("m1", "pt_BR").unwrap()), Some(MediaKind::Document));
    assert_eq!(media::kind(of("m1", "fr").unwrap()), None, "a page");
    assert_eq!(of("m2", "en").unwrap().content.as_ref().unwrap().form.mime_type, "application/pdf");
    assert_eq!(of("m1", "sw"), None, "never another language");
    assert_eq!(media::uncovered(&catalogue(), oak, "m1"), ["ar", "es", "sw"]);
    let linden = programmes.get("linden").unwrap();
    assert_eq!(media::edition(linden, "m1", "en").unwrap().file, None);
}

#[test]
fn faulty_material_is_found_at_load_with_its_place() {
    let rows = [
        ("M1.en = { url = \"https://m.example.org/1\" }", "key media.M1: the name is not usable"),
        ("m.en = {}", "key media.m.en: it has neither file nor url"),
        (
            "m.xx = { url = \"https://m.example.org\" }",
            "key media.m.xx: there are no texts in this language",
        ),
        ("m.en = { url = \"http://m.example.org/1\" }", "key media.m.en.url: it is no https URL"),
        ("m.en = { url = \"https:///1\" }", "it names no host"),
        ("m.en = { url = \"https://m@x.example/1\" }", "or a user"),
        ("m.en = { url = \"https://m.example.org/a b\" }", "it has characters"),
        (
            "m.en = { url = \"https://m.example.org/1\", type = \"video/webm\" }",
            "key media.m.en.type: no channel",
        ),
        ("m.en = { file = \"f.mp4\", type = \"video/mp4\" }", "a file tells its type itself"),
        ("m.en = { file = \"../f.mp4\" }", "key media.m.en.file: it is not a path below"),
        ("m.en = { file = \"/etc/passwd\" }", "it is not a path below"),
        ("m.en = { path = \"f.mp4\" }", "unknown field `path`"),
    ];
    for (line, expected) in rows {
        let text = format!("title = \"Oak\"\n[media]\n{line}\n");
        let files = [("film.mp4", "oak/media/f.mp4")];
        let dir = schedules(&[("oak/programme.toml", &text)], &files);
        let told = load(&dir).map(drop).unwrap_err();
        assert!(told.iter().any(|problem| problem.contains(expected)), "{line}: {told:?}");
        assert_eq!(told.len(), 1, "{line}: {told:?}");
    }
}

/// Doses of a programme never wait for its films.
#[test]
fn p2_a_file_that_cannot_be_used_is_left_out_and_told_of() {
    for (file, expected, fix) in [
        ("none.mp4", "it cannot be read (entity not found)", "put the file there"),
        ("folder", "it is no file", "name a file"),
        ("f.png", "its content is video/mp4", ""),
        ("f.txt", "the file is a GIF picture", ""),
    ] {
        let text = format!(
            "title = \"Oak\"\n[media]\nm.en = {{ file = \"{file}\", url = \"https://m.example.org/1\" }}\n"
        );
        let dir = schedules(
            &[
                ("oak/programme.toml", &text),
                ("oak/media/f.txt", "GIF89a\0"),
                ("oak/media/folder/x", ""),
            ],
            &[("film.mp4", "oak/media/f.png")],
        );
        let programmes = load(&dir).unwrap();
        let edition = media::edition(programmes.get("oak").unwrap(), "m", "en").unwrap();
        let fault = edition.fault.as_ref().unwrap();
        assert!(fault.path.ends_with(format!("oak/media/{file}")), "{fault:?}");
        assert!(fault.what.contains(expected) && fault.fix.contains(fix), "{fault:?}");
        assert_eq!((&edition.file, &edition.content), (&None, &None));
        assert_eq!(edition.url.as_deref(), Some("https://m.example.org/1"), "the words link to it");
    }
}

#[test]
fn a_template_with_a_header_is_named_by_its_kind() {
    let template = |key: &str| {
        format!(
            "title = \"Oak\"\n[whatsapp_templates.{key}]\nname = \"x\"\nttl_seconds = 60\nlanguages = {{ en = \"en\" }}\n"
        )
    };
    for (key, header) in [
        ("education-video", Some(MediaKind::Video)),
        ("education-overt-image-short", Some(MediaKind::Image)),
        ("notice-document", Some(MediaKind::Document)),
        ("lifestyle-short", None),
    ] {
        let programmes = load(&schedules(&[("oak/programme.toml", &template(key))], &[])).unwrap();
        let oak = programmes.get("oak").unwrap();
        assert_eq!(oak.whatsapp_templates[key].header, header, "{key}");
    }
    for key in ["dose-video", "education-film", "education-short-video"] {
        let told = load(&schedules(&[("oak/programme.toml", &template(key))], &[])).map(drop);
        assert!(told.unwrap_err()[0].contains("there is no such message"), "{key}");
    }
}

#[test]
fn samples_of_others_are_told_apart() {
    for (sample, kind, fault) in [
        ("film.mp4", MediaKind::Video, None),
        ("film.3gp", MediaKind::Video, None),
        ("picture.jpg", MediaKind::Image, None),
        ("picture.png", MediaKind::Image, None),
        ("sheet.pdf", MediaKind::Document, None),
        ("high.mp4", MediaKind::Video, Some("profile 100")),
        ("late-index.mp4", MediaKind::Video, Some("index")),
        ("hevc.mp4", MediaKind::Video, Some("codec hev1")),
        ("cmyk.jpg", MediaKind::Image, Some("RGB")),
    ] {
        let text = format!("title = \"Oak\"\n[media.m]\nen = {{ file = \"{sample}\" }}\n");
        let to = format!("oak/media/{sample}");
        let dir = schedules(&[("oak/programme.toml", &text)], &[(sample, &to)]);
        let programmes = load(&dir).unwrap();
        let edition = media::edition(programmes.get("oak").unwrap(), "m", "en").unwrap();
        assert_eq!(media::kind(edition), Some(kind), "{sample}");
        let channels = crate::channel::channels("http://127.0.0.1:1", "smtp://127.0.0.1:1", 1_000);
        match (channels.by_name("whatsapp").unwrap().takes(edition), fault) {
            (Ok(Some(media)), None) => {
                let MediaSource::File { path, .. } = media.source else { unreachable!() };
                assert_eq!(Some(path), edition.file);
            }
            (Err(problem), Some(fault)) => assert!(problem.what.contains(fault), "{problem}"),
            (got, fault) => unreachable!("{sample}: {got:?}, not {fault:?}"),
        }
        for other in ["twilio", "email"] {
            assert_eq!(channels.by_name(other).unwrap().takes(edition), Ok(None));
        }
    }
}

#[test]
fn words_hold_the_link_and_a_template_the_file() {
    let link = "https://m.example.org/None";
    let oak = "title = \"Oak\"\n[whatsapp_templates.education-video]\nname = \"film\"\nttl_seconds = 3600\n\
               languages = { en = \"en\" }\nparameters = [\"sender\", \"time\"]\n";
    let programmes = load(&schedules(&[("oak/programme.toml", oak)], &[])).unwrap();
    let oak = programmes.get("oak").unwrap();
    let catalogue = catalogue();
    let enclosed = |kind: Option<MediaKind>| Enclosed { file: kind, links: vec![link.to_owned()] };
    let render = |language: &str, form, kind| {
        let saying =
            Saying { material: enclosed(kind), ..saying(MessageName::Education, language, form) };
        catalogue.render(oak, &saying).unwrap()
    };
    let text = render("en", FORMS[0], Some(MediaKind::Video));
    assert!(text.text.expose().ends_with(&format!("\n{link}")) && text.links.is_empty());
    let template = |language: &str, kind| render(language, FORMS[1], kind).template.unwrap();
    let film = template("en", Some(MediaKind::Video));
    assert_eq!((film.name.as_str(), film.header), ("film", Some(MediaKind::Video)));
    for bare in [
        template("en", Some(MediaKind::Image)),
        template("en", None),
        template("sw", Some(MediaKind::Video)),
    ] {
        assert_eq!((bare.name.as_str(), bare.header), ("carebell_education", None));
    }
    for language in LANGUAGES {
        let mail = render(language, FORMS[2], None);
        assert!(!mail.text.expose().contains(link));
        let letter = catalogue.letter(oak, language, &mail, None).unwrap();
        let (text, html) = (letter.text.expose(), letter.html.expose().replace("&#x2f;", "/"));
        let words = text.lines().find_map(|line| line.strip_suffix(&format!(": {link}"))).unwrap();
        assert!(
            !words.is_empty() && html.contains(&format!("<a href=\"{link}\">{words}</a>")),
            "{html}"
        );
    }
}

#[test]
fn what_patients_do_not_get_to_see_is_hinted_at() {
    use carebell::care::ChannelKind::{Sms, Whatsapp};
    use carebell::message::Prices;
    use carebell::message::survey::{Finding, survey};
    let oak = "title = \"Oak\"\n[media.m1]\nen = { file = \"f.mp4\" }\nfr = { url = \"https://m.example.org/1\" }\n";
    let dir = schedules(&[("oak/programme.toml", oak)], &[("film.mp4", "oak/media/f.mp4")]);
    let programmes = load(&dir).unwrap();
    let prices = Prices::load(None).unwrap();
    let found = survey(&catalogue(), programmes.get("oak").unwrap(), &prices, 9);
    let of = |language: &str, channel: carebell::care::ChannelKind| -> Vec<String> {
        let rows = found.iter().filter(|row| row.language == language && row.channel == channel);
        let findings = rows.filter(|row| row.message == "education").flat_map(|row| &row.findings);
        let media =
            |one: &&Finding| matches!(one, Finding::Unshown { .. } | Finding::Uncovered { .. });
        findings.filter(media).map(ToString::to_string).collect()
    };
    let unshown =
        "shows no video: words go alone until there is a template education-video in this language";
    assert_eq!(of("en", Whatsapp), [unshown]);
    assert_eq!(of("en", Sms), [""; 0]);
    assert_eq!(of("fr", Whatsapp), [""; 0], "a page");
    let uncovered = "words go alone: there is no edition of m1 in this language";
    assert_eq!(of("sw", Sms), [uncovered]);
    let elsewhere = found.iter().filter(|row| row.message != "education");
    let is_of_media =
        |one: &Finding| matches!(one, Finding::Unshown { .. } | Finding::Uncovered { .. });
    assert!(!elsewhere.flat_map(|row| &row.findings).any(is_of_media));
}

//! What a file is, by its first bytes and its boxes. Pure; whatever the bytes are, it neither fails nor reads beyond
//! them.
//!
//! Sources: ISO/IEC 14496-12 (boxes), 14496-15 5.3.3.1.2 (`avcC`), ITU-T T.81 B.2.2 (JPEG frames), PNG (W3C) 11.2.1
//! (`IHDR`), ISO 32000-1 7.5 (PDF), ECMA-376 part 2 (Office documents).

use crate::care::media::{Colours, Film, FilmIndex, Inside, MediaForm, MediaKind};

/// Why a file is of no use to anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// It ends too early.
    #[error("the file is cut off")]
    CutOff,
    /// No channel takes such files.
    #[error("the file is {what}, which no channel takes")]
    Other {
        /// What it is.
        what: &'static str,
        /// What to save it as.
        instead: &'static str,
    },
    /// Nothing known.
    #[error("the file's content is of no known type")]
    Unknown,
    /// A name that says something else.
    #[error("the file's name ends on {extension}, its content is {mime_type}")]
    Misnamed {
        /// What the name says.
        extension: String,
        /// What it is.
        mime_type: &'static str,
    },
}

impl Unfit {
    /// What to do about it.
    pub(super) const fn fix(&self) -> &'static str {
        match self {
            Self::Empty | Self::CutOff => "copy it again, whole",
            Self::Other { instead, .. } => instead,
            Self::Unknown => "use JPEG or PNG, MP4 with H.264 and AAC, or PDF",
            Self::Misnamed { .. } => "give it the ending of its content",
        }
    }
}

const AS_PICTURE: &str = "save it as JPEG or PNG";
const AS_FILM: &str = "save it as MP4 with H.264 and AAC";
const AS_PAGES: &str = "save it as PDF";

/// Contents that people do have, and that no provider takes: where their mark is, and what it is.
const OTHERS: &[(usize, &[u8], &str, &str)] = &[
    (0, b"GIF8", "a GIF picture", AS_PICTURE),
    (8, b"WEBP", "a WebP picture", AS_PICTURE),
    (0, b"BM", "a BMP picture", AS_PICTURE),
    (0, b"II*\0", "a TIFF picture", AS_PICTURE),
    (0, b"MM\0*", "a TIFF picture", AS_PICTURE),
    (8, b"AVI ", "an AVI film", AS_FILM),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM film", AS_FILM),
    (0, b"FLV", "a Flash film", AS_FILM),
    (0, b"\x30\x26\xb2\x75", "a Windows Media film", AS_FILM),
    (4, b"moov", "a QuickTime film", AS_FILM),
    (4, b"mdat", "a QuickTime film", AS_FILM),
    (4, b"wide", "a QuickTime film", AS_FILM),
    (0, b"OggS", "an Ogg file", AS_FILM),
    (0, b"ID3", "sound", AS_FILM),
    (0, b"{\\rtf", "an RTF text", AS_PAGES),
    (0, b"<!DOCTYPE", "a web page", AS_PAGES),
    (0, b"<html", "a web page", AS_PAGES),
];

/// Brands of `ftyp` that are no film that providers take.
const OTHER_BRANDS: &[(&[u8], &str, &str)] = &[
    (b"qt  ", "a QuickTime film", AS_FILM),
    (b"M4A ", "sound", AS_FILM),
    (b"M4B ", "sound", AS_FILM),
    (b"heic", "a HEIC picture", AS_PICTURE),
    (b"heix", "a HEIC picture", AS_PICTURE),
    (b"mif1", "a HEIC picture", AS_PICTURE),
    (b"avif", "an AVIF picture", AS_PICTURE),
];

/// Office documents by a part that each of them has.
const OFFICE: &[(&[u8], &str)] = &[
    (
        b"word/document.xml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    (b"xl/workbook.xml", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (
        b"ppt/presentation.xml",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
];

/// Endings that a name may have, by the content's type. Other endings say nothing.
const ENDINGS: &[(&str, &[&str])] = &[
    ("image/jpeg", &["jpg", "jpeg"]),
    ("image/png", &["png"]),
    ("video/mp4", &["mp4", "m4v"]),
    ("video/3gpp", &["3gp", "3gpp"]),
    ("application/pdf", &["pdf"]),
    ("text/plain", &["txt"]),
    ("application/msword", &["doc"]),
    ("application/vnd.ms-excel", &["xls"]),
    ("application/vnd.ms-powerpoint", &["ppt"]),
    (OFFICE[0].1, &["docx"]),
    (OFFICE[1].1, &["xlsx"]),
    (OFFICE[2].1, &["pptx"]),
];

/// The kind of file that a type is of; none where no channel takes it.
pub(super) fn kind_of(mime_type: &str) -> Option<MediaKind> {
    ENDINGS.iter().find(|(known, _)| *known == mime_type)?;
    Some(match mime_type.split('/').next() {
        Some("image") => MediaKind::Image,
        Some("video") => MediaKind::Video,
        _ => MediaKind::Document,
    })
}

/// What a file is that begins with `head`, is `length` bytes long and has a name that ends on `extension`.
///
/// # Errors
/// Why it is of no use; [`Unfit::fix`] says what to do.
pub(super) fn sniff(head: &[u8], length: u64, extension: &str) -> Result<MediaForm, Unfit> {
    if head.is_empty() {
        return Err(Unfit::Empty);
    }
    let is_whole = u64::try_from(head.len()).is_ok_and(|known| known == length);
    let extension = extension.to_ascii_lowercase();
    let form = of_content(head, is_whole, &extension)?;
    let says = ENDINGS.iter().find(|(_, endings)| endings.contains(&extension.as_str()));
    match says {
        Some((mime_type, _)) if *mime_type != form.mime_type => {
            Err(Unfit::Misnamed { extension, mime_type: form.mime_type })
        }
        _ => Ok(form),
    }
}

fn of_content(head: &[u8], is_whole: bool, extension: &str) -> Result<MediaForm, Unfit> {
    let ends = |mark: &[u8]| !is_whole || head.windows(mark.len()).any(|window| window == mark);
    if head.starts_with(b"\xff\xd8\xff") {
        let inside = jpeg(head).filter(|_| ends(b"\xff\xd9")).ok_or(Unfit::CutOff)?;
        return Ok(MediaForm { kind: MediaKind::Image, mime_type: "image/jpeg", inside });
    }
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        let inside = png(head).filter(|_| ends(b"IEND")).ok_or(Unfit::CutOff)?;
        return Ok(MediaForm { kind: MediaKind::Image, mime_type: "image/png", inside });
    }
    if head.get(4..8) == Some(b"ftyp") {
        return film(head, is_whole);
    }
    let pages =
        |mime_type| MediaForm { kind: MediaKind::Document, mime_type, inside: Inside::Pages };
    if head.starts_with(b"%PDF-") {
        return if ends(b"%%EOF") { Ok(pages("application/pdf")) } else { Err(Unfit::CutOff) };
    }
    if head.starts_with(b"PK\x03\x04") {
        let has = |part: &[u8]| head.windows(part.len()).any(|window| window == part);
        let office = OFFICE.iter().find(|(part, _)| has(part)).map(|(_, mime_type)| *mime_type);
        let zip = Unfit::Other { what: "a ZIP archive", instead: "unpack it, and save it as PDF" };
        return office.map(pages).ok_or(zip);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        // The three old formats share their beginning; the name tells them apart.
        return match extension {
            "doc" => Ok(pages("application/msword")),
            "xls" => Ok(pages("application/vnd.ms-excel")),
            "ppt" => Ok(pages("application/vnd.ms-powerpoint")),
            _ => Err(Unfit::Unknown),
        };
    }
    let is_text = extension == "txt" && is_whole && !head.contains(&0);
    if is_text && std::str::from_utf8(head).is_ok() {
        return Ok(pages("text/plain"));
    }
    let marked = |at: usize, mark: &[u8]| head.get(at..at + mark.len()) == Some(mark);
    let other = OTHERS.iter().find(|(at, mark, ..)| marked(*at, mark));
    Err(other.map_or(Unfit::Unknown, |(_, _, what, instead)| Unfit::Other { what, instead }))
}

/// The frame of a JPEG: segments one after the other up to the first frame header.
fn jpeg(bytes: &[u8]) -> Option<Inside> {
    let mut at = 2;
    loop {
        let marker = *bytes.get(at + 1).filter(|_| bytes[at] == 0xff)?;
        match marker {
            // Fill bytes, and markers without a segment.
            0xff => at += 1,
            0x01 | 0xd0..=0xd8 => at += 2,
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some(Inside::Picture {
                    bits: *bytes.get(at + 4)?,
                    // Three components are colours of a screen, four are inks.
                    colours: if *bytes.get(at + 9)? == 3 { Colours::Rgb } else { Colours::Other },
                });
            }
            _ => {
                let length = bytes.get(at + 2..at + 4)?;
                at += 2 + usize::from(u16::from_be_bytes([length[0], length[1]])).max(2);
            }
        }
        if at >= bytes.len() {
            return None;
        }
    }
}

fn png(bytes: &[u8]) -> Option<Inside> {
    let header = bytes.get(12..26).filter(|header| header.starts_with(b"IHDR"))?;
    let colours = if matches!(header[13], 2 | 6) { Colours::Rgb } else { Colours::Other };
    Some(Inside::Picture { bits: header[12], colours })
}

/// One box: its type and what is in it. The last one of a file may say that it reaches to the end.
struct Boxes<'a> {
    rest: &'a [u8],
    is_cut_off: bool,
}

impl<'a> Iterator for Boxes<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.rest.get(..8)?;
        let kind = &header[4..8];
        let short = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let (from, size) = match short {
            0 => (8, self.rest.len()),
            1 => {
                let long: [u8; 8] = self.rest.get(8..16)?.try_into().ok()?;
                (16, usize::try_from(u64::from_be_bytes(long)).unwrap_or(usize::MAX))
            }
            size => (8, usize::try_from(size).unwrap_or(usize::MAX)),
        };
        self.is_cut_off |= size > self.rest.len() || size < from;
        let inside = self.rest.get(from..size.min(self.rest.len())).unwrap_or_default();
        self.rest = self.rest.get(size.max(from)..).unwrap_or_default();
        Some((kind, inside))
    }
}

const fn boxes(bytes: &[u8]) -> Boxes<'_> {
    Boxes { rest: bytes, is_cut_off: false }
}

fn film(bytes: &[u8], is_whole: bool) -> Result<MediaForm, Unfit> {
    let brand = bytes.get(8..12).ok_or(Unfit::CutOff)?;
    if let Some((_, what, instead)) = OTHER_BRANDS.iter().find(|(other, ..)| *other == brand) {
        return Err(Unfit::Other { what, instead });
    }
    let mut order = Vec::new();
    let mut film = Film::default();
    let mut top = boxes(bytes);
    for (kind, inside) in top.by_ref() {
        match kind {
            b"moov" => {
                order.push(FilmIndex::First);
                tracks(inside, &mut film);
            }
            b"mdat" => order.push(FilmIndex::Last),
            _ => {}
        }
    }
    if is_whole && (top.is_cut_off || !top.rest.is_empty()) {
        return Err(Unfit::CutOff);
    }
    if is_whole && film.codecs.is_empty() {
        return Err(Unfit::Unknown);
    }
    film.index = order.first().copied().unwrap_or_default();
    let is_mobile = brand.starts_with(b"3gp") || brand.starts_with(b"3gs");
    let mime_type = if is_mobile { "video/3gpp" } else { "video/mp4" };
    Ok(MediaForm { kind: MediaKind::Video, mime_type, inside: Inside::Film(film) })
}

/// The codecs of the tracks: `trak`, `mdia`, `minf`, `stbl` down to `stsd`. What is neither seen nor heard (a menu, a
/// clock) does not count.
fn tracks(movie: &[u8], film: &mut Film) {
    for (_, track) in boxes(movie).filter(|(kind, _)| kind == b"trak") {
        let Some(media) = inner(track, b"mdia") else { continue };
        let handler = inner(media, b"hdlr").and_then(|hdlr| hdlr.get(8..12));
        if !matches!(handler, Some(b"vide" | b"soun")) {
            continue;
        }
        let table = inner(media, b"minf").and_then(|minf| inner(minf, b"stbl"));
        let Some(described) = table.and_then(|stbl| inner(stbl, b"stsd")) else { continue };
        for (codec, entry) in boxes(described.get(8..).unwrap_or_default()) {
            film.codecs.push(String::from_utf8_lossy(codec).trim().to_owned());
            // A picture's entry has 78 bytes of its own before its boxes.
            let of_picture = entry.get(78..).filter(|_| handler == Some(b"vide"));
            let profile = of_picture.and_then(|rest| inner(rest, b"avcC")?.get(1).copied());
            film.profile = profile.or(film.profile);
        }
    }
}

fn inner<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, inside)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cell(kind: &[u8], inside: &[u8]) -> Vec<u8> {
        let size = u32::try_from(inside.len() + 8).unwrap();
        [&size.to_be_bytes()[..], kind, inside].concat()
    }

    fn track(handler: &[u8], codec: &[u8], entry: &[u8]) -> Vec<u8> {
        let hdlr = cell(b"hdlr", &[&[0; 8][..], handler].concat());
        let stsd = cell(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &cell(codec, entry)].concat());
        let minf = cell(b"minf", &cell(b"stbl", &stsd));
        cell(b"trak", &cell(b"mdia", &[hdlr, minf].concat()))
    }

    fn movie(profile: u8, sound: &[u8]) -> Vec<u8> {
        let picture = [&[0; 78][..], &cell(b"avcC", &[1, profile, 0, 30])].concat();
        let tracks = [track(b"vide", b"avc1", &picture), track(b"soun", sound, &[0; 28])];
        cell(b"moov", &[&tracks.concat()[..], &track(b"text", b"tx3g", &[])].concat())
    }

    fn whole(bytes: &[u8], extension: &str) -> Result<MediaForm, Unfit> {
        sniff(bytes, u64::try_from(bytes.len()).unwrap(), extension)
    }

    fn typed(bytes: &[u8], extension: &str) -> Result<&'static str, String> {
        whole(bytes, extension).map(|form| form.mime_type).map_err(|unfit| unfit.to_string())
    }

    #[test]
    fn a_film_tells_its_codecs_its_profile_and_its_order() {
        let brand = cell(b"ftyp", b"isom\0\0\0\0");
        let (index, frames) = (movie(77, b"mp4a"), cell(b"mdat", &[7; 90]));
        let film = |bytes: &[u8]| match whole(bytes, "mp4").unwrap().inside {
            Inside::Film(film) => film,
            other => unreachable!("{other:?}"),
        };
        let good = [&brand[..], &index, &frames].concat();
        let told = film(&good);
        assert_eq!(told.codecs, ["avc1", "mp4a"]);
        assert_eq!((told.profile, told.index), (Some(77), FilmIndex::First));
        assert_eq!(film(&[&brand[..], &frames, &index].concat()).index, FilmIndex::Last);
        // The long form of a size, and the one that means "to the end".
        let long = [&[0, 0, 0, 1][..], b"mdat", &26_u64.to_be_bytes(), &[7; 10]].concat();
        assert_eq!(film(&[&brand[..], &index, &long].concat()).codecs.len(), 2);
        let open = [&[0, 0, 0, 0][..], b"mdat", &[7; 10]].concat();
        assert_eq!(film(&[&brand[..], &index, &open].concat()).codecs.len(), 2);
        assert_eq!(typed(&good[..good.len() - 1], "mp4"), Err("the file is cut off".to_owned()));
        assert_eq!(typed(&brand, "mp4"), Err(Unfit::Unknown.to_string()));
        let mobile = [&cell(b"ftyp", b"3gp4\0\0\0\0")[..], &index, &frames].concat();
        assert_eq!(typed(&mobile, "3gp"), Ok("video/3gpp"));
    }

    #[test]
    fn contents_are_told_by_what_is_in_them() {
        use Colours::{Other, Rgb};
        let jpeg = |precision: u8, colours: u8| {
            let frame = [0xff, 0xc0, 0, 8, precision, 0, 1, 0, 1, colours];
            [&[0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2][..], &frame, &[0xff, 0xd9]].concat()
        };
        let png = |bits: u8, colour: u8| {
            let header = [&[0; 8][..], &[bits, colour, 0, 0, 0]].concat();
            [b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", &header[..], b"\0\0\0\0IEND"].concat()
        };
        let picture = |bytes: &[u8]| match whole(bytes, "").unwrap().inside {
            Inside::Picture { bits, colours } => (bits, colours),
            other => unreachable!("{other:?}"),
        };
        for (components, colours) in [(3, Rgb), (4, Other), (1, Other)] {
            assert_eq!(picture(&jpeg(8, components)), (8, colours));
        }
        for (colour, colours) in [(2, Rgb), (6, Rgb), (0, Other), (3, Other), (4, Other)] {
            assert_eq!(picture(&png(16, colour)), (16, colours));
        }
        let heic = cell(b"ftyp", b"heic\0\0\0\0");
        let office = |part: &str| format!("PK\x03\x04..{part}..").into_bytes();
        let jpeg = jpeg(8, 3);
        for (bytes, extension, expected) in [
            (&jpeg[..], "JPG", Ok("image/jpeg")),
            (&jpeg[..], "png", Err("its content is image/jpeg")),
            (&jpeg[..jpeg.len() - 2], "jpg", Err("cut off")),
            (&png(8, 2)[..], "png", Ok("image/png")),
            (b"%PDF-1.7\n...%%EOF\n", "pdf", Ok("application/pdf")),
            (b"%PDF-1.7\n...", "pdf", Err("cut off")),
            (b"%PDF-1.7\n...%%EOF\n", "mp4", Err("its content is application/pdf")),
            (&office("word/document.xml"), "docx", Ok(OFFICE[0].1)),
            (&office("ppt/presentation.xml"), "pptx", Ok(OFFICE[2].1)),
            (&office("mimetype"), "zip", Err("a ZIP archive")),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "doc", Ok("application/msword")),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "bin", Err("no known type")),
            ("Respire fundo".as_bytes(), "txt", Ok("text/plain")),
            (b"\xff\xfeR\0", "txt", Err("no known type")),
            (b"GIF89a", "gif", Err("a GIF picture")),
            (b"RIFF\0\0\0\0WEBPVP8 ", "webp", Err("a WebP picture")),
            (&heic, "heic", Err("a HEIC picture")),
            (b"\x1a\x45\xdf\xa3", "webm", Err("WebM")),
            (b"\0\0\0\x08wide\0\0\0\0mdat", "mov", Err("QuickTime")),
            (b"<html>", "html", Err("a web page")),
            (b"", "jpg", Err("empty")),
            (b"\xff\xd8\xff", "jpg", Err("cut off")),
        ] {
            match (typed(bytes, extension), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected),
                (Err(got), Err(expected)) => assert!(got.contains(expected), "{got}"),
                (got, expected) => unreachable!("{got:?}, not {expected:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_it_ends(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0_usize..8) {
            let begins: [&[u8]; 8] = [
                b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x10ftypisom\0\0\0\0", b"%PDF-",
                b"PK\x03\x04", b"\0\0\0\x01ftyp", b"\0\0\0\0ftyp", b"",
            ];
            let _ = whole(&[begins[at], &bytes].concat(), "mp4");
        }

        #[test]
        fn however_a_film_is_broken_it_ends(at in 0_usize..400, byte in any::<u8>()) {
            let mut bytes = [&cell(b"ftyp", b"isom\0\0\0\0")[..], &movie(66, b"mp4a"), &cell(b"mdat", &[7; 9])].concat();
            let at = at % bytes.len();
            bytes[at] = byte;
            let _ = whole(&bytes, "mp4");
        }
    }
}

//! What other programs wrote about a photograph in XMP, beside it or in it.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

/// Texts of a description are read up to here.
const MOST_LETTERS: usize = 10_000;

/// The properties that are used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Xmp {
    /// Stars; those of a rejected photograph are 0.
    pub rating: Option<u8>,
    /// `dc:description`.
    pub description: Option<String>,
    /// When it was taken, as it is written there.
    pub taken: Option<String>,
}

/// Reads properties that are attributes or elements; what is damaged ends what is read.
pub fn parse(bytes: &[u8]) -> Xmp {
    let mut reader = Reader::from_reader(bytes);
    let mut xmp = Xmp::default();
    // The property that is open, and its text so far.
    let mut open: Option<(Vec<u8>, String)> = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                attributes(&element, &mut xmp);
                let name = element.name().as_ref().to_vec();
                if open.is_none() && is_known(&name) {
                    open = Some((name, String::new()));
                }
            }
            Ok(Event::Empty(element)) => attributes(&element, &mut xmp),
            Ok(Event::Text(text)) => {
                if let Some((_, so_far)) = &mut open {
                    so_far.push_str(&text.xml10_content().unwrap_or_default());
                }
            }
            Ok(Event::GeneralRef(reference)) => {
                if let Some((_, so_far)) = &mut open {
                    let letter = reference.resolve_char_ref().ok().flatten();
                    so_far.extend(letter);
                    let name = reference.decode().unwrap_or_default();
                    so_far.push_str(resolve_predefined_entity(&name).unwrap_or_default());
                }
            }
            Ok(Event::End(element)) => {
                // Of texts in many languages the first is the default one.
                let is_first = element.name().as_ref() == b"rdf:li"
                    && open.as_ref().is_some_and(|(_, so_far)| !so_far.trim().is_empty());
                if open.as_ref().is_some_and(|(name, _)| is_first || name == element.name().as_ref())
                    && let Some((name, text)) = open.take()
                {
                    take(&name, &text, &mut xmp);
                }
            }
            Ok(Event::Eof) | Err(_) => return xmp,
            Ok(_) => {}
        }
    }
}

/// The XMP packet in a picture's bytes, which is plain text in all formats.
pub fn packet(bytes: &[u8]) -> Option<&[u8]> {
    /// It stands before the picture, behind Exif and colour profiles.
    const HEADER_BYTES: usize = 512 << 10;
    let head = &bytes[..bytes.len().min(HEADER_BYTES)];
    let start = find(head, b"<x:xmpmeta")?;
    let length = find(&head[start..], b"</x:xmpmeta>")?;
    Some(&head[start..start + length + b"</x:xmpmeta>".len()])
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| *byte == wanted[0]) {
        from += at;
        if bytes[from..].starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
    None
}

fn attributes(element: &quick_xml::events::BytesStart<'_>, xmp: &mut Xmp) {
    for attribute in element.attributes().flatten() {
        if let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) {
            take(attribute.key.as_ref(), &value, xmp);
        }
    }
}

fn is_known(name: &[u8]) -> bool {
    matches!(
        name,
        b"xmp:Rating"
            | b"xap:Rating"
            | b"dc:description"
            | b"exif:DateTimeOriginal"
            | b"photoshop:DateCreated"
            | b"xmp:CreateDate"
    )
}

fn take(name: &[u8], text: &str, xmp: &mut Xmp) {
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    match name {
        b"xmp:Rating" | b"xap:Rating" => {
            xmp.rating = text
                .parse::<f32>()
                .ok()
                .filter(|stars| stars.is_finite())
                .map(|stars| stars.clamp(0.0, 5.0).round() as u8);
        }
        b"dc:description" => {
            xmp.description.get_or_insert_with(|| text.chars().take(MOST_LETTERS).collect());
        }
        b"exif:DateTimeOriginal" => xmp.taken = Some(text.to_owned()),
        b"photoshop:DateCreated" | b"xmp:CreateDate" => {
            xmp.taken.get_or_insert_with(|| text.to_owned());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_elements_and_as_attributes() {
        let elements = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description>
            <xmp:Rating>4</xmp:Rating><MicrosoftPhoto:Rating>75</MicrosoftPhoto:Rating>
            <dc:description><rdf:Alt><rdf:li xml:lang="x-default">Tom &amp; Ann &#233;t&#xE9;</rdf:li>
            <rdf:li xml:lang="de">anders</rdf:li></rdf:Alt></dc:description>
            <exif:DateTimeOriginal>2024-06-30T17:05:09</exif:DateTimeOriginal></rdf:Description></rdf:RDF></x:xmpmeta>"#;
        let read = parse(elements.as_bytes());
        assert_eq!(read.rating, Some(4));
        assert_eq!(read.description.as_deref(), Some("Tom & Ann été"));
        assert_eq!(read.taken.as_deref(), Some("2024-06-30T17:05:09"));
        let attributes = r#"<rdf:Description xmp:Rating="-1" photoshop:DateCreated="2020-01-02"/>"#;
        let read = parse(attributes.as_bytes());
        assert_eq!((read.rating, read.taken.as_deref()), (Some(0), Some("2020-01-02")));
    }

    #[test]
    fn xmp_cut_anywhere_is_no_panic() {
        let whole = br#"<a xmp:Rating="3"><dc:description><rdf:li>x&amp;y</rdf:li></dc:description></a>"#;
        for end in 0..whole.len() {
            parse(&whole[..end]);
        }
    }
}

//! A caption in XMP: a new sidecar, or one of another program with its description exchanged and all else as it was.

use anyhow::{Context, Result, bail};
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use quick_xml::{Reader, Writer, XmlVersion};

/// The element that a caption stands in.
const DESCRIPTION: &[u8] = b"dc:description";

/// The element that properties stand in.
const PROPERTIES: &[u8] = b"rdf:Description";

/// A sidecar that says nothing but this.
pub fn new(caption: &str) -> Result<Vec<u8>> {
    const HEAD: &str = "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
        <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n  \
        <rdf:Description rdf:about=\"\">";
    const TAIL: &str = "</rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>\n";
    let mut writer = Writer::new(HEAD.as_bytes().to_vec());
    describe(&mut writer, caption, &[])?;
    let mut bytes = writer.into_inner();
    bytes.extend_from_slice(TAIL.as_bytes());
    Ok(bytes)
}

/// A sidecar with another description in the default language; those in other languages stay.
pub fn with_caption(bytes: &[u8], caption: &str) -> Result<Vec<u8>> {
    let others = in_other_languages(bytes)?;
    let mut reader = Reader::from_reader(bytes);
    let mut writer = Writer::new(Vec::with_capacity(bytes.len() + 512));
    // How deep within the description that is left out; whether the new one is written.
    let (mut depth, mut is_written) = (0_usize, false);
    loop {
        let event = reader.read_event().context("is no XML that can be read")?;
        let name = match &event {
            Event::Start(element) | Event::Empty(element) => element.name().as_ref().to_vec(),
            Event::End(element) => element.name().as_ref().to_vec(),
            _ => Vec::new(),
        };
        match event {
            Event::Eof => break,
            Event::Start(_) if depth > 0 => depth += 1,
            Event::End(_) if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            Event::Start(_) if name == DESCRIPTION => depth = 1,
            Event::Empty(_) if name == DESCRIPTION => {}
            Event::Start(element) if name == PROPERTIES => writer.write_event(Event::Start(undescribed(&element)))?,
            Event::Empty(element) if name == PROPERTIES && !is_written => {
                is_written = true;
                writer.write_event(Event::Start(undescribed(&element)))?;
                describe(&mut writer, caption, &others)?;
                writer.write_event(Event::End(BytesEnd::new("rdf:Description")))?;
            }
            Event::Empty(element) if name == PROPERTIES => writer.write_event(Event::Empty(undescribed(&element)))?,
            Event::End(element) if name == PROPERTIES && !is_written => {
                is_written = true;
                describe(&mut writer, caption, &others)?;
                writer.write_event(Event::End(element))?;
            }
            event => writer.write_event(event)?,
        }
    }
    if !is_written || depth > 0 {
        bail!("has no rdf:Description, so it is no XMP that a caption could be put into");
    }
    Ok(writer.into_inner())
}

/// The element without a description among its attributes.
fn undescribed(element: &BytesStart<'_>) -> BytesStart<'static> {
    let mut same = BytesStart::new("rdf:Description");
    for attribute in element.attributes().flatten() {
        if attribute.key.as_ref() != DESCRIPTION {
            same.push_attribute(attribute);
        }
    }
    same.into_owned()
}

fn describe(writer: &mut Writer<Vec<u8>>, caption: &str, others: &[(String, String)]) -> Result<()> {
    let mut open = BytesStart::new("dc:description");
    open.push_attribute(("xmlns:dc", "http://purl.org/dc/elements/1.1/"));
    writer.write_event(Event::Start(open))?;
    writer.write_event(Event::Start(BytesStart::new("rdf:Alt")))?;
    let own = [("x-default".to_owned(), caption.to_owned())];
    for (language, text) in own.iter().chain(others) {
        let mut item = BytesStart::new("rdf:li");
        item.push_attribute(("xml:lang", language.as_str()));
        writer.write_event(Event::Start(item))?;
        writer.write_event(Event::Text(BytesText::new(text)))?;
        writer.write_event(Event::End(BytesEnd::new("rdf:li")))?;
    }
    writer.write_event(Event::End(BytesEnd::new("rdf:Alt")))?;
    writer.write_event(Event::End(BytesEnd::new("dc:description")))?;
    Ok(())
}

/// Descriptions in languages other than the default one.
fn in_other_languages(bytes: &[u8]) -> Result<Vec<(String, String)>> {
    let mut reader = Reader::from_reader(bytes);
    let mut found: Vec<(String, String)> = Vec::new();
    let (mut is_description, mut is_item) = (false, false);
    loop {
        match reader.read_event().context("is no XML that can be read")? {
            Event::Eof => return Ok(found),
            Event::Start(element) if element.name().as_ref() == DESCRIPTION => is_description = true,
            Event::End(element) if element.name().as_ref() == DESCRIPTION => is_description = false,
            Event::Start(element) if is_description && element.name().as_ref() == b"rdf:li" => {
                let language = element.attributes().flatten().find(|attribute| attribute.key.as_ref() == b"xml:lang");
                let language = language.and_then(|attribute| {
                    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(|value| value.into_owned())
                });
                let language = language.filter(|language| language != "x-default");
                is_item = language.is_some();
                found.extend(language.map(|language| (language, String::new())));
            }
            Event::End(element) if element.name().as_ref() == b"rdf:li" => is_item = false,
            Event::Text(text) if is_item => {
                if let Some((_, so_far)) = found.last_mut() {
                    so_far.push_str(&text.xml10_content().unwrap_or_default());
                }
            }
            Event::GeneralRef(reference) if is_item => {
                if let Some((_, so_far)) = found.last_mut() {
                    so_far.extend(reference.resolve_char_ref().ok().flatten());
                    let name = reference.decode().unwrap_or_default();
                    so_far.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap_or_default());
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_written_is_escaped() {
        let written = text(new("Tom & Ann <3").unwrap());
        assert!(written.contains("<rdf:li xml:lang=\"x-default\">Tom &amp; Ann &lt;3</rdf:li>"));
        assert_eq!(text(with_caption(&new("old").unwrap(), "Tom & Ann <3").unwrap()), written);
    }

    #[test]
    fn everything_else_stays_as_it_was() {
        let old = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF>
            <rdf:Description rdf:about="" xmp:Rating="4" dc:description="old">
            <dc:subject><rdf:Bag><rdf:li>lake</rdf:li></rdf:Bag></dc:subject>
            <dc:description><rdf:Alt><rdf:li xml:lang="x-default">old</rdf:li><rdf:li xml:lang="de">alt &amp; gut</rdf:li></rdf:Alt></dc:description>
            </rdf:Description></rdf:RDF></x:xmpmeta>"#;
        let written = text(with_caption(old.as_bytes(), "new").unwrap());
        assert!(written.contains("xmp:Rating=\"4\""));
        assert!(written.contains("<rdf:li>lake</rdf:li>"));
        assert!(written.contains("<rdf:li xml:lang=\"de\">alt &amp; gut</rdf:li>"));
        assert!(written.contains(">new</rdf:li>"));
        assert!(!written.contains("old"));
        assert_eq!(text(with_caption(written.as_bytes(), "new").unwrap()), written, "twice is once");
    }

    #[test]
    fn an_empty_element_is_filled() {
        let old = r#"<x:xmpmeta><rdf:RDF><rdf:Description xmp:Rating="2"/></rdf:RDF></x:xmpmeta>"#;
        let written = text(with_caption(old.as_bytes(), "new").unwrap());
        assert!(written.contains("xmp:Rating=\"2\"") && written.contains(">new</rdf:li>"));
    }

    #[test]
    fn what_is_no_xmp_is_left_alone() {
        assert!(with_caption(b"<html></html>", "new").is_err());
        assert!(with_caption(b"<rdf:Description><dc:description>", "new").is_err());
        assert!(with_caption(b"", "new").is_err());
    }
}

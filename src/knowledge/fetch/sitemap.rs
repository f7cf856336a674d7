//! Sitemaps: a list of pages, or a list of such lists; packed with gzip or not.

use std::io::Read;

use flate2::read::GzDecoder;
use serde::Deserialize;
use url::Url;

use super::FetchError;

/// What a sitemap names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sitemap {
    pub(super) pages: Vec<Url>,
    pub(super) sitemaps: Vec<Url>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    url: Vec<Entry>,
    #[serde(default)]
    sitemap: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    loc: String,
}

/// Unpacks what is packed, to `most` bytes.
pub(super) fn unpacked(bytes: Vec<u8>, most: u64) -> Result<Vec<u8>, FetchError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes.as_slice())
        .take(most + 1)
        .read_to_end(&mut unpacked)
        .map_err(|error| FetchError::Unreadable(format!("it does not unpack: {error}")))?;
    if unpacked.len() as u64 > most { Err(FetchError::TooLarge(most)) } else { Ok(unpacked) }
}

/// Whether a text is a sitemap, by its first element.
pub(super) fn is_sitemap(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while rest.starts_with("<?") || rest.starts_with("<!--") {
        let end = if rest.starts_with("<?") { "?>" } else { "-->" };
        rest = rest.split_once(end).map_or("", |(_, rest)| rest).trim_start();
    }
    rest.starts_with("<urlset") || rest.starts_with("<sitemapindex")
}

/// Reads a sitemap; addresses that do not parse are left out.
pub(super) fn read(text: &str) -> Result<Sitemap, FetchError> {
    let file: File = quick_xml::de::from_str(text)
        .map_err(|error| FetchError::Unreadable(format!("this sitemap cannot be read: {error}")))?;
    let urls = |entries: Vec<Entry>| {
        entries.iter().filter_map(|entry| Url::parse(entry.loc.trim()).ok()).collect::<Vec<_>>()
    };
    Ok(Sitemap { pages: urls(file.url), sitemaps: urls(file.sitemap) })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const PAGES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
        <!-- made by hand --><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
        <url><loc> https://a.example/x?a=1&amp;b=2 </loc><lastmod>2026-01-01</lastmod></url>
        <url><loc>not an address</loc></url><url><loc>https://a.example/y</loc></url></urlset>"#;

    fn list(urls: &[Url]) -> Vec<&str> {
        urls.iter().map(Url::as_str).collect()
    }

    #[test]
    fn pages_and_lists_of_lists_are_read() {
        assert!(is_sitemap(PAGES));
        assert_eq!(list(&read(PAGES).unwrap().pages), ["https://a.example/x?a=1&b=2", "https://a.example/y"]);
        let index = "<sitemapindex><sitemap><loc>https://a.example/1.xml.gz</loc></sitemap></sitemapindex>";
        assert!(is_sitemap(index));
        assert_eq!(list(&read(index).unwrap().sitemaps), ["https://a.example/1.xml.gz"]);
        assert!(!is_sitemap("<html><urlset>"));
        assert!(read("<urlset><url>").is_err());
    }

    #[test]
    fn what_is_packed_unpacks_to_a_limit() {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![b' '; 1 << 20]).unwrap();
        let bomb = packer.finish().unwrap();
        assert!(bomb.len() < 2_000);
        assert!(matches!(unpacked(bomb.clone(), 1000), Err(FetchError::TooLarge(1000))));
        assert_eq!(unpacked(bomb, 1 << 20).unwrap().len(), 1 << 20);
        assert_eq!(unpacked(b"plain".to_vec(), 10).unwrap(), b"plain");
    }
}

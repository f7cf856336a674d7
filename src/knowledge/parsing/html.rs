//! Web pages: their main text, and their tags.

use url::Url;

use super::{LoadError, Part};
use crate::knowledge::Format;
use crate::knowledge::fetch::{Tags, read_tags};
use crate::knowledge::loaders::{Loaded, decode, load};

/// The main text as Markdown, with what the page says about itself.
pub(super) fn read(bytes: Vec<u8>) -> Result<Vec<Part>, LoadError> {
    let Loaded { title, url, language, text, .. } = load(Format::Html, &decode(bytes)?)?;
    Ok(vec![Part { name: None, title, url, language, format: Format::Markdown, content: text }])
}

/// What the tags of a page at this address say about it.
pub(super) fn tags(bytes: Vec<u8>, at: Option<&Url>) -> Result<Tags, LoadError> {
    let at = at.ok_or_else(|| LoadError::whole("the address of the page is missing (--at)"))?;
    Ok(read_tags(&decode(bytes)?, at))
}

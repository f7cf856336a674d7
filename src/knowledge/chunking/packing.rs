//! Packs blocks into pieces of at most so many characters.

use std::ops::Range;

use text_splitter::{ChunkConfig, MarkdownSplitter};

use super::blocks::{Block, Kind};
use super::{chars, shortened};
use crate::text::trimmed;

/// A paragraph before a list or a table leads into it when it is at most this long, or ends in a colon.
const LEAD_IN_CHARS: usize = 200;

/// A slice of the text, with what has to be said above it.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Range<usize>,
    /// The lead-in and the header row of a list or table that began in an earlier piece.
    pub(super) context: Vec<String>,
}

/// Blocks that stay together where they fit into one piece.
#[derive(Debug)]
struct Unit<'blocks> {
    bytes: Range<usize>,
    /// Plain words of the lead-in.
    lead: Option<&'blocks str>,
    kind: &'blocks Kind,
}

/// Packs the blocks of one section, in order.
pub(super) fn pack(text: &str, blocks: &[Block], limit: usize) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut open: Option<Range<usize>> = None;
    let size = |range: &Range<usize>| chars(&text[range.clone()]);
    for unit in units(blocks) {
        let joined = open.as_ref().map_or(unit.bytes.start, |open| open.start)..unit.bytes.end;
        if size(&joined) <= limit {
            open = Some(joined);
            continue;
        }
        pieces.extend(open.take().map(|bytes| Piece { bytes, context: Vec::new() }));
        if size(&unit.bytes) <= limit {
            open = Some(unit.bytes);
        } else {
            part(text, &unit, limit, &mut pieces);
        }
    }
    pieces.extend(open.map(|bytes| Piece { bytes, context: Vec::new() }));
    pieces
}

fn units(blocks: &[Block]) -> Vec<Unit<'_>> {
    let mut units = Vec::new();
    let mut lead: Option<(&Block, &str)> = None;
    for (index, block) in blocks.iter().enumerate() {
        let next = blocks.get(index + 1).map(|block| &block.kind);
        let start = lead.map_or(block.bytes.start, |(block, _)| block.bytes.start);
        if let (Kind::Paragraph(words), Some(next), None) = (&block.kind, next, lead)
            && leads_in(words, next)
        {
            lead = Some((block, words));
            continue;
        }
        units.push(Unit {
            bytes: start..block.bytes.end,
            lead: lead.take().map(|(_, words)| words),
            kind: &block.kind,
        });
    }
    units
}

fn leads_in(words: &str, next: &Kind) -> bool {
    words.trim_end().ends_with(':')
        || (matches!(next, Kind::List(_) | Kind::Table(..)) && chars(words) <= LEAD_IN_CHARS)
}

/// Parts a unit that is too long: a list at its items, a table at its rows, anything else at sentences.
fn part(text: &str, unit: &Unit<'_>, limit: usize, pieces: &mut Vec<Piece>) {
    let lead = unit.lead.map(shortened);
    let (parts, header) = match unit.kind {
        Kind::List(items) => (items.as_slice(), None),
        Kind::Table(header, rows) => (rows.as_slice(), Some(header.clone())),
        Kind::Paragraph(_) | Kind::Other => (&[][..], None),
    };
    let context: Vec<String> = lead.into_iter().chain(header).filter(|words| !words.is_empty()).collect();
    if parts.is_empty() {
        return split(text, unit.bytes.clone(), limit, pieces);
    }
    let first = pieces.len();
    // The first piece begins with the lead-in or the header.
    let mut open = unit.bytes.start..unit.bytes.start;
    let flush = |open: Range<usize>, pieces: &mut Vec<Piece>| {
        let bytes = trimmed(text, open);
        if chars(&text[bytes.clone()]) > limit {
            split(text, bytes, limit, pieces);
        } else if !bytes.is_empty() {
            pieces.push(Piece { bytes, context: Vec::new() });
        }
    };
    for part in parts {
        if chars(&text[open.start..part.end]) > limit && !open.is_empty() {
            flush(open, pieces);
            open = part.clone();
        } else {
            open = open.start..part.end;
        }
    }
    flush(open.start..unit.bytes.end, pieces);
    for piece in pieces.iter_mut().skip(first + 1) {
        piece.context.clone_from(&context);
    }
}

/// Parts a range at sentences, or where need be at words.
fn split(text: &str, range: Range<usize>, limit: usize, pieces: &mut Vec<Piece>) {
    let splitter = MarkdownSplitter::new(ChunkConfig::new(limit));
    for (offset, chunk) in splitter.chunk_indices(&text[range.clone()]) {
        let start = range.start + offset;
        let bytes = trimmed(text, start..start + chunk.len());
        if !bytes.is_empty() {
            pieces.push(Piece { bytes, context: Vec::new() });
        }
    }
}

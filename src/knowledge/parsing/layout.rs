//! From the lines of a printed page to Markdown: larger letters are headings, lines in columns are tables, what stands
//! at the edge of most pages is nobody's text.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use crate::text::collapse;

/// Letters this much larger than most are a heading.
const HEADING: f64 = 1.15;

/// Characters of a heading, at most.
const LONGEST_HEADING: usize = 160;

/// A cell may be so many sizes of its letters away from the head of its column.
const COLUMN_GAP: f64 = 8.0;

/// Levels of headings that are told apart.
const LEVELS: usize = 4;

/// A line of a page: cells, from left to right.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// Distance from the bottom of the page.
    pub(super) y: f64,
    cells: Vec<Cell>,
    /// Sizes of its letters, and how many have each.
    sizes: Vec<(f64, usize)>,
}

#[derive(Debug, Clone, PartialEq)]
struct Cell {
    x: f64,
    end: f64,
    text: String,
}

impl Line {
    /// An empty line.
    pub(super) fn at(x: f64, y: f64) -> Self {
        Self { y, cells: vec![Cell { x, end: x, text: String::new() }], sizes: Vec::new() }
    }

    /// What follows stands in a column of its own, unless there is nothing yet but the mark of a list's item.
    pub(super) fn new_cell(&mut self, x: f64) {
        match self.cells.as_mut_slice() {
            [only] if is_mark(only.text.trim()) => only.text.push(' '),
            _ => self.cells.push(Cell { x, end: x, text: String::new() }),
        }
    }

    /// Letters at its end, of this size, up to there.
    pub(super) fn push(&mut self, letters: &str, size: f64, end: f64) {
        match self.sizes.iter_mut().find(|(known, _)| rounded(*known) == rounded(size)) {
            Some((_, count)) => *count += 1,
            None => self.sizes.push((size, 1)),
        }
        if let Some(cell) = self.cells.last_mut() {
            cell.text.extend(letters.chars().filter(|letter| !letter.is_control()));
            cell.end = cell.end.max(end);
        }
    }

    /// The size of most of its letters.
    pub(super) fn size(&self) -> f64 {
        self.sizes.iter().max_by_key(|(_, count)| *count).map_or(1.0, |(size, _)| *size)
    }

    /// Its words.
    pub(super) fn text(&self) -> String {
        collapse(&self.cells.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" "))
    }

    fn cells(&self) -> Vec<Cell> {
        let cells = self.cells.iter().map(|cell| Cell { text: collapse(&cell.text), ..*cell });
        cells.filter(|cell| !cell.text.is_empty()).collect()
    }
}

/// The mark of a list's item: a bullet, a number, a letter in parentheses.
fn is_mark(word: &str) -> bool {
    let numbered = word
        .strip_suffix(['.', ')'])
        .is_some_and(|name| name.len() <= 2 && !name.is_empty() && name.chars().all(char::is_alphanumeric));
    numbered || (word.chars().count() == 1 && word.starts_with(BULLETS))
}

const BULLETS: [char; 13] = ['•', '‣', '◦', '▪', '●', '○', '■', '–', '∙', '·', '-', '\u{f0b7}', '\u{f0a7}'];

/// What is typical of a document.
struct Typical {
    size: f64,
    /// Sizes of headings, largest first.
    headings: Vec<f64>,
    /// From line to line, in sizes of the letters.
    leading: f64,
}

/// The Markdown of a document's pages.
pub(super) fn markdown(pages: &[(u32, Vec<Line>)]) -> String {
    let running = running(pages);
    let pages: Vec<(u32, Vec<&Line>)> = pages
        .iter()
        .map(|(number, lines)| {
            let is_running = |at: usize| is_edge(at, lines.len()) && running.contains_key(&plain(&lines[at]));
            (*number, (0..lines.len()).filter(|at| !is_running(*at)).map(|at| &lines[at]).collect())
        })
        .collect();
    let typical = Typical::of(&pages);
    let mut text = String::new();
    for (number, lines) in &pages {
        // Without headings a page is the section.
        if typical.headings.is_empty() && pages.len() > 1 && !lines.is_empty() {
            let _ = writeln!(text, "## p. {number}\n");
        }
        page(lines, &typical, &mut text);
    }
    text
}

/// A line without its numbers: the number of a page changes from one to the next.
fn plain(line: &Line) -> String {
    line.text().replace(|letter: char| letter.is_ascii_digit(), "#")
}

/// Lines at the top and at the bottom of a page that may be repeated on the next.
const EDGE: usize = 2;

fn is_edge(at: usize, lines: usize) -> bool {
    at < EDGE || at + EDGE >= lines
}

/// Lines at the edge of most pages.
fn running(pages: &[(u32, Vec<Line>)]) -> HashMap<String, usize> {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for (_, lines) in pages {
        let edges: BTreeSet<String> =
            (0..lines.len()).filter(|at| is_edge(*at, lines.len())).map(|at| plain(&lines[at])).collect();
        for edge in edges {
            *counts.entry(edge).or_default() += 1;
        }
    }
    counts.retain(|_, count| *count >= 3 && *count * 2 > pages.len());
    counts
}

fn rounded(value: f64) -> i64 {
    (value * 10.0).round() as i64
}

impl Typical {
    fn of(pages: &[(u32, Vec<&Line>)]) -> Self {
        let mut letters: HashMap<i64, usize> = HashMap::new();
        let mut leadings: HashMap<i64, usize> = HashMap::new();
        for (_, lines) in pages {
            for line in lines {
                *letters.entry(rounded(line.size())).or_default() += line.text().chars().count();
            }
            for pair in lines.windows(2) {
                let leading = (pair[0].y - pair[1].y) / pair[1].size();
                if rounded(pair[0].size()) == rounded(pair[1].size()) && (0.5..4.0).contains(&leading) {
                    *leadings.entry(rounded(leading)).or_default() += 1;
                }
            }
        }
        // Of two that are equally common the smaller one.
        let most = |counts: &HashMap<i64, usize>| {
            counts
                .iter()
                .max_by_key(|(value, count)| (**count, -**value))
                .map(|(value, _)| *value as f64 / 10.0)
        };
        let size = most(&letters).unwrap_or(1.0);
        let mut headings: Vec<i64> =
            letters.keys().copied().filter(|key| *key as f64 / 10.0 > size * HEADING).collect();
        headings.sort_unstable_by(|a, b| b.cmp(a));
        Self {
            size,
            headings: headings.into_iter().map(|key| key as f64 / 10.0).collect(),
            leading: most(&leadings).unwrap_or(1.2),
        }
    }

    /// The level of a heading; `None` for what is none.
    fn level(&self, line: &Line) -> Option<usize> {
        let at = self.headings.iter().position(|size| rounded(*size) == rounded(line.size()))?;
        let fits =
            line.text().chars().count() <= LONGEST_HEADING && line.text().chars().any(char::is_alphabetic);
        (fits && line.size() > self.size).then(|| at.min(LEVELS - 1) + 1)
    }

    /// Whether a line goes on where the one before it ended.
    fn goes_on(&self, above: &Line, line: &Line) -> bool {
        let distance = (above.y - line.y) / line.size();
        rounded(above.size()) == rounded(line.size())
            && distance > 0.0
            && distance < self.leading * 1.25 + 0.05
    }
}

fn page(lines: &[&Line], typical: &Typical, text: &mut String) {
    let mut at = 0;
    while at < lines.len() {
        let rest = &lines[at..];
        let taken = heading(rest, typical, text)
            .or_else(|| table(rest, text))
            .unwrap_or_else(|| paragraph(rest, typical, text));
        at += taken;
    }
}

/// A heading of one line or more; returns the number of its lines.
fn heading(lines: &[&Line], typical: &Typical, text: &mut String) -> Option<usize> {
    let level = typical.level(lines[0])?;
    let more = lines.windows(2).take_while(|pair| {
        typical.level(pair[1]) == Some(level) && (pair[0].y - pair[1].y) / pair[1].size() < 1.5
    });
    let taken = 1 + more.count();
    let words: Vec<String> = lines[..taken].iter().map(|line| line.text()).collect();
    let _ = writeln!(text, "{} {}\n", "#".repeat(level), words.join(" "));
    Some(taken)
}

/// Two lines or more with the same columns; returns the number of its lines.
fn table(lines: &[&Line], text: &mut String) -> Option<usize> {
    let header = lines[0].cells();
    if header.len() < 2 {
        return None;
    }
    let mut rows = vec![header.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>()];
    let mut taken = 1;
    for line in &lines[1..] {
        let cells = line.cells();
        let places: Option<Vec<usize>> =
            cells.iter().map(|cell| column(&header, cell, COLUMN_GAP * line.size())).collect();
        let Some(places) = places else { break };
        let in_order = places.windows(2).all(|pair| pair[0] < pair[1]);
        let wraps = !places.contains(&0);
        if !in_order || (cells.len() < 2 && !wraps) || cells.is_empty() {
            break;
        }
        if !wraps {
            rows.push(vec![String::new(); header.len()]);
        }
        if let Some(row) = rows.last_mut() {
            for (place, cell) in places.into_iter().zip(cells) {
                row[place] = collapse(&format!("{} {}", row[place], cell.text));
            }
        }
        taken += 1;
    }
    if rows.len() < 2 {
        return None;
    }
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", " --- |".repeat(row.len()));
        }
    }
    text.push('\n');
    Some(taken)
}

/// The column that a cell stands under, or nearest to, however it is set in it.
fn column(header: &[Cell], cell: &Cell, farthest: f64) -> Option<usize> {
    let apart = |column: &Cell| (column.x - cell.end).max(cell.x - column.end).max(0.0);
    let nearest = header.iter().enumerate().min_by(|(_, a), (_, b)| {
        let starts = |column: &Cell| (column.x - cell.x).abs();
        apart(a).total_cmp(&apart(b)).then(starts(a).total_cmp(&starts(b)))
    })?;
    (apart(nearest.1) <= farthest).then_some(nearest.0)
}

/// Lines of running text; returns the number of them.
fn paragraph(lines: &[&Line], typical: &Typical, text: &mut String) -> usize {
    let mut words = String::new();
    let mut taken = 0;
    for (index, line) in lines.iter().enumerate() {
        let said = line.text();
        let mark = said.split(' ').next().filter(|word| is_mark(word) && said.len() > word.len());
        if index > 0 {
            let above = lines[index - 1];
            let is_table =
                line.cells().len() > 1 && lines.get(index + 1).is_some_and(|next| next.cells().len() > 1);
            if mark.is_some() || is_table || typical.level(line).is_some() || !typical.goes_on(above, line) {
                break;
            }
        }
        taken += 1;
        // A word that was parted at the end of a line.
        let parted = words.strip_suffix('-').is_some_and(|start| start.ends_with(char::is_lowercase))
            && said.starts_with(char::is_lowercase);
        if parted {
            words.pop();
        } else if !words.is_empty() {
            words.push(' ');
        }
        match mark.filter(|mark| mark.starts_with(BULLETS)) {
            Some(mark) => {
                words.push_str("- ");
                words.push_str(said[mark.len()..].trim_start());
            }
            None => words.push_str(&said),
        }
    }
    // Nothing but a line that was drawn with letters.
    if words.chars().any(char::is_alphanumeric) {
        let escape = if words.starts_with(['#', '>', '+', '=']) { "\\" } else { "" };
        let is_item = words.starts_with("- ") && text.ends_with("\n\n") && last_block_is_item(text);
        if is_item {
            text.pop();
        }
        let _ = writeln!(text, "{escape}{words}\n");
    }
    taken
}

/// Items of a list follow each other without an empty line.
fn last_block_is_item(text: &str) -> bool {
    text.trim_end().rsplit('\n').next().is_some_and(|line| line.starts_with("- "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(x: f64, y: f64, size: f64, cells: &[(f64, &str)]) -> Line {
        let mut line = Line::at(x, y);
        for (index, (x, words)) in cells.iter().enumerate() {
            if index > 0 {
                line.new_cell(*x);
            }
            line.push(words, size, x + words.len() as f64 * size / 2.0);
        }
        line
    }

    fn text(y: f64, words: &str) -> Line {
        line(60.0, y, 10.0, &[(60.0, words)])
    }

    #[test]
    fn lines_become_paragraphs_and_parted_words_whole() {
        let lines = vec![
            text(700.0, "A devolução é feita sem cus-"),
            text(688.0, "to para o cliente."),
            text(660.0, "Outro parágrafo com mais uma frase."),
            text(648.0, "# não é um título"),
        ];
        assert_eq!(
            markdown(&[(1, lines)]),
            "A devolução é feita sem custo para o cliente.\n\nOutro parágrafo com mais uma frase. # não é um título\n\n"
        );
    }

    #[test]
    fn a_wrapped_cell_stays_in_its_row() {
        let columns = |y: f64, cells: &[(f64, &str)]| line(cells[0].0, y, 10.0, cells);
        let lines = vec![
            columns(700.0, &[(60.0, "Country"), (200.0, "How long | it takes")]),
            columns(686.0, &[(60.0, "Brazil"), (200.0, "five days, and six")]),
            columns(674.0, &[(200.0, "to the islands")]),
            columns(660.0, &[(60.0, "Italy"), (230.0, "4")]),
            text(630.0, "Prices on request."),
        ];
        assert_eq!(
            markdown(&[(1, lines)]),
            "| Country | How long \\| it takes |\n| --- | --- |\n| Brazil | five days, and six to the islands |\n\
             | Italy | 4 |\n\nPrices on request.\n\n"
        );
    }

    #[test]
    fn headings_are_larger_and_may_wrap() {
        let lines = vec![
            line(60.0, 800.0, 20.0, &[(60.0, "A long title")]),
            line(60.0, 776.0, 20.0, &[(60.0, "of two lines")]),
            line(60.0, 740.0, 14.0, &[(60.0, "Section")]),
            text(720.0, "Words of the section, which are many more than those of its heading."),
        ];
        assert_eq!(
            markdown(&[(1, lines)]),
            "# A long title of two lines\n\n## Section\n\nWords of the section, which are many more than those of its heading.\n\n"
        );
    }

    #[test]
    fn numbers_in_the_middle_of_a_page_stay() {
        let page = |number: u32| {
            let lines = vec![
                text(800.0, "Head"),
                text(780.0, "One."),
                text(700.0, "7"),
                text(600.0, "Two."),
                text(590.0, &number.to_string()),
            ];
            (number, lines)
        };
        let text = markdown(&[page(1), page(2), page(3)]);
        assert_eq!(text.matches('7').count(), 3, "{text}");
        assert!(!text.contains("Head"), "{text}");
    }

    #[test]
    fn marks_of_items_are_told_from_words() {
        assert!(["•", "1.", "a)", "12)", "-"].iter().all(|mark| is_mark(mark)));
        assert!(["a", "12", "Dr.)", "…", "Sim.", "100."].iter().all(|word| !is_mark(word)));
    }
}

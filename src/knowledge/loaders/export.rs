//! Exports of help centres: JSON as the articles endpoints of Zendesk and Chatwoot answer. Each article is a document.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;

use super::check_url;
use crate::conversation::Language;
use crate::knowledge::parsing::Part;
use crate::knowledge::{Format, LoadError};

/// An article of either; what one of them does not have is left out.
#[derive(Deserialize)]
struct Article {
    id: Value,
    /// Chatwoot's readable id, the end of the article's address.
    #[serde(default)]
    slug: Option<String>,
    #[serde(default)]
    title: Option<String>,
    /// Zendesk: HTML.
    #[serde(default)]
    body: Option<String>,
    /// Chatwoot: Markdown.
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    locale: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
    /// Zendesk.
    #[serde(default)]
    draft: bool,
    /// Chatwoot: a word, or its number.
    #[serde(default)]
    status: Value,
    #[serde(default)]
    category: Option<Category>,
}

#[derive(Deserialize)]
struct Category {
    #[serde(default)]
    locale: Option<String>,
}

/// The published articles of an export; `None` for JSON that is something else.
pub(in crate::knowledge) fn load(content: &str) -> Result<Option<Vec<Part>>, LoadError> {
    let json: Value = serde_json::from_str(content.trim_start_matches('\u{feff}'))
        .map_err(|error| LoadError::at(error.line(), format!("this is not JSON: {error}")))?;
    let Some((articles, format)) = articles(&json) else { return Ok(None) };
    let mut names = HashSet::new();
    let mut parts = Vec::new();
    for (index, article) in articles.iter().enumerate() {
        let article: Article = serde_json::from_value(article.clone()).map_err(|error| {
            LoadError::whole(format!("article {} of the export cannot be read: {error}", index + 1))
        })?;
        if let Some(part) = part(article, format, &mut names) {
            parts.push(part);
        }
    }
    if parts.is_empty() {
        return Err(LoadError::whole("the export holds no published article with a text"));
    }
    Ok(Some(parts))
}

/// The list of articles, and what they are written in.
fn articles(json: &Value) -> Option<(&Vec<Value>, Format)> {
    let list = |name: &str| json.get(name).and_then(Value::as_array);
    let (articles, text, format) = match (list("articles"), list("payload")) {
        (Some(articles), _) => (articles, "body", Format::Html),
        (None, Some(articles)) => (articles, "content", Format::Markdown),
        (None, None) => return None,
    };
    // Other lists of these systems have the same names.
    let is_article = |value: &Value| value.get("title").is_some() && value.get(text).is_some();
    articles.iter().all(is_article).then_some((articles, format))
}

fn part(article: Article, format: Format, names: &mut HashSet<String>) -> Option<Part> {
    let published = match &article.status {
        Value::String(status) => status == "published",
        Value::Number(status) => status.as_u64() == Some(1),
        _ => true,
    };
    let text = if format == Format::Html { article.body } else { article.content };
    let text = text.filter(|text| !text.trim().is_empty() && published && !article.draft)?;
    let locale = article.locale.or_else(|| article.category?.locale);
    let id = match (article.slug, article.id) {
        (Some(slug), _) if !slug.is_empty() => slug,
        (_, Value::String(id)) => id,
        (_, id) => id.to_string(),
    };
    // A translation has the id of its original.
    let mut name = id.clone();
    if !names.insert(name.clone()) {
        name = format!("{id}.{}", locale.as_deref().unwrap_or("again"));
        names.insert(name.clone());
    }
    Some(Part {
        name: Some(name),
        title: article.title.map(|title| title.trim().to_owned()).filter(|title| !title.is_empty()),
        url: article.html_url.and_then(|url| check_url(&url).ok()),
        language: locale.as_deref().and_then(Language::from_locale),
        format,
        content: text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zendesk_articles_are_html_and_drafts_stay_out() {
        let export = r#"{"count":3,"next_page":null,"articles":[
            {"id":360001,"title":"Troca","name":"Troca","body":"<h2>Prazo</h2><p>30 dias.</p>","locale":"pt-br","draft":false,
             "html_url":"https://a.example/hc/pt-br/articles/360001-Troca","label_names":[],"section_id":7},
            {"id":360001,"title":"Exchange","body":"<p>30 days.</p>","locale":"en-us","draft":false},
            {"id":360002,"title":"Secret","body":"<p>x</p>","locale":"pt-br","draft":true},
            {"id":360003,"title":"Empty","body":null,"locale":"pt-br","draft":false}]}"#;
        let parts = load(export).unwrap().unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(
            (parts[0].name.as_deref(), parts[1].name.as_deref()),
            (Some("360001"), Some("360001.en-us"))
        );
        assert_eq!(parts[0].url.as_deref(), Some("https://a.example/hc/pt-br/articles/360001-Troca"));
        assert_eq!((parts[0].language, parts[1].language), (Some(Language::Pt), Some(Language::En)));
        assert_eq!((parts[0].title.as_deref(), parts[0].format), (Some("Troca"), Format::Html));
    }

    #[test]
    fn chatwoot_articles_are_markdown_and_published() {
        let export = r##"{"payload":[
            {"id":1,"slug":"1700-resi","title":"Resi","content":"# Resi\n\n30 giorni.","status":"published",
             "category":{"id":2,"locale":"it"}},
            {"id":2,"slug":"1701-x","title":"X","content":"y","status":"draft"},
            {"id":3,"slug":"","title":"Z","content":"z","status":1},
            {"id":4,"slug":"old","title":"Old","content":"y","status":"archived"}],"meta":{"current_page":1}}"##;
        let parts = load(export).unwrap().unwrap();
        let names: Vec<_> = parts.iter().filter_map(|part| part.name.as_deref()).collect();
        assert_eq!(names, ["1700-resi", "3"]);
        assert_eq!((parts[0].language, parts[0].format), (Some(Language::It), Format::Markdown));
    }

    #[test]
    fn other_json_is_told_apart() {
        for other in ["{}", "[1]", r#"{"payload":[{"id":1,"messages":[]}]}"#, r#"{"articles":"none"}"#] {
            assert!(load(other).unwrap().is_none(), "{other}");
        }
        assert_eq!(load("{\n\n!").unwrap_err().line, Some(3));
        let error = load(r#"{"articles":[{"id":1,"title":"x","body":null}]}"#).unwrap_err();
        assert!(error.message.contains("no published article"), "{error}");
    }
}

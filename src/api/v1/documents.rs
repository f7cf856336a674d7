//! `/v1/knowledge/documents`: what drafts may be made of.
#![expect(unused_qualifications, reason = "the macro that documents parameters qualifies their type")]

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::Caller;
use crate::api::error::{ApiError, FieldError};
use crate::api::extract::{Json, Path, QueryString};
use crate::api::state::Api;
use crate::conversation::{Audience, Labels, Language};
use crate::knowledge::{Change, Format, NewDocument};
use crate::store::{Document, Documents, Listed};

use super::page;

const LONGEST_SOURCE: usize = 2_000;

/// A document to add, or to replace when its source is known. Exactly one of
/// `text`, `markdown`, `html`, `csv` and `jsonl` is given.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"source": "help/delivery", "title": "Entrega", "url": "https://loja.example/entrega",
    "language": "pt", "markdown": "# Entrega\n\nA entrega normal leva até 5 dias úteis."}))]
pub(super) struct DocumentRequest {
    /// Names the document within the workspace: a path, a URL, or an id of the caller's choice.
    #[serde(default, alias = "id")]
    source: Option<String>,
    /// Title.
    #[serde(default)]
    title: Option<String>,
    /// Where a person can read it; citations link to it.
    #[serde(default)]
    url: Option<String>,
    /// Its language; detected when left out.
    #[serde(default)]
    language: Option<Language>,
    /// Who may read it; what the document says of itself when left out, else `public`.
    #[serde(default)]
    audience: Option<Audience>,
    /// Labels such as `product=x` and `region=br`, beside those that the document gives itself.
    #[serde(default)]
    labels: Labels,
    /// Content as plain text.
    #[serde(default)]
    text: Option<String>,
    /// Content as Markdown.
    #[serde(default)]
    markdown: Option<String>,
    /// Content as HTML.
    #[serde(default)]
    html: Option<String>,
    /// Questions and answers as CSV with a header line (`question`, `answer`).
    #[serde(default)]
    csv: Option<String>,
    /// Questions and answers, one JSON object a line (`question`, `answer`).
    #[serde(default)]
    jsonl: Option<String>,
}

/// A document as it was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DocumentStored {
    /// The document, without its text.
    #[serde(flatten)]
    document: DocumentSummary,
    /// What became of it.
    change: Change,
    /// How many passages it has.
    passages: usize,
}

/// A document without its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DocumentSummary {
    /// The document's id.
    id: String,
    /// What names it within the workspace.
    source: String,
    /// Title.
    title: String,
    /// Where a person can read it.
    url: Option<String>,
    /// Its language; null when it is none of the supported ones.
    language: Option<Language>,
    /// Which of its versions this is, from 1.
    version: u32,
    /// Who may read it.
    audience: Audience,
    /// Labels such as `product=x`.
    labels: Labels,
    /// When it was last changed.
    updated_at: DateTime<Utc>,
}

/// A document with its text.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DocumentView {
    /// The document.
    #[serde(flatten)]
    document: DocumentSummary,
    /// Its text as it was loaded; the spans of passages count its characters.
    text: String,
}

/// Which documents.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// `next` of the previous page.
    cursor: Option<String>,
    /// 1 to 200; 50 when left out.
    limit: Option<usize>,
}

impl From<Document> for DocumentSummary {
    fn from(document: Document) -> Self {
        let Document { id, source, title, url, language, version, audience, labels, updated_at, .. } =
            document;
        Self { id, source, title, url, language, version, audience, labels, updated_at }
    }
}

/// Adds a document, or replaces the one with the same source. It can be found when this answers.
#[utoipa::path(post, path = "/v1/knowledge/documents", tag = "knowledge", request_body = DocumentRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Same key and body: the first answer again")),
    responses(
        (status = 201, description = "Added", body = DocumentStored),
        (status = 200, description = "Replaced, or unchanged", body = DocumentStored),
        ApiError))]
pub(super) async fn put(
    State(api): State<Api>,
    caller: Caller,
    Json(request): Json<DocumentRequest>,
) -> Result<Response, ApiError> {
    let document = read(request)?;
    let library = api.app.library.clone();
    // Store and index stay in step when the caller goes away in between.
    let put = api.tasks.spawn(async move { library.put(&caller.workspace, document).await });
    let put = put.await.map_err(ApiError::internal)??;
    let status = if put.change == Change::Added { StatusCode::CREATED } else { StatusCode::OK };
    let stored = DocumentStored { document: put.document.into(), change: put.change, passages: put.passages };
    Ok((status, axum::Json(stored)).into_response())
}

/// Documents, by source.
#[utoipa::path(get, path = "/v1/knowledge/documents", tag = "knowledge", params(ListQuery),
    responses(
        (status = 200, description = "A page; `next` is absent on the last", body = Listed<DocumentSummary>),
        ApiError))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    QueryString(query): QueryString<ListQuery>,
) -> Result<axum::Json<Listed<DocumentSummary>>, ApiError> {
    let page = page(query.cursor, query.limit)?;
    let found = Documents::list(api.app.store.as_ref(), &caller.workspace, page).await?;
    let items = found.items.into_iter().map(Into::into).collect();
    Ok(axum::Json(Listed { items, next: found.next }))
}

/// One document with its text.
#[utoipa::path(get, path = "/v1/knowledge/documents/{id}", tag = "knowledge",
    params(("id" = String, Path, description = "The document's id")),
    responses(
        (status = 200, description = "The document", body = DocumentView),
        ApiError))]
pub(super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<axum::Json<DocumentView>, ApiError> {
    let mut document = Documents::get(api.app.store.as_ref(), &caller.workspace, &id)
        .await?
        .ok_or_else(|| ApiError::not_found("document", &id))?;
    let text = std::mem::take(&mut document.text);
    Ok(axum::Json(DocumentView { document: document.into(), text }))
}

/// Removes a document; no later draft is made of it.
#[utoipa::path(delete, path = "/v1/knowledge/documents/{id}", tag = "knowledge",
    params(("id" = String, Path, description = "The document's id")),
    responses(
        (status = 204, description = "Removed"),
        ApiError))]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let (library, document) = (api.app.library.clone(), id.clone());
    let deleted = api.tasks.spawn(async move { library.delete(&caller.workspace, &document).await });
    if deleted.await.map_err(ApiError::internal)?? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("document", &id))
    }
}

fn read(request: DocumentRequest) -> Result<NewDocument, ApiError> {
    let mut errors = Vec::new();
    let source = request.source.or_else(|| request.url.clone()).unwrap_or_default();
    if source.trim().is_empty() || source.chars().count() > LONGEST_SOURCE {
        let detail = format!("name the document with 1 to {LONGEST_SOURCE} characters, or give its url");
        errors.push(FieldError::new("source", detail));
    }
    if request.url.as_deref().is_some_and(|url| !is_web_address(url)) {
        errors.push(FieldError::new("url", "takes an address that begins with https:// or http://"));
    }
    let given = [
        (request.text, Format::Text),
        (request.markdown, Format::Markdown),
        (request.html, Format::Html),
        (request.csv, Format::Csv),
        (request.jsonl, Format::Jsonl),
    ];
    let mut given = given.into_iter().filter_map(|(content, format)| Some((content?, format)));
    match (given.next(), given.next()) {
        (Some((content, format)), None) if !content.trim().is_empty() => {
            if errors.is_empty() {
                return Ok(NewDocument {
                    source,
                    title: request.title,
                    url: request.url,
                    language: request.language,
                    audience: request.audience,
                    labels: request.labels,
                    format,
                    content,
                });
            }
        }
        (Some(_), None) => errors.push(FieldError::new("text", "the content is empty")),
        _ => errors.push(FieldError::new("text", "give exactly one of text, markdown, html, csv and jsonl")),
    }
    Err(ApiError::invalid(errors))
}

fn is_web_address(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

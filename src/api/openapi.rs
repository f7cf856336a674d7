//! `/openapi.json` and `/docs`: the document comes from the handlers themselves, the page from the document.

use std::sync::Arc;

use axum::Extension;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse};
use minijinja::HtmlEscape;
use minijinja::value::Serde;
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{Code, ProblemDetails};
use super::state::Api;

/// What the document says apart from the endpoints.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ponto",
        description = "Drafts replies to customers from your own knowledge base, sends one by itself only where that is \
                       certified, and hands the conversation over when it is not.\n\nEvery call under /v1 needs \
                       `Authorization: Bearer <key>`. A key belongs to one workspace and sees nothing of another. Errors \
                       are problem details (RFC 9457) with a stable `code`. A POST that creates takes an \
                       `Idempotency-Key`: the same key and request get the first answer again, for 24 hours at least.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "suggest", description = "Answer a customer's message"),
        (name = "suggestions", description = "What was suggested, and what agents did with it"),
        (name = "rollout", description = "How far automatic replies have come"),
        (name = "knowledge", description = "What drafts are made of"),
        (name = "service", description = "Health, metrics and this document; no key needed")
    ),
    components(schemas(ProblemDetails)),
    modifiers(&Security)
)]
struct Base;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key made with `ponto keys create`"))
            .build();
        openapi.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(bearer));
        openapi.security = Some(vec![SecurityRequirement::new("key", Vec::<String>::new())]);
    }
}

/// An empty router that knows what is said of all endpoints together.
pub(super) fn base() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Base::openapi())
}

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(document)).routes(routes!(docs))
}

/// Both forms of the document, made once.
pub(super) struct Rendered {
    json: String,
    page: Result<String, String>,
}

impl Rendered {
    /// Renders the document and its page.
    pub(super) fn new(openapi: &utoipa::openapi::OpenApi) -> Arc<Self> {
        let value = serde_json::to_value(openapi).unwrap_or_default();
        let json = serde_json::to_string_pretty(&value).unwrap_or_default();
        Arc::new(Self { json, page: page(&value).map_err(|error| format!("{error:#}")) })
    }
}

/// This API as an `OpenAPI` document.
#[utoipa::path(get, path = "/openapi.json", tag = "service", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")))]
async fn document(Extension(rendered): Extension<Arc<Rendered>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], rendered.json.clone())
}

/// The same, as a page for people.
#[utoipa::path(get, path = "/docs", tag = "service", security(()),
    responses((status = 200, description = "A page", body = String, content_type = "text/html")))]
async fn docs(
    Extension(rendered): Extension<Arc<Rendered>>,
) -> Result<impl IntoResponse, super::error::ApiError> {
    let page = rendered.page.clone().map_err(super::error::ApiError::internal)?;
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    Ok(([(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))], Html(page)))
}

#[derive(Debug, Serialize)]
struct Group<'a> {
    name: &'a str,
    description: &'a str,
    operations: Vec<Operation<'a>>,
}

#[derive(Debug, Serialize)]
struct Operation<'a> {
    anchor: String,
    method: String,
    path: &'a str,
    about: &'a Value,
    example: Option<String>,
}

/// One row of the table of problems.
#[derive(Debug, Serialize)]
struct ProblemRow {
    code: &'static str,
    status: u16,
    title: &'static str,
    remedy: &'static str,
}

fn page(document: &Value) -> Result<String, minijinja::Error> {
    let mut environment = minijinja::Environment::new();
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment
        .add_filter("kind", |schema: Serde<Value>| minijinja::Value::from_safe_string(words(&schema.0)));
    environment.add_filter("prose", |text: &str| minijinja::Value::from_safe_string(prose(text)));
    environment.add_template("docs.html", include_str!("docs.html"))?;
    let problems: Vec<ProblemRow> = Code::ALL
        .into_iter()
        .map(Code::entry)
        .map(|row| ProblemRow {
            code: row.code,
            status: row.status.as_u16(),
            title: row.title,
            remedy: row.remedy,
        })
        .collect();
    environment.get_template("docs.html")?.render(minijinja::context! {
        info => Serde(&document["info"]),
        groups => Serde(groups(document)),
        schemas => Serde(&document["components"]["schemas"]),
        problems => Serde(problems),
    })
}

fn groups(document: &Value) -> Vec<Group<'_>> {
    let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned();
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let paths: Vec<_> = document["paths"].as_object().into_iter().flatten().collect();
    tags.iter()
        .map(|tag| {
            let operations = paths
                .iter()
                .flat_map(|(path, item)| {
                    item.as_object().into_iter().flatten().map(move |found| (*path, found))
                })
                .filter(|(_, (_, operation))| {
                    operation["tags"].as_array().is_some_and(|tags| tags.contains(&tag["name"]))
                })
                .map(|(path, (method, operation))| Operation {
                    anchor: text(&operation["operationId"]),
                    method: method.to_uppercase(),
                    path,
                    about: operation,
                    example: example(document, operation),
                })
                .collect();
            Group {
                name: tag["name"].as_str().unwrap_or_default(),
                description: tag["description"].as_str().unwrap_or_default(),
                operations,
            }
        })
        .collect()
}

/// The example of an operation's request body.
fn example(document: &Value, operation: &Value) -> Option<String> {
    let reference = operation.pointer("/requestBody/content/application~1json/schema/$ref")?.as_str()?;
    let example = document.pointer(reference.strip_prefix('#')?)?.get("example")?;
    serde_json::to_string_pretty(example).ok()
}

/// Paragraphs and code of a doc comment as HTML; everything else of it is text.
fn prose(markdown: &str) -> String {
    use pulldown_cmark::{Event, Parser, Tag, TagEnd};
    Parser::new(markdown)
        .map(|event| match event {
            Event::Start(Tag::Paragraph) => "<p>".to_owned(),
            Event::End(TagEnd::Paragraph) => "</p>\n".to_owned(),
            Event::Code(code) => format!("<code>{}</code>", HtmlEscape(&code)),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => HtmlEscape(&text).to_string(),
            Event::SoftBreak | Event::HardBreak => " ".to_owned(),
            _ => String::new(),
        })
        .collect()
}

/// A schema in a few words of HTML, with links to the schemas it names.
fn words(schema: &Value) -> String {
    let escape = |text: &str| HtmlEscape(text).to_string();
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escape(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for (join, separator) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = schema[join].as_array() {
            return parts.iter().map(words).collect::<Vec<_>>().join(separator);
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("<code>{}</code>", escape(&value.to_string())))
            .collect::<Vec<_>>()
            .join(" ");
    }
    let types: Vec<String> = match &schema["type"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().filter_map(|one| one.as_str().map(ToOwned::to_owned)).collect(),
        _ => vec!["any".to_owned()],
    };
    let types = types
        .iter()
        .map(|one| if one == "array" { format!("list of {}", words(&schema["items"])) } else { escape(one) });
    let types = types.collect::<Vec<_>>().join(" or ");
    match schema["format"].as_str() {
        Some(format) => format!("{types} ({})", escape(format)),
        None => types,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_holds_no_tag_of_its_text() {
        assert_eq!(
            prose("Send `a<b>` or <script>x</script>"),
            "<p>Send <code>a&lt;b&gt;</code> or &lt;script&gt;x&lt;&#x2f;script&gt;</p>\n"
        );
    }

    #[test]
    fn a_schema_in_words() {
        let words = |schema: Value| words(&schema);
        assert_eq!(words(serde_json::json!({"type": ["string", "null"]})), "string or null");
        assert_eq!(
            words(serde_json::json!({"type": "array", "items": {"$ref": "#/components/schemas/Answer"}})),
            "list of <a href=\"#schema-Answer\">Answer</a>"
        );
        assert_eq!(words(serde_json::json!({"enum": ["<b>"]})), "<code>&quot;&lt;b&gt;&quot;</code>");
    }
}

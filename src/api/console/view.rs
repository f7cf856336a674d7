//! Renders the templates: a name that a template misspells is an error where it would be written, not an empty place.

use std::sync::LazyLock;

use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use rust_embed::RustEmbed;

use super::words;
use crate::conversation::Language;

#[derive(RustEmbed)]
#[folder = "src/api/console/templates"]
struct Templates;

static PAGES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut pages = Environment::new();
    pages.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    pages.add_filter("percent", |share: f64| format!("{:.0}%", share * 100.0));
    pages.add_filter("urlencode", |text: String| -> String {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
    });
    for name in Templates::iter() {
        let Some(file) = Templates::get(&name) else { continue };
        let source = String::from_utf8_lossy(&file.data).into_owned();
        if let Err(error) = pages.add_template_owned(name.into_owned(), source) {
            tracing::error!(%error, "a console template does not parse");
        }
    }
    pages
});

/// A page, or a part of one, in a language. Names ending in `.html` are escaped.
pub(super) fn render(template: &str, language: Language, values: Value) -> Response {
    match html(template, language, values) {
        Ok(page) => Html(page).into_response(),
        Err(error) => {
            tracing::error!(%error, template, "a console page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The rendered text.
pub(super) fn html(template: &str, language: Language, values: Value) -> Result<String, minijinja::Error> {
    let languages: Vec<&str> = Language::ALL.into_iter().map(Language::code).collect();
    PAGES.get_template(template)?.render(context! {
        w => Serde(words::of(language)),
        language => language.code(),
        languages,
        ..values
    })
}

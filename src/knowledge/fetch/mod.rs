//! Web pages: an address with what it links to, or a sitemap.
//!
//! [`Crawl`] says which page comes next, and asks for one at a time: allowed by `robots.txt`, at the pace of its server,
//! from an address that is public ([`address`]) and stays the one that was checked. Redirects are pages that come next,
//! so every check is made again for each of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::settings::Problem;

mod address;
mod client;
mod crawl;
mod links;
mod robots;
mod sitemap;

pub(super) use client::{FetchError, Validators};
pub(super) use crawl::{Crawl, Fetched, Page, Target};
pub(super) use links::{Tags, read as read_tags};

/// `[knowledge.fetch]`: how web pages are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FetchConfig {
    /// How Ponto names itself to web servers; `robots.txt` knows it as `ponto`.
    pub user_agent: String,
    /// Links that are followed from the first page, one after the other, at most.
    pub depth: usize,
    /// Pages that are read, at most.
    pub max_pages: usize,
    /// Seconds between two requests to one server; `Crawl-delay` in `robots.txt` makes it longer.
    pub delay_s: f64,
    /// Seconds that one page gets.
    pub timeout_s: f64,
    /// Largest page in bytes.
    pub max_page_bytes: u64,
    /// Servers that may be read though their address is private or their port unusual, such as `wiki.internal` or
    /// `127.0.0.1:8081`. All others must be public, at port 80 or 443.
    pub allow: Vec<String>,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("Ponto/", env!("CARGO_PKG_VERSION"), " (knowledge base reader; self-hosted)")
                .into(),
            depth: 3,
            max_pages: 1_000,
            delay_s: 0.5,
            timeout_s: 30.0,
            max_page_bytes: 10 << 20,
            allow: Vec::new(),
        }
    }
}

impl FetchConfig {
    /// Settings that make no sense.
    pub(super) fn validate(&self, problems: &mut Vec<Problem>) {
        if self.user_agent.is_empty() || !self.user_agent.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            problems.push(Problem::new("knowledge.fetch.user_agent", "write a name in plain ASCII letters"));
        }
        if self.max_pages == 0 {
            problems.push(Problem::new("knowledge.fetch.max_pages", "write a number above 0"));
        }
        if self.max_page_bytes == 0 {
            problems.push(Problem::new("knowledge.fetch.max_page_bytes", "write a size above 0"));
        }
        if !(0.0..=3600.0).contains(&self.delay_s) {
            problems
                .push(Problem::new("knowledge.fetch.delay_s", "write a number of seconds from 0 to 3600"));
        }
        if !(0.1..=3600.0).contains(&self.timeout_s) {
            problems.push(Problem::new(
                "knowledge.fetch.timeout_s",
                "write a number of seconds from 0.1 to 3600",
            ));
        }
        for server in &self.allow {
            let parsed = Url::parse(&format!("http://{server}/"));
            let is_server = parsed.is_ok_and(|url| url.path() == "/" && url.username().is_empty());
            if !is_server || server.contains(['/', '@', '?', '#']) {
                problems.push(Problem::new(
                    "knowledge.fetch.allow",
                    format!(
                        "{server:?} is not a server; write a name or an address, and a port after a colon"
                    ),
                ));
            }
        }
    }

    /// Whether the operator vouches for this server.
    fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let port = url.port_or_known_default();
        self.allow.iter().any(|server| {
            // Read as part of an address, so that letters and numbers are written alike.
            Url::parse(&format!("{}://{server}/", url.scheme())).is_ok_and(|allowed| {
                allowed.host_str() == Some(host) && allowed.port_or_known_default() == port
            })
        })
    }
}

/// Whether a pattern of an ingest is an address.
pub(super) fn is_address(pattern: &str) -> bool {
    let start = pattern.get(..8).unwrap_or(pattern).to_ascii_lowercase();
    start.starts_with("http://") || start.starts_with("https://")
}

#[cfg(test)]
mod tests;

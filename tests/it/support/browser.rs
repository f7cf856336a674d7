//! A real Chromium, driven through its `WebDriver`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;

/// A browser window with an empty profile; closed on drop.
pub(crate) struct Browser {
    pub(crate) page: Client,
    driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one; `None`, with a message, where Chromium is not installed (an error where parts are required).
    pub(crate) async fn start() -> Option<Self> {
        let driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) => {
                let message =
                    format!("chromedriver does not start ({error}); install chromium and its driver");
                assert!(std::env::var_os("PONTO_REQUIRE_PARTS").is_none(), "{message}");
                eprintln!("skipped: {message}");
                return None;
            }
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port: u16 = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok())
            .expect("chromedriver names its port");
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=en-US",
            "--window-size=1280,860",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({ "goog:chromeOptions": { "args": arguments } });
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        Some(Self { page, driver, _profile: profile })
    }

    /// Waits for an element and gives its text.
    pub(crate) async fn text(&self, css: &str) -> String {
        self.wait(css).await.text().await.unwrap()
    }

    /// Waits for an element and clicks it.
    pub(crate) async fn click(&self, css: &str) {
        self.wait(css).await.click().await.unwrap();
    }

    /// Waits for an element to be there and visible.
    pub(crate) async fn wait(&self, css: &str) -> fantoccini::elements::Element {
        for _ in 0..150 {
            if let Ok(element) = self.page.find(Locator::Css(css)).await
                && element.is_displayed().await.unwrap_or(false)
            {
                return element;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{css} did not appear within 15 s on {:?}", self.page.current_url().await);
    }

    /// Waits until an element's text holds some words.
    pub(crate) async fn wait_text(&self, css: &str, words: &str) {
        let mut seen = String::new();
        for _ in 0..150 {
            if let Ok(element) = self.page.find(Locator::Css(css)).await {
                seen = element.text().await.unwrap_or_default();
                if seen.contains(words) {
                    return;
                }
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{css} did not come to hold {words:?}; it holds {seen:?}");
    }

    /// Presses keys on the page itself.
    pub(crate) async fn press(&self, keys: &str) {
        self.page.find(Locator::Css("body")).await.unwrap().send_keys(keys).await.unwrap();
    }

    /// Saves a picture of the page into `$PONTO_SCREENSHOTS`, where that is set.
    pub(crate) async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("PONTO_SCREENSHOTS") {
            let bytes = self.page.screenshot().await.unwrap();
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes its browsers when it ends.
        let _ = Command::new("kill").arg("-TERM").arg(self.driver.id().to_string()).status();
        let _ = self.driver.wait();
    }
}

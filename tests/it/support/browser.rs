//! A real Chromium, driven through its `WebDriver`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use reqwest::Method;
use serde_json::{Value, json};

/// How long something on a page may take to appear.
const PATIENCE: Duration = Duration::from_secs(30);
/// The key under which `WebDriver` hands out elements (W3C `WebDriver`, section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window with an empty profile; closed on drop.
pub(crate) struct Browser {
    http: reqwest::Client,
    /// Address of the `WebDriver` session.
    session: String,
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
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": arguments } } } });
        let http = reqwest::Client::new();
        let created =
            call(&http, Method::POST, &format!("http://127.0.0.1:{port}/session"), Some(wanted)).await;
        let created = created.expect("Chromium starts");
        let id = created["sessionId"].as_str().expect("a session has an id");
        let session = format!("http://127.0.0.1:{port}/session/{id}");
        Some(Self { http, session, driver, _profile: profile })
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, String> {
        call(&self.http, method, &format!("{}/{path}", self.session), body).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, Some(body)).await.unwrap()
    }

    /// Opens an address.
    pub(crate) async fn open(&self, url: &str) {
        self.post("url", json!({ "url": url })).await;
    }

    /// Sets the size of the window in pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        self.post("window/rect", json!({ "width": width, "height": height })).await;
    }

    /// Runs a script in the page and gives what it returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Whether an element is in the page now.
    pub(crate) async fn exists(&self, css: &str) -> bool {
        self.find(css).await.is_ok()
    }

    async fn find(&self, css: &str) -> Result<String, String> {
        let using = json!({ "using": "css selector", "value": css });
        let found = self.call(Method::POST, "element", Some(using)).await?;
        found[ELEMENT].as_str().map(str::to_owned).ok_or_else(|| format!("no element in {found}"))
    }

    /// Waits for an element to be there and visible; its id.
    pub(crate) async fn wait(&self, css: &str) -> String {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Ok(id) = self.find(css).await
                && self.call(Method::GET, &format!("element/{id}/displayed"), None).await
                    == Ok(Value::Bool(true))
            {
                return id;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{css} did not appear on {:?}", self.call(Method::GET, "url", None).await);
    }

    /// Waits until an element's text holds some words.
    pub(crate) async fn wait_text(&self, css: &str, words: &str) {
        let (end, mut seen) = (Instant::now() + PATIENCE, String::new());
        while Instant::now() < end {
            if let Ok(id) = self.find(css).await
                && let Ok(Value::String(text)) =
                    self.call(Method::GET, &format!("element/{id}/text"), None).await
            {
                if text.contains(words) {
                    return;
                }
                seen = text;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{css} did not come to hold {words:?}; it holds {seen:?}");
    }

    /// Waits for an element and gives its text.
    pub(crate) async fn text(&self, css: &str) -> String {
        let id = self.wait(css).await;
        let text = self.call(Method::GET, &format!("element/{id}/text"), None).await.unwrap();
        text.as_str().unwrap().to_owned()
    }

    /// Waits for a field and gives what stands in it.
    pub(crate) async fn value(&self, css: &str) -> String {
        let id = self.wait(css).await;
        let value = self.call(Method::GET, &format!("element/{id}/property/value"), None).await.unwrap();
        value.as_str().unwrap().to_owned()
    }

    /// Waits for an element and clicks it.
    pub(crate) async fn click(&self, css: &str) {
        let id = self.wait(css).await;
        self.post(&format!("element/{id}/click"), json!({})).await;
    }

    /// Waits for an element and types into it.
    pub(crate) async fn write(&self, css: &str, text: &str) {
        let id = self.wait(css).await;
        self.post(&format!("element/{id}/value"), json!({ "text": text })).await;
    }

    /// Presses keys on the page itself.
    pub(crate) async fn press(&self, keys: &str) {
        self.write("body", keys).await;
    }

    /// Saves a picture of the page into `$PONTO_SCREENSHOTS`, where that is set.
    pub(crate) async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("PONTO_SCREENSHOTS") {
            let shot = self.call(Method::GET, "screenshot", None).await.unwrap();
            let bytes = base64::engine::general_purpose::STANDARD.decode(shot.as_str().unwrap()).unwrap();
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
        }
    }
}

/// One call of the `WebDriver` protocol; the answer's `value`, or what the driver says went wrong.
async fn call(
    http: &reqwest::Client,
    method: Method,
    url: &str,
    body: Option<Value>,
) -> Result<Value, String> {
    let mut request = http.request(method, url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let good = answer.status().is_success();
    let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
    let value = answer["value"].take();
    if good { Ok(value) } else { Err(value["message"].as_str().unwrap_or("unknown").to_owned()) }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver closes its browsers when it ends.
        let _ = Command::new("kill").arg("-TERM").arg(self.driver.id().to_string()).status();
        let _ = self.driver.wait();
    }
}

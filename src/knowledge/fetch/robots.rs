//! `robots.txt` (RFC 9309).

use std::time::Duration;

use texting_robots::Robot;
use url::Url;

/// Our name there.
const NAME: &str = "ponto";

/// A longer wish between two requests is not heard.
const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// What a site allows.
#[derive(Debug)]
pub(super) struct Rules {
    /// `None` where everything is allowed.
    robot: Option<Robot>,
}

impl Rules {
    pub(super) fn everything() -> Self {
        Self { robot: None }
    }

    /// Off the async workers: a hostile file has many rules. Rules that do not parse allow everything.
    pub(super) async fn read(bytes: Vec<u8>) -> Self {
        let robot = tokio::task::spawn_blocking(move || Robot::new(NAME, &bytes).ok()).await;
        Self { robot: robot.ok().flatten() }
    }

    pub(super) fn allow(&self, url: &Url) -> bool {
        self.robot.as_ref().is_none_or(|robot| robot.allowed(url.as_str()))
    }

    /// Between two requests.
    pub(super) fn delay(&self) -> Duration {
        let seconds = self.robot.as_ref().and_then(|robot| robot.delay).unwrap_or_default();
        Duration::try_from_secs_f32(seconds).unwrap_or_default().min(LONGEST_DELAY)
    }
}

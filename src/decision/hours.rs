//! Opening hours in a time zone, with holidays: of a queue, and as a condition of a rule.

use chrono::{
    DateTime, Datelike, FixedOffset, LocalResult, NaiveDate, TimeDelta, TimeZone, Timelike, Utc, Weekday,
};
use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// How far ahead an opening is looked for, in days: a year of holidays is no queue.
const AHEAD: i64 = 370;

/// Opening hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// IANA name of the time zone, such as `Europe/Rome` or `America/Sao_Paulo`.
    pub time_zone: Zone,
    /// Days and times, such as `mon-fri 09:00-13:00`, `sat,sun 10:00-14:00` or `daily 22:00-06:00`.
    #[schemars(length(min = 1))]
    pub open: Vec<OpenSpan>,
    /// Closed all day: `2026-12-25`, or `12-25` of every year.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holidays: Vec<Holiday>,
}

impl Hours {
    /// Whether it is open at a moment.
    pub fn is_open(&self, at: DateTime<Utc>) -> bool {
        let local = at.with_timezone(&self.time_zone.0).naive_local();
        let minute = (local.hour() * 60 + local.minute()) as u16;
        let today = local.date();
        let yesterday = today.pred_opt();
        self.open.iter().any(|span| {
            (self.opens_on(span, today) && (span.from..span.to).contains(&minute))
                || yesterday.is_some_and(|day| self.opens_on(span, day) && minute + DAY < span.to)
        })
    }

    /// The first moment from `at` on when it is open, in its own time zone; `None` where it stays closed for a year.
    pub fn next_opening(&self, at: DateTime<Utc>) -> Option<DateTime<FixedOffset>> {
        let zone = self.time_zone.0;
        let local = at.with_timezone(&zone);
        if self.is_open(at) {
            return Some(local.fixed_offset());
        }
        (0..=AHEAD).find_map(|days| {
            let day = local.date_naive().checked_add_signed(TimeDelta::days(days))?;
            let openings = self.open.iter().filter(|span| self.opens_on(span, day));
            let openings = openings.filter_map(|span| instant(zone, day, span.from));
            openings.filter(|opening| *opening > local).min().map(|opening| opening.fixed_offset())
        })
    }

    fn opens_on(&self, span: &OpenSpan, day: NaiveDate) -> bool {
        span.days[day.weekday().num_days_from_monday() as usize]
            && !self.holidays.iter().any(|holiday| holiday.is_on(day))
    }
}

/// A wall clock's time as a moment; one that the change to summer time leaves out is taken an hour later.
fn instant(zone: Tz, day: NaiveDate, minute: u16) -> Option<DateTime<Tz>> {
    let time = day.and_hms_opt(0, 0, 0)? + TimeDelta::minutes(i64::from(minute));
    match zone.from_local_datetime(&time) {
        LocalResult::Single(moment) | LocalResult::Ambiguous(moment, _) => Some(moment),
        LocalResult::None => zone.from_local_datetime(&(time + TimeDelta::hours(1))).earliest(),
    }
}

/// A time zone by its IANA name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Zone(pub Tz);

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse().map(Self).map_err(|_| {
            format!(
                "{name:?} is not a time zone; write an IANA name, such as Europe/Lisbon or America/Sao_Paulo"
            )
        })
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.0.name().to_owned()
    }
}

/// Days of the week with a time from and a time to; one that ends before it begins ends on the next day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct OpenSpan {
    written: String,
    days: [bool; 7],
    from: u16,
    to: u16,
}

impl TryFrom<String> for OpenSpan {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        let Some((days, from, to)) = span(&written) else {
            return Err(format!(
                "{written:?} is not opening hours; write days and times, such as mon-fri 09:00-18:00 or sat,sun 10:00-14:00"
            ));
        };
        Ok(Self { written, days, from, to })
    }
}

impl From<OpenSpan> for String {
    fn from(span: OpenSpan) -> Self {
        span.written
    }
}

/// Days, and minutes from and to.
fn span(written: &str) -> Option<([bool; 7], u16, u16)> {
    let (days, times) = written.trim().split_once(char::is_whitespace)?;
    let (from, to) = times.trim().split_once('-')?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    let to = if to <= from { to + DAY } else { to };
    (from < DAY).then_some((weekdays(days)?, from, to))
}

fn minutes(time: &str) -> Option<u16> {
    let (hour, minute) = time.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    (hour <= 24 && minute < 60 && total <= DAY).then_some(total)
}

/// `mon`, `mon-fri`, `sat,sun`, `fri-mon`, `daily`.
fn weekdays(text: &str) -> Option<[bool; 7]> {
    if text.eq_ignore_ascii_case("daily") {
        return Some([true; 7]);
    }
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let day =
            |name: &str| name.trim().parse::<Weekday>().ok().map(|day| day.num_days_from_monday() as usize);
        let (mut day, last) = (day(first)?, day(last)?);
        loop {
            days[day] = true;
            if day == last {
                break;
            }
            day = (day + 1) % 7;
        }
    }
    Some(days)
}

/// A day on which nobody works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Holiday {
    year: Option<i32>,
    month: u32,
    day: u32,
}

impl Holiday {
    fn is_on(&self, date: NaiveDate) -> bool {
        self.year.is_none_or(|year| year == date.year())
            && (self.month, self.day) == (date.month(), date.day())
    }
}

impl TryFrom<String> for Holiday {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let dated = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok();
        // A leap year, so that 29 February is a day.
        let yearly = || NaiveDate::parse_from_str(&format!("2000-{}", text.trim()), "%Y-%m-%d").ok();
        let (year, date) = match dated {
            Some(date) => (Some(date.year()), date),
            None => (
                None,
                yearly().ok_or_else(|| {
                    format!("{text:?} is not a holiday; write 2026-12-25, or 12-25 for every year")
                })?,
            ),
        };
        Ok(Self { year, month: date.month(), day: date.day() })
    }
}

impl From<Holiday> for String {
    fn from(holiday: Holiday) -> Self {
        let day = format!("{:02}-{:02}", holiday.month, holiday.day);
        holiday.year.map_or_else(|| day.clone(), |year| format!("{year:04}-{day}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(zone: &str, open: &[&str], holidays: &[&str]) -> Hours {
        serde_json::from_value(serde_json::json!({"time_zone": zone, "open": open, "holidays": holidays}))
            .unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn open_on_its_days_and_times_in_its_zone() {
        let rome = hours(
            "Europe/Rome",
            &["mon-fri 09:00-13:00", "mon-fri 14:00-18:00", "fri 22:00-02:00"],
            &["12-25", "2026-11-27"],
        );
        for (moment, open) in [
            ("2026-11-26T08:00:00Z", true), // Thursday, 09:00 in Rome
            ("2026-11-26T07:59:00Z", false),
            ("2026-11-26T12:30:00Z", false), // 13:30: lunch
            ("2026-11-26T16:59:00Z", true),
            ("2026-11-26T17:00:00Z", false), // the end is not part of it
            ("2026-11-27T09:00:00Z", false), // a holiday of this year
            ("2026-11-28T00:30:00Z", false), // the night after a holiday belongs to it
            ("2026-12-05T00:30:00Z", true),  // the night of a Friday
            ("2026-12-05T01:30:00Z", false),
            ("2026-12-25T09:00:00Z", false), // every year
            ("2026-07-01T07:00:00Z", true),  // summer time: 09:00
        ] {
            assert_eq!(rome.is_open(at(moment)), open, "{moment}");
        }
    }

    #[test]
    fn the_next_opening_is_given_in_the_zone() {
        let paulo = hours("America/Sao_Paulo", &["mon-fri 09:00-18:00"], &["2026-11-30"]);
        for (moment, opening) in [
            ("2026-11-26T15:00:00Z", "2026-11-26T12:00:00-03:00"), // open now
            ("2026-11-26T06:00:00Z", "2026-11-26T09:00:00-03:00"),
            ("2026-11-27T22:00:00Z", "2026-12-01T09:00:00-03:00"), // over the week-end and a holiday
        ] {
            assert_eq!(paulo.next_opening(at(moment)).unwrap().to_rfc3339(), opening, "{moment}");
        }
        let gap = hours("Europe/Rome", &["sun 02:30-04:00"], &[]);
        assert_eq!(
            gap.next_opening(at("2026-03-28T12:00:00Z")).unwrap().to_rfc3339(),
            "2026-03-29T03:30:00+02:00"
        );
        let never = hours("Europe/Rome", &["mon 09:00-10:00"], &[]);
        assert!(never.next_opening(at("2026-03-28T12:00:00Z")).is_some());
    }

    #[test]
    fn mistakes_say_how_it_is_written() {
        for (field, wrong, remedy) in [
            ("time_zone", serde_json::json!({"time_zone": "Rome", "open": ["daily 00:00-24:00"]}), "IANA"),
            (
                "open",
                serde_json::json!({"time_zone": "Europe/Rome", "open": ["monday nine"]}),
                "mon-fri 09:00-18:00",
            ),
            (
                "open",
                serde_json::json!({"time_zone": "Europe/Rome", "open": ["mon 25:00-26:00"]}),
                "mon-fri 09:00-18:00",
            ),
            (
                "holidays",
                serde_json::json!({"time_zone": "Europe/Rome", "open": ["daily 00:00-24:00"], "holidays": ["25.12."]}),
                "12-25",
            ),
        ] {
            let error = serde_json::from_value::<Hours>(wrong).unwrap_err().to_string();
            assert!(error.contains(remedy), "{field}: {error}");
        }
        let written = hours("Europe/Rome", &["Sat,sun 10:00-14:00"], &["2026-12-25", "02-29"]);
        let again = serde_json::to_value(&written).unwrap();
        assert_eq!(again["holidays"], serde_json::json!(["2026-12-25", "02-29"]));
        assert_eq!(serde_json::from_value::<Hours>(again).unwrap(), written);
    }
}

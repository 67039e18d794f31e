//! A moment as AWS writes it, and as clients read it: seconds since 1970, a date.
//!
//! Only what lifecycles need: no time zones beyond an offset, no leap seconds, no fractions.

use serde::Deserialize;
use serde::de::{self, Deserializer};

/// A moment of the years 0001 to 9999, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

const DAY: i64 = 86_400;
/// 0001-01-01 and 9999-12-31T23:59:59.
const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

impl Moment {
    /// The beginning of 1970.
    pub const EPOCH: Self = Self(0);

    /// So many seconds after 1970; `None` outside of the years 0001 to 9999.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        RANGE.contains(&seconds).then_some(Self(seconds))
    }

    /// Reads `2026-11-22`, or `2026-11-22T10:00:00Z` with or without a fraction or an offset.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once(['T', 't', ' ']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = date.splitn(3, '-').map(number);
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let last = match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let is_date = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=last).contains(&day);
        if !is_date {
            return None;
        }
        let of_day = time.map_or(Some(0), seconds_of_day)?;
        Self::from_seconds(days(year, month, day) * DAY + of_day)
    }

    /// Seconds since 1970; negative before.
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// The date, `YYYY-MM-DD`.
    pub fn date(self) -> String {
        // Howard Hinnant's `civil_from_days`: eras of 400 years that begin in March.
        let days = self.0.div_euclid(DAY) + 719_468;
        let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year + era * 400 + i64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// Howard Hinnant's `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// `10:00:00`, `10:00:00.000Z`, `10:00:00+02:00`; an offset may lead out of the day.
fn seconds_of_day(time: &str) -> Option<i64> {
    let at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at_checked(at)?;
    let whole = clock.split('.').next()?;
    let mut parts = whole.splitn(3, ':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let is_time = hour < 24 && minute < 60 && second < 61;
    let offset = match zone.split_at_checked(1) {
        None | Some(("Z" | "z", "")) => 0,
        Some((sign, offset)) => {
            let (hours, minutes) = offset.split_once(':')?;
            let offset = number(hours)? * 3600 + number(minutes)? * 60;
            if sign == "+" { offset } else { -offset }
        }
    };
    is_time.then_some(hour * 3600 + minute * 60 + second - offset)
}

/// Up to four digits.
fn number(digits: &str) -> Option<i64> {
    let append = |number: i64, byte: u8| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'));
    if (1..=4).contains(&digits.len()) { digits.bytes().try_fold(0, append) } else { None }
}

impl<'de> Deserialize<'de> for Moment {
    /// AWS's JSON has a text here and seconds there.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Moment;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a moment: ISO 8601, or seconds since 1970")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Moment, E> {
                Moment::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Moment, E> {
                Moment::from_seconds(seconds)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(seconds), &self))
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Moment, E> {
                let unexpected = de::Unexpected::Unsigned(seconds);
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                Moment::from_seconds(seconds).ok_or_else(|| E::invalid_value(unexpected, &self))
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Moment, E> {
                #[expect(clippy::cast_possible_truncation, reason = "it saturates, and the range is checked")]
                let whole = seconds.floor() as i64;
                Moment::from_seconds(whole)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Float(seconds), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_back_as_they_went_in() {
        for date in ["0001-01-01", "1970-01-01", "1999-12-31", "2000-02-29", "2026-11-22", "9999-12-31"] {
            assert_eq!(Moment::parse(date).map(Moment::date).as_deref(), Some(date));
        }
        assert_eq!(Moment::parse("2026-11-22T01:46:40Z").map(Moment::seconds), Some(1_795_312_000));
    }

    #[test]
    fn moments_are_written_in_several_ways() {
        let noon = Moment::parse("2026-11-22T12:00:00Z");
        for text in [
            "2026-11-22T12:00:00",
            "2026-11-22T12:00:00.123Z",
            "2026-11-22T14:00:00+02:00",
            "2026-11-22T07:00:00-05:00",
        ] {
            assert_eq!(Moment::parse(text), noon, "{text}");
        }
        let seconds = noon.unwrap().seconds();
        for json in [format!("{seconds}"), format!("{seconds}.25"), "\"2026-11-22T12:00:00Z\"".to_owned()] {
            assert_eq!(serde_json::from_str::<Moment>(&json).unwrap(), noon.unwrap(), "{json}");
        }
    }

    #[test]
    fn what_is_no_moment_is_an_error() {
        for text in
            ["", "2026", "2026-13-01", "2026-02-29", "2026-1-1T", "2026-11-22T25:00:00Z", "0000-01-01"]
        {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        for json in ["1e300", "-9223372036854775808", "18446744073709551615", "true", "\"soon\""] {
            assert!(serde_json::from_str::<Moment>(json).is_err(), "{json}");
        }
    }
}

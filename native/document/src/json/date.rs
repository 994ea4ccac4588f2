//! ISO 8601 instants to milliseconds since 1970 and back, in the proleptic Gregorian calendar.

use std::fmt::Write;

const DAY_MS: i64 = 86_400_000;

/// First instant after the year 9999.
const YEAR_10000_MS: i64 = 253_402_300_800_000;

/// Writes the instant as text; `None` outside the years 1970 to 9999.
pub(super) fn format(ms: i64) -> Option<String> {
    if !(0..YEAR_10000_MS).contains(&ms) {
        return None;
    }
    let (year, month, day) = civil_date(ms.div_euclid(DAY_MS));
    let in_day = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    if in_day % 1000 != 0 {
        write!(text, ".{:03}", in_day % 1000).ok()?;
        text.truncate(text.trim_end_matches('0').len());
    }
    text.push('Z');
    Some(text)
}

/// Reads `YYYY-MM-DD[THH:MM[:SS[.fraction]][Z|±HH[[:]MM]]]`; without an offset it is UTC. Digits
/// after the third of the fraction are cut off.
pub(super) fn parse(text: &str) -> Option<i64> {
    let mut rest = text;
    let year = digits(&mut rest, 4)?;
    rest = rest.strip_prefix('-')?;
    let month = digits(&mut rest, 2)?;
    rest = rest.strip_prefix('-')?;
    let day = digits(&mut rest, 2)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let midnight = epoch_day(year, month, day) * DAY_MS;
    let Some(mut rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return rest.is_empty().then_some(midnight);
    };
    let hour = digits(&mut rest, 2)?;
    rest = rest.strip_prefix(':')?;
    let minute = digits(&mut rest, 2)?;
    let (mut second, mut fraction_ms) = (0, 0);
    if let Some(after) = rest.strip_prefix(':') {
        rest = after;
        second = digits(&mut rest, 2)?;
        if let Some(after) = rest.strip_prefix('.') {
            fraction_ms = fraction(after)?;
            rest = after.trim_start_matches(|letter: char| letter.is_ascii_digit());
        }
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let offset_ms = offset(rest)? * 60_000;
    let in_day = ((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms;
    Some(midnight + in_day - offset_ms)
}

/// Takes exactly `count` digits off the front of `rest`.
fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(count)?;
    *rest = after;
    if number.bytes().all(|byte| byte.is_ascii_digit()) { number.parse().ok() } else { None }
}

/// Milliseconds of the fraction at the front of `text`; at least one digit.
fn fraction(text: &str) -> Option<i64> {
    let mut digits = text.bytes().take_while(u8::is_ascii_digit).peekable();
    digits.peek()?;
    Some([100, 10, 1].iter().zip(digits).map(|(unit, digit)| unit * i64::from(digit - b'0')).sum())
}

/// The offset from UTC in minutes.
fn offset(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes() {
        [] | [b'Z' | b'z'] => return Some(0),
        [b'+', ..] => (1, text.get(1..)?),
        [b'-', ..] => (-1, text.get(1..)?),
        _ => return None,
    };
    let hours = digits(&mut rest, 2)?;
    let minutes = match rest.strip_prefix(':').unwrap_or(rest) {
        "" if !rest.starts_with(':') => 0,
        mut minutes => digits(&mut minutes, 2).filter(|_| minutes.is_empty())?,
    };
    (hours <= 18 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years count from March, so that the leap day ends one.
fn epoch_day(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`epoch_day`]: (year, month, day).
fn civil_date(epoch_day: i64) -> (i64, i64, i64) {
    let day = epoch_day + 719_468;
    let (era, day_of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_and_parses_the_same_instants() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_780_308_000_120, "2026-06-01T10:00:00.12Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (YEAR_10000_MS - 1, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(format(ms).as_deref(), Some(text));
            assert_eq!(parse(text), Some(ms));
        }
        assert_eq!((format(-1), format(YEAR_10000_MS)), (None, None));
    }

    #[test]
    fn every_day_survives_the_round_trip() {
        for day in (0..2_932_897).step_by(61).chain([2_932_896]) {
            let text = format(day * DAY_MS).unwrap();
            assert_eq!(parse(&text), Some(day * DAY_MS), "{text}");
        }
    }

    #[test]
    fn reads_offsets_and_short_forms() {
        for (text, ms) in [
            ("1970-01-02", DAY_MS),
            ("1970-01-01T00:01Z", 60_000),
            ("1970-01-01T00:00:01", 1000),
            ("1970-01-01T02:00:00+02:00", 0),
            ("1970-01-01T02:00:00.5+0130", 1_800_500),
            ("1969-12-31T23:00:00-01", 0),
            ("1969-12-31T23:59:59.9999Z", -1),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "1970",
            "1970-1-1",
            "1970-02-29",
            "1970-13-01",
            "1970-01-00",
            "1970-01-01T",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00ZZ",
            "1970-01-01T00:00:00+",
            "1970-01-01T00:00:00+01:",
            "+970-01-01",
            "197é-01-01",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}

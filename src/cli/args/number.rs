//! Numbers on the command line: what is none is told in words of what was asked for.

use std::ops::RangeInclusive;

/// Reads whole seconds.
pub(super) fn seconds(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| "give whole seconds, such as 30".to_owned())
}

/// Reads how many lines.
pub(super) fn lines(word: &str) -> Result<i64, String> {
    word.parse().ok().filter(|lines| *lines >= 0).ok_or_else(|| "give how many lines, such as 100".to_owned())
}

/// Reads a time: whole seconds, minutes or hours.
pub(super) fn time(word: &str) -> Result<std::time::Duration, String> {
    let (number, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len()));
    let unit = match unit {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = number.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    // A timer has no longer ones.
    let seconds = seconds.filter(|seconds| (1..=365 * 24 * 3600).contains(seconds));
    seconds.map(std::time::Duration::from_secs).ok_or_else(|| "give a time such as 90s, 10m or 2h".to_owned())
}

/// Reads whole numbers of a range, with their unit or without it.
pub(super) fn measured(
    unit: &'static str,
    range: RangeInclusive<u32>,
) -> impl Fn(&str) -> Result<u32, String> + Clone + Send + Sync + 'static {
    move |word| {
        let number = word.strip_suffix(unit).unwrap_or(word).parse().ok().filter(|number| range.contains(number));
        number
            .ok_or_else(|| format!("give a whole number from {} to {}, such as {0}{unit}", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_unit_may_be_written_as_in_a_scenario() {
        let of = super::measured("ms", 1..=5000);
        assert_eq!((of("50"), of("50ms")), (Ok(50), Ok(50)));
        for word in ["0", "5001", "50s", "ms", "-1", "1.5"] {
            assert_eq!(of(word).expect_err("refused"), "give a whole number from 1 to 5000, such as 1ms", "{word}");
        }
    }

    #[test]
    fn a_time_has_a_unit() {
        let of = |word: &str| super::time(word).ok().map(|time| time.as_secs());
        assert_eq!((of("90"), of("90s"), of("10m"), of("2h")), (Some(90), Some(90), Some(600), Some(7200)));
        for word in ["", "s", "0s", "1d", "-1s", "1.5h", "1h30m", "99999999999999999999", "9223372036854775807h"] {
            assert_eq!(of(word), None, "{word}");
        }
    }
}

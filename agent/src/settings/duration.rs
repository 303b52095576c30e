//! Durations as people write them: `60s`, `5m`, `1h30m`, `500ms`.

use std::time::Duration;

/// Largest first, which is also the order in which they may follow each other.
const UNITS: [(&str, Duration); 4] = [
    ("h", Duration::from_hours(1)),
    ("m", Duration::from_mins(1)),
    ("s", Duration::from_secs(1)),
    ("ms", Duration::from_millis(1)),
];

/// `None`: it is none.
pub fn parse(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let (_, worth) = units.find(|(name, _)| *name == unit)?;
        total = total.checked_add(worth.checked_mul(number.parse().ok()?)?)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

/// The shortest way to write it.
pub fn text(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut text = String::new();
    for (name, worth) in UNITS {
        let count = millis / worth.as_millis();
        millis %= worth.as_millis();
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(name);
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for written in ["60s", "90s", "5m", "1h30m", "500ms", "24h", "1h2m3s4ms", "0s"] {
            let duration = parse(written).unwrap();
            assert_eq!(parse(&text(duration)), Some(duration), "{written}");
        }
        assert_eq!(parse("1h30m"), Some(Duration::from_mins(90)));
        assert_eq!(text(Duration::from_secs(90)), "1m30s");
    }

    #[test]
    fn a_number_without_unit_and_units_out_of_order_are_no_durations() {
        for wrong in ["", "60", "s", "1.5s", "-1s", "1m1h", "1s1s", "1 s", "1d", "99999999999h", "1S"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}

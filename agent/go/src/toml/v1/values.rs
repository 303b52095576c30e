//! What go-toml 1 makes of the tokens of numbers and times.

use super::token::{Kind, Token};
use crate::toml::Data;

/// Why a number is none.
pub enum NotANumber {
    Words(String),
    /// The one message without a place.
    Base,
    /// Every release refuses it, each in its words.
    TooLarge,
    /// Only some releases have numbers of that size.
    Unsigned,
}

pub fn number(token: &Token) -> Result<Data, NotANumber> {
    let text = token.text.as_str();
    match token.kind {
        Kind::Infinite if text.starts_with('-') => return Ok(Data::Float(f64::NEG_INFINITY)),
        Kind::Infinite => return Ok(Data::Float(f64::INFINITY)),
        Kind::NotANumber => return Ok(Data::Float(f64::NAN)),
        _ => {}
    }
    let plain = text.replace('_', "");
    if token.kind == Kind::Float {
        check_underscores(text, 10)?;
        return match plain.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Data::Float(number)),
            Ok(_) => Err(NotANumber::Words(format!("strconv.ParseFloat: parsing \"{plain}\": value out of range"))),
            Err(_) => Err(NotANumber::Words(format!("strconv.ParseFloat: parsing \"{plain}\": invalid syntax"))),
        };
    }
    let mut digits = plain.as_str();
    let mut base = 10;
    if plain.len() >= 3 && plain.starts_with('0') {
        base = match plain.as_bytes().get(1) {
            Some(b'x') => 16,
            Some(b'o') => 8,
            Some(b'b') => 2,
            _ => return Err(NotANumber::Base),
        };
        digits = plain.get(2..).unwrap_or_default();
    }
    check_underscores(text, base)?;
    if let Ok(number) = i64::from_str_radix(digits, base) {
        return Ok(Data::Integer(number));
    }
    if digits.starts_with('-') {
        return Err(NotANumber::Words(format!("strconv.ParseInt: parsing \"{digits}\": value out of range")));
    }
    let unsigned = u64::from_str_radix(digits, base).is_ok();
    Err(if unsigned { NotANumber::Unsigned } else { NotANumber::TooLarge })
}

/// Each underscore stands behind a digit, and none at the end.
fn check_underscores(text: &str, base: u32) -> Result<(), NotANumber> {
    let digit = |c: char| if base == 16 { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
    let mut behind_digit = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '_' && (!behind_digit || rest.peek().is_none()) {
            let of_hex = if base == 16 { "hex " } else { "" };
            return Err(NotANumber::Words(format!("invalid use of _ in {of_hex}number")));
        }
        behind_digit = digit(c);
    }
    Ok(())
}

/// Whether there is such a day and such an hour.
pub fn is_time(text: &str, dated: bool, zoned: bool) -> bool {
    let (date, time) = match (dated, text.split_once('T')) {
        (true, Some((date, time))) => (Some(date), Some(time)),
        (true, None) => (Some(text), None),
        (false, _) => (None, Some(text)),
    };
    let day = date.is_none_or(|date| date.parse::<jiff::civil::Date>().is_ok());
    let Some(time) = time else { return day };
    let number = |from: usize| time.get(from..from + 2).and_then(|two| two.parse::<u8>().ok()).unwrap_or(u8::MAX);
    let hour = number(0) < 24 && number(3) < 60 && number(6) < 60;
    let offset = time.trim_end_matches('Z').rfind(['+', '-']).filter(|_| zoned);
    let zone = offset.is_none_or(|at| number(at + 1) <= 24 && number(at + 4) < 60);
    day && hour && zone
}

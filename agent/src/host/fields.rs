//! How Go takes a line of the resolver's files apart.

/// Go's ceiling for a number in an option.
const NUMBER_LIMIT: u64 = 0xFF_FFFF;

/// Splits as Go does: at spaces, tabs and line ends only.
pub(super) fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', '\t', '\r', '\n']).filter(|field| !field.is_empty())
}

/// The digits at the start; none is 0.
pub(super) fn number(text: &str) -> u64 {
    let digits = text.bytes().take_while(u8::is_ascii_digit).map(|digit| u64::from(digit - b'0'));
    digits.fold(0, |number, digit| (number * 10 + digit).min(NUMBER_LIMIT))
}

//! Go's `time.Parse` for RFC 3339, and the words of its errors.

use crate::text::quote;

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";

/// What Go says against `text`. `None`: it takes it.
pub fn fault(text: &str) -> Option<String> {
    let mut parser = Parser { rest: text };
    let shown = quote(text);
    match parser.time() {
        Ok(()) if parser.rest.is_empty() => None,
        Ok(()) => Some(format!("parsing time {shown}: extra text: {}", quote(parser.rest))),
        Err(Fault::Range(what)) => Some(format!("parsing time {shown}: {what} out of range")),
        Err(Fault::Element(element)) => {
            let (layout, element) = (quote(LAYOUT), quote(element));
            Some(format!("parsing time {shown} as {layout}: cannot parse {} as {element}", quote(parser.rest)))
        }
    }
}

/// Likewise of a value in JSON, as Go did before 1.20: the quotes belong to the layout.
pub fn fault_of_quoted(raw: &str) -> Option<String> {
    let (shown, layout) = (quote(raw), quote(&format!("\"{LAYOUT}\"")));
    let cannot = |rest: &str, element: &str| {
        let (rest, element) = (quote(rest), quote(element));
        Some(format!("parsing time {shown} as {layout}: cannot parse {rest} as {element}"))
    };
    let Some(text) = raw.strip_prefix('"') else { return cannot(raw, "\"") };
    let mut parser = Parser { rest: text };
    match parser.time() {
        Ok(()) if parser.rest == "\"" => None,
        Ok(()) => cannot(parser.rest, "\""),
        Err(Fault::Range(what)) => Some(format!("parsing time {shown}: {what} out of range")),
        Err(Fault::Element(element)) => cannot(parser.rest, element),
    }
}

enum Fault {
    /// The rest does not begin with this element of the layout.
    Element(&'static str),
    Range(&'static str),
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn time(&mut self) -> Result<(), Fault> {
        let year = self.digits(4, 4, "2006")?;
        self.literal("-")?;
        let month = self.digits(2, 2, "01")?;
        within(month, 1, 12, "month")?;
        self.literal("-")?;
        let day = self.digits(2, 2, "02")?;
        self.literal("T")?;
        // The one number that Go takes with a single digit.
        within(self.digits(1, 2, "15")?, 0, 23, "hour")?;
        self.literal(":")?;
        within(self.digits(2, 2, "04")?, 0, 59, "minute")?;
        self.literal(":")?;
        within(self.digits(2, 2, "05")?, 0, 59, "second")?;
        self.fraction();
        self.zone()?;
        within(day, 1, days_in(year, month), "day")
    }

    fn literal(&mut self, text: &'static str) -> Result<(), Fault> {
        self.rest = self.rest.strip_prefix(text).ok_or(Fault::Element(text))?;
        Ok(())
    }

    fn digits(&mut self, least: usize, most: usize, element: &'static str) -> Result<u32, Fault> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        if count < least {
            return Err(Fault::Element(element));
        }
        let (number, rest) = self.rest.split_at(count);
        self.rest = rest;
        number.parse().map_err(|_| Fault::Element(element))
    }

    fn fraction(&mut self) {
        let Some(after) = self.rest.strip_prefix(['.', ',']) else { return };
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        if end > 0 {
            self.rest = &after[end..];
        }
    }

    fn zone(&mut self) -> Result<(), Fault> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(());
        }
        let shaped = matches!(self.rest.as_bytes(), [b'+' | b'-', a, b, b':', c, d, ..]
            if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()));
        if !shaped {
            return Err(Fault::Element("Z07:00"));
        }
        let (zone, rest) = self.rest.split_at("+07:00".len());
        self.rest = rest;
        within(zone[1..3].parse().unwrap_or_default(), 0, 24, "time zone offset hour")?;
        within(zone[4..6].parse().unwrap_or_default(), 0, 60, "time zone offset minute")
    }
}

fn within(number: u32, least: u32, most: u32, what: &'static str) -> Result<(), Fault> {
    if (least..=most).contains(&number) { Ok(()) } else { Err(Fault::Range(what)) }
}

const fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn what_go_takes_is_no_fault() {
        for text in [
            "2026-11-21T16:00:00Z",
            "2026-11-21T16:00:00.123456789+01:00",
            "2026-11-21T1:00:00,5-24:00",
            "2024-02-29T00:00:00Z",
        ] {
            assert_eq!(fault(text), None, "{text}");
        }
    }

    #[test]
    fn faults_read_as_go_writes_them() {
        let layout = "\"2006-01-02T15:04:05Z07:00\"";
        for (text, rest, element) in [
            ("yesterday", "yesterday", "2006"),
            ("", "", "2006"),
            ("2020-01-01 00:00:00Z", " 00:00:00Z", "T"),
            ("2020-1-01T00:00:00Z", "1-01T00:00:00Z", "01"),
            ("2020-01-01T00:00:00", "", "Z07:00"),
            ("2020-01-01T00:00:00.Z", ".Z", "Z07:00"),
        ] {
            let words = format!("parsing time \"{text}\" as {layout}: cannot parse \"{rest}\" as \"{element}\"");
            assert_eq!(fault(text), Some(words));
        }
        for (text, what) in
            [("2020-12-31T23:59:60Z", "second"), ("2020-13-01T00:00:00Z", "month"), ("2023-02-29T00:00:00Z", "day")]
        {
            assert_eq!(fault(text), Some(format!("parsing time \"{text}\": {what} out of range")));
        }
        assert_eq!(
            fault("2020-01-01T00:00:00Zx").unwrap(),
            "parsing time \"2020-01-01T00:00:00Zx\": extra text: \"x\""
        );
    }
}

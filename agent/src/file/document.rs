//! One JSON document from a pipe. It is over with its last brace: who writes it may be unable to close the pipe.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use zeroize::Zeroizing;

/// So much is read at once.
const CHUNK: usize = 16 << 10;

/// An object of at most `limit` bytes, whole before the deadline, with nothing but white space around it. What was
/// read is zeroed when it is dropped: it may hold secrets.
pub fn read(input: impl AsFd, limit: usize, deadline: Instant) -> io::Result<Zeroizing<Vec<u8>>> {
    // Without a second buffer: what grows leaves copies behind.
    let mut document = Zeroizing::new(Vec::with_capacity(limit));
    let mut chunk = Zeroizing::new(vec![0; CHUNK]);
    let mut braces = Braces::default();
    loop {
        wait(&input, deadline)?;
        let count = match rustix::io::read(&input, &mut chunk[..]) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
            Err(error) => return Err(error.into()),
        };
        if count == 0 {
            let how = if braces.begun { "it ends before its last brace" } else { "it is empty" };
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, how));
        }
        let read = &chunk[..count];
        if document.len() + read.len() > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")));
        }
        let end = braces.end(read)?;
        document.extend_from_slice(read);
        if end {
            return Ok(document);
        }
    }
}

fn wait(input: &impl AsFd, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it is not complete in time"));
        }
        let left = Timespec::try_from(left).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        match poll(&mut [PollFd::new(input, PollFlags::IN)], Some(&left)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// How deep an object is nested. It tells only where the document ends, and not whether it is JSON.
#[derive(Default)]
struct Braces {
    begun: bool,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Braces {
    /// Whether the document is over with these bytes.
    fn end(&mut self, bytes: &[u8]) -> io::Result<bool> {
        for byte in bytes {
            if self.begun && self.depth == 0 {
                match byte {
                    byte if byte.is_ascii_whitespace() => continue,
                    _ => return Err(invalid("something stands behind the document")),
                }
            }
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' if self.begun => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' if self.begun || *byte == b'{' => {
                    self.begun = true;
                    self.depth += 1;
                }
                b'}' | b']' if self.depth > 0 => self.depth -= 1,
                byte if !self.begun && !byte.is_ascii_whitespace() => return Err(invalid("it is no JSON object")),
                _ => {}
            }
        }
        Ok(self.begun && self.depth == 0)
    }
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn a_document_is_over_with_its_last_brace_although_the_pipe_stays_open() {
        let (reader, mut writer) = io::pipe().unwrap();
        let text = "  {\"a\": \"}\\\"}\", \"b\": [{}, []]}\n";
        let whole = text.to_owned();
        let writing = std::thread::spawn(move || {
            for byte in whole.as_bytes() {
                writer.write_all(&[*byte]).unwrap();
            }
            writer
        });
        let read = read(&reader, 100, soon()).unwrap();
        assert_eq!(read.as_slice().trim_ascii_end(), text.as_bytes().trim_ascii_end());
        drop(writing.join().unwrap());
    }

    #[test]
    fn what_is_no_single_whole_document_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "it is empty"),
            ("   \n", "it is empty"),
            ("[{}]", "it is no JSON object"),
            ("password", "it is no JSON object"),
            ("{\"a\": {}", "it ends before its last brace"),
            ("{} {}", "something stands behind the document"),
            ("{\"a\": \"01234567890123456789\"}", "larger than 20 bytes"),
        ] {
            let (reader, mut writer) = io::pipe().unwrap();
            writer.write_all(text.as_bytes()).unwrap();
            drop(writer);
            assert_eq!(read(&reader, 20, soon()).unwrap_err().to_string(), reason, "{text}");
        }
    }

    #[test]
    fn who_sends_half_a_document_is_waited_for_until_the_deadline() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"{\"auths\":").unwrap();
        let error = read(&reader, 100, Instant::now() + Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}

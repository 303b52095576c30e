//! Go's words for errors of the operating system.

use std::io;

use rustix::io::Errno;

/// Go's text of the error. It does not come from libc: musl's differs from the one that Go carries.
pub fn words(error: &io::Error) -> String {
    let known = match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => "connection refused",
        Some(Errno::TIMEDOUT) => "connection timed out",
        Some(Errno::CONNRESET) => "connection reset by peer",
        Some(Errno::CONNABORTED) => "software caused connection abort",
        Some(Errno::PIPE) => "broken pipe",
        Some(Errno::NETUNREACH) => "network is unreachable",
        Some(Errno::HOSTUNREACH) => "no route to host",
        Some(Errno::NETDOWN) => "network is down",
        Some(Errno::HOSTDOWN) => "host is down",
        Some(Errno::ACCESS) => "permission denied",
        Some(Errno::PERM) => "operation not permitted",
        Some(Errno::INVAL) => "invalid argument",
        Some(Errno::ADDRNOTAVAIL) => "cannot assign requested address",
        Some(Errno::AFNOSUPPORT) => "address family not supported by protocol",
        Some(Errno::MFILE) => "too many open files",
        _ if error.kind() == io::ErrorKind::TimedOut => "i/o timeout",
        _ if error.kind() == io::ErrorKind::UnexpectedEof => "EOF",
        _ => return error.to_string(),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_gos_words_whatever_libc_says() {
        let words_of = |errno: Errno| words(&io::Error::from(errno));
        assert_eq!(words_of(Errno::CONNREFUSED), "connection refused");
        assert_eq!(words_of(Errno::HOSTUNREACH), "no route to host");
        assert_eq!(words(&io::Error::from(io::ErrorKind::UnexpectedEof)), "EOF");
        assert_eq!(words(&io::Error::other("its own")), "its own");
    }
}

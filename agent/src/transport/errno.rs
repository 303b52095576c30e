//! The operating system's network errors: their cause, and Go's words for them.

use std::io;

use rustix::io::Errno;

use crate::cause::Cause;

/// What an error of a TCP connection means, while connecting or after.
///
/// A firewall of the node itself and a route of type `prohibit` or `blackhole` show as a permission
/// error or an invalid argument: the packet never left, as with no route at all.
pub fn classify_io(error: &io::Error) -> Cause {
    match errno(error) {
        Some(Errno::CONNREFUSED) => Cause::TcpRefused,
        Some(Errno::TIMEDOUT) => Cause::TcpTimeout,
        Some(Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE) => Cause::TcpReset,
        Some(
            Errno::NETUNREACH
            | Errno::HOSTUNREACH
            | Errno::NETDOWN
            | Errno::HOSTDOWN
            | Errno::ACCESS
            | Errno::PERM
            | Errno::INVAL
            | Errno::ADDRNOTAVAIL
            | Errno::AFNOSUPPORT,
        ) => Cause::TcpUnreachable,
        _ if own_limit(error).is_some() => Cause::LimitReached,
        _ if error.kind() == io::ErrorKind::TimedOut => Cause::TcpTimeout,
        _ => Cause::Unclassified,
    }
}

/// pullprobe's own: out of open files, or of memory for them. It tells nothing of the far side.
pub fn own_limit(error: &io::Error) -> Option<String> {
    let is_own = matches!(errno(error)?, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS);
    is_own.then(|| format!("pullprobe is at a limit of its own process: {}", go_words(error)))
}

/// Go's text of the error. It does not come from libc: musl's differs from the one that Go carries.
pub fn go_words(error: &io::Error) -> String {
    let known = match errno(error) {
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

fn errno(error: &io::Error) -> Option<Errno> {
    Errno::from_io_error(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_cause_and_the_words_of_go() {
        let table = [
            (Errno::CONNREFUSED, Cause::TcpRefused, "connection refused"),
            (Errno::TIMEDOUT, Cause::TcpTimeout, "connection timed out"),
            (Errno::CONNRESET, Cause::TcpReset, "connection reset by peer"),
            (Errno::NETUNREACH, Cause::TcpUnreachable, "network is unreachable"),
            (Errno::HOSTUNREACH, Cause::TcpUnreachable, "no route to host"),
            (Errno::ACCESS, Cause::TcpUnreachable, "permission denied"),
            (Errno::PERM, Cause::TcpUnreachable, "operation not permitted"),
            (Errno::INVAL, Cause::TcpUnreachable, "invalid argument"),
            (Errno::ADDRNOTAVAIL, Cause::TcpUnreachable, "cannot assign requested address"),
            (Errno::MFILE, Cause::LimitReached, "too many open files"),
        ];
        for (errno, cause, words) in table {
            let error = io::Error::from(errno);
            assert_eq!((classify_io(&error), go_words(&error).as_str()), (cause, words));
        }
    }
}

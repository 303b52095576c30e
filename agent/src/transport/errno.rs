//! The operating system's network errors and their causes. Go's words for them are in [`go::errno`].

use std::io;

use go::errno::words;
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
    is_own.then(|| format!("pullprobe is at a limit of its own process: {}", words(error)))
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
            assert_eq!((classify_io(&error), go::errno::words(&error).as_str()), (cause, words));
        }
    }
}

//! The root certificates that containerd, being a Go program, loads on this node.
//!
//! Go's own rule is what counts: the first bundle of a fixed list that can be read, and besides it every
//! file of two directories; `SSL_CERT_FILE` and `SSL_CERT_DIR` of containerd's environment replace the
//! list and the directories, each on its own. `rustls-native-certs` has other lists and reads its own
//! environment, so it only parses the files found here. There is no fallback to other roots: where Go
//! finds none, containerd trusts none.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::CertificateDer;

use super::{DaemonEnvironment, EnvVar};
use crate::host::root::{EntryKind, HostRoot, ReadError, Stat};
use crate::model::finding::{Finding, Severity};
pub use crate::model::trust::{Mark, TrustStore};

const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
const DIRECTORIES: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// Every public bundle is below 1 MiB.
const FILE_LIMIT: usize = 16 << 20;
const FILES_LIMIT: usize = 2_000;
const CERTIFICATES_LIMIT: usize = 20_000;

/// A file that changed so shortly before it was read may have changed once more since, with the same mark.
const SETTLED: Duration = Duration::from_secs(2);

pub fn load(root: &HostRoot, environment: &DaemonEnvironment) -> TrustStore {
    load_at(root, environment, Timestamp::now())
}

fn load_at(root: &HostRoot, environment: &DaemonEnvironment, now: Timestamp) -> TrustStore {
    let store = TrustStore { named: named(environment), ..TrustStore::default() };
    let mut loader = Loader { root, store, seen: HashSet::new(), read: HashSet::new(), now };
    match environment.ssl_cert_file() {
        Some(variable) => loader.named_bundle(variable),
        None => drop(BUNDLES.iter().find(|path| loader.file(Path::new(path)).is_ok())),
    }
    match environment.ssl_cert_dir() {
        Some(variable) => variable.value.expose().split(':').for_each(|dir| loader.directory(Path::new(dir))),
        None => DIRECTORIES.iter().for_each(|dir| loader.directory(Path::new(dir))),
    }
    loader.finish()
}

/// Whether nothing that was looked at has changed since, so that another load would give the same.
pub fn is_current(store: &TrustStore, root: &HostRoot, environment: &DaemonEnvironment) -> bool {
    let same = |(path, mark): &(PathBuf, Option<Mark>)| root.stat(path).ok().map(|stat| stat.mark) == *mark;
    !store.is_unsettled && store.named == named(environment) && store.looked_at.iter().all(same)
}

fn named(environment: &DaemonEnvironment) -> [Option<String>; 2] {
    [environment.ssl_cert_file(), environment.ssl_cert_dir()]
        .map(|variable| variable.map(|variable| variable.value.expose().to_owned()))
}

struct Loader<'a> {
    root: &'a HostRoot,
    store: TrustStore,
    seen: HashSet<CertificateDer<'static>>,
    /// Bundles lie in the directories that are gone through, too.
    read: HashSet<PathBuf>,
    now: Timestamp,
}

impl Loader<'_> {
    fn named_bundle(&mut self, variable: &EnvVar) {
        let path = PathBuf::from(variable.value.expose());
        if let Err(error) = self.file(&path) {
            let message =
                format!("SSL_CERT_FILE names a file that containerd cannot read ({error}): its bundle gives no roots");
            let finding = Finding::new(
                Severity::Error,
                "ssl_cert_file_unreadable",
                message,
                "correct or remove SSL_CERT_FILE, then restart containerd",
            );
            self.store.findings.push(finding.located(&variable.origin));
        }
    }

    /// `Ok` when containerd can read the file, whatever it holds: that is what ends Go's search.
    fn file(&mut self, path: &Path) -> Result<(), ReadError> {
        if self.read.contains(path) {
            return Ok(());
        }
        match self.read(path) {
            Err(error) if error.is_ours() => {
                self.leave_out(&error);
                Ok(())
            }
            Ok(()) => {
                self.read.insert(path.to_owned());
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, path: &Path) -> Result<(), ReadError> {
        let stat = self.root.stat(path);
        self.look_at(path, stat.as_ref().ok());
        let stat = stat?;
        match stat.kind {
            EntryKind::File if stat.size <= FILE_LIMIT as u64 => {}
            EntryKind::File => return Err(ReadError::TooLarge { path: path.into(), limit: FILE_LIMIT }),
            EntryKind::Directory => return Err(ReadError::IsDirectory(path.into())),
            EntryKind::Other => return Err(ReadError::NotAFile(path.into())),
        }
        let here = self.root.location(path).inspect_err(|_| self.store.is_unsettled = true)?;
        let loaded = rustls_native_certs::load_certs_from_paths(Some(&here), None);
        if let Some(unreadable) = loaded.errors.iter().find_map(|error| as_read_error(path, error)) {
            // It may be readable the next time, without having changed.
            self.store.is_unsettled = true;
            return Err(unreadable);
        }
        let before = self.store.certificates.len();
        loaded.certs.into_iter().for_each(|certificate| self.add(certificate));
        if self.store.certificates.len() > before {
            self.store.sources.push(path.to_string_lossy().into_owned());
        }
        Ok(())
    }

    fn leave_out(&mut self, error: &ReadError) {
        self.store.unread.get_or_insert_with(|| format!("pullprobe does not read {error}, and containerd does"));
    }

    fn directory(&mut self, dir: &Path) {
        self.look_at(dir, self.root.stat(dir).as_ref().ok());
        let entries = self.root.list(dir).unwrap_or_else(|error| {
            self.store.is_unsettled |= !error.is_not_found();
            if error.is_ours() {
                self.leave_out(&error);
            }
            Vec::new()
        });
        if entries.len() > FILES_LIMIT {
            self.leave_out(&ReadError::TooMany { path: dir.into(), limit: FILES_LIMIT });
        }
        for entry in entries.into_iter().take(FILES_LIMIT) {
            let path = dir.join(entry.name);
            if entry.kind == EntryKind::File {
                // Go passes over a file that it cannot read.
                let _ = self.file(&path);
            } else {
                // What a link leads to may come later.
                self.look_at(&path, self.root.stat(&path).as_ref().ok());
            }
        }
    }

    fn look_at(&mut self, path: &Path, stat: Option<&Stat>) {
        let settled = self.now.as_second() - i64::try_from(SETTLED.as_secs()).unwrap_or(0);
        self.store.is_unsettled |= stat.is_some_and(|stat| stat.mark.changed.0 >= settled);
        self.store.looked_at.push((path.to_owned(), stat.map(|stat| stat.mark)));
    }

    /// Like Go, skips what is no certificate and what it already has.
    fn add(&mut self, certificate: CertificateDer<'static>) {
        let parses = || x509_parser::parse_x509_certificate(&certificate).is_ok_and(|(rest, _)| rest.is_empty());
        if self.seen.contains(&certificate) || !parses() {
            return;
        }
        if self.store.certificates.len() >= CERTIFICATES_LIMIT {
            let why = || format!("pullprobe keeps {CERTIFICATES_LIMIT} root certificates, and containerd has more");
            self.store.unread.get_or_insert_with(why);
            return;
        }
        self.seen.insert(certificate.clone());
        self.store.certificates.push(certificate);
    }

    fn finish(mut self) -> TrustStore {
        if self.store.certificates.is_empty() && self.store.unread.is_none() {
            let message = "no root certificate in any place where containerd looks: every https registry without its own `ca` fails";
            self.store.findings.push(Finding::new(
                Severity::Error,
                "no_root_certificates",
                message,
                "install the package ca-certificates on the node, then restart containerd",
            ));
        }
        self.store
    }
}

fn as_read_error(path: &Path, error: &rustls_native_certs::Error) -> Option<ReadError> {
    let rustls_native_certs::ErrorKind::Io { inner, .. } = &error.kind else { return None };
    let errno = rustix::io::Errno::from_io_error(inner).unwrap_or(rustix::io::Errno::IO);
    Some(ReadError::Os(path.into(), errno))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use go::place::{Position, SourceLocation};

    use super::super::tests::node;
    use super::*;
    use crate::redact::secret::Secret;

    fn ca(name: &str) -> String {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn with(name: &str, value: &str) -> DaemonEnvironment {
        let variable = EnvVar {
            name: name.into(),
            value: Secret::new(value),
            origin: SourceLocation::new("/unit", Position::of_line(1)),
        };
        DaemonEnvironment { variables: vec![variable], ..DaemonEnvironment::default() }
    }

    #[test]
    fn what_was_loaded_is_current_until_something_that_was_looked_at_changes() {
        let bundle = "/etc/pki/tls/certs/ca-bundle.crt";
        let (dir, root) = node(&[(bundle, &ca("one")), ("/etc/ssl/certs/two.pem", &ca("two"))]);
        let plain = DaemonEnvironment::default();
        let place = |path: &str| dir.path().join(path.trim_start_matches('/'));
        symlink("/usr/share/ca/late.crt", place("/etc/ssl/certs/late.pem")).unwrap();
        let later = Timestamp::now() + SETTLED * 60;
        let changes: [&dyn Fn(); 5] = [
            &|| fs::write(place(bundle), ca("one")).unwrap(),
            &|| fs::write(place("/etc/ssl/certs/three.pem"), ca("three")).unwrap(),
            &|| fs::remove_file(place("/etc/ssl/certs/two.pem")).unwrap(),
            // What a link led to in vain.
            &|| {
                fs::create_dir_all(place("/usr/share/ca")).unwrap();
                fs::write(place("/usr/share/ca/late.crt"), ca("late")).unwrap();
            },
            // It comes before the bundle that was found.
            &|| fs::write(place("/etc/ssl/certs/ca-certificates.crt"), ca("four")).unwrap(),
        ];
        for change in changes {
            let store = load_at(&root, &plain, later);
            assert!(is_current(&store, &root, &plain) && is_current(&store, &root, &plain));
            change();
            assert!(!is_current(&store, &root, &plain));
        }
        assert!(!is_current(&load_at(&root, &plain, later), &root, &with("SSL_CERT_FILE", bundle)));
    }

    #[test]
    fn what_changed_a_moment_ago_is_read_once_more() {
        let (_dir, root) = node(&[("/etc/ssl/certs/ca-certificates.crt", &ca("one"))]);
        let plain = DaemonEnvironment::default();
        let store = load(&root, &plain);
        assert_eq!(store.certificates.len(), 1);
        assert!(!is_current(&store, &root, &plain));
    }

    #[test]
    fn the_first_readable_bundle_and_all_files_of_the_directories_are_loaded() {
        let (one, two, three) = (ca("one"), ca("two"), ca("three"));
        let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let (dir, root) = node(&[
            ("/etc/pki/tls/certs/ca-bundle.crt", &format!("# text\n{one}{junk}{one}")),
            ("/etc/ssl/ca-bundle.pem", &ca("second bundle")),
            ("/usr/share/ca/two.crt", &two),
            ("/etc/pki/tls/certs/three.whatever", &three),
        ]);
        fs::create_dir_all(dir.path().join("etc/ssl/certs")).unwrap();
        symlink("/usr/share/ca/two.crt", dir.path().join("etc/ssl/certs/two.pem")).unwrap();
        let store = load(&root, &DaemonEnvironment::default());
        assert_eq!(store.certificates.len(), 3);
        assert_eq!(
            store.sources,
            ["/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/certs/two.pem", "/etc/pki/tls/certs/three.whatever"]
        );
        assert!(store.findings.is_empty());
    }

    #[test]
    fn each_override_replaces_its_own_half() {
        let (one, two, three) = (ca("one"), ca("two"), ca("three"));
        let (_dir, root) =
            node(&[("/etc/ssl/certs/ca-certificates.crt", &one), ("/own/bundle.pem", &two), ("/own/dir/a", &three)]);
        let sources = |environment: &DaemonEnvironment| load(&root, environment).sources;
        assert_eq!(
            sources(&with("SSL_CERT_FILE", "/own/bundle.pem")),
            ["/own/bundle.pem", "/etc/ssl/certs/ca-certificates.crt"]
        );
        assert_eq!(
            sources(&with("SSL_CERT_DIR", "/none:/own/dir")),
            ["/etc/ssl/certs/ca-certificates.crt", "/own/dir/a"]
        );
        let missing = load(&root, &with("SSL_CERT_FILE", "/own/none.pem"));
        assert_eq!(missing.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["ssl_cert_file_unreadable"]);
    }

    #[test]
    fn a_node_without_roots_says_so() {
        let (_dir, root) = node(&[("/etc/hostname", "x")]);
        let store = load(&root, &DaemonEnvironment::default());
        assert_eq!(store.findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["no_root_certificates"]);
    }

    /// A node with one bundle in the first place and one in the second.
    fn bundles(first: &str) -> (tempfile::TempDir, HostRoot) {
        node(&[(BUNDLES[0], first), (BUNDLES[1], &ca("second"))])
    }

    #[test]
    fn a_bundle_that_only_pullprobe_does_not_read_ends_the_search_as_it_does_for_go() {
        let (keep, root) = bundles(&ca("first"));
        let first = keep.path().join(BUNDLES[0].trim_start_matches('/'));
        fs::OpenOptions::new().write(true).open(first).unwrap().set_len(FILE_LIMIT as u64 + 1).unwrap();
        for environment in [DaemonEnvironment::default(), with("SSL_CERT_FILE", BUNDLES[0])] {
            let store = load(&root, &environment);
            assert_eq!(store.findings, [], "{:?}", store.unread);
            assert!(!store.sources.contains(&BUNDLES[0].to_owned()), "{:?}", store.sources);
            let unread = store.unread.unwrap();
            assert!(unread.contains(BUNDLES[0]) && unread.contains("larger than 16777216 bytes"), "{unread}");
        }
        assert_eq!(load(&root, &with("SSL_CERT_FILE", BUNDLES[1])).sources[0], BUNDLES[1]);
    }

    #[test]
    fn a_directory_with_more_files_than_are_read_leaves_roots_out() {
        let (keep, root) = bundles(&ca("first"));
        let dir = keep.path().join("own");
        fs::create_dir(&dir).unwrap();
        (0..FILES_LIMIT).for_each(|number| fs::write(dir.join(number.to_string()), "").unwrap());
        assert_eq!(load(&root, &with("SSL_CERT_DIR", "/own")).unread, None);
        fs::write(dir.join("more"), "").unwrap();
        let unread = load(&root, &with("SSL_CERT_DIR", "/own")).unread.unwrap();
        assert!(unread.contains("/own: more than 2000 entries"), "{unread}");
    }
}

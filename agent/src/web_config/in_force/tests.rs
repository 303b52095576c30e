//! Files that change under a running agent.

use pullprobe_lab::ca::{Authority, CertKind};

use super::*;

/// Of the password `p`, as cheap as there is.
fn user(name: &str) -> String {
    format!("basic_auth_users: {{{name}: \"{}\"}}\n", bcrypt::hash_with_salt("p", 4, [1; 16]).unwrap())
}

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn pair(&self, authority: &Authority, name: &str) {
        let leaf = authority.leaf(CertKind::Good, &[name]).unwrap();
        self.write("tls.crt", &leaf.cert_pem());
        self.write("tls.key", &leaf.key_pem());
    }

    fn open(&self) -> Arc<WebConfigFile> {
        WebConfigFile::open(&self.path("web.yaml"), false).unwrap_or_else(|problems| panic!("{problems:?}"))
    }
}

const TLS: &str = "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n";

/// Which users there are, and whether TLS is spoken.
fn protection(in_force: &InForce) -> (Vec<&str>, bool) {
    (in_force.config.users.keys().map(String::as_str).collect(), in_force.tls.is_some())
}

#[tokio::test]
async fn a_file_that_changed_is_in_force_at_the_next_look_and_a_broken_one_is_not() {
    let files = Files::new();
    files.pair(&Authority::new("one").unwrap(), "node.example");
    files.write("web.yaml", &format!("{TLS}{}", user("alice")));
    let file = files.open();
    assert_eq!(protection(&*file.now().await), (vec!["alice"], true));

    files.write("web.yaml", &format!("{TLS}{}", user("bobby")));
    assert_eq!(protection(&*file.now().await), (vec!["bobby"], true), "the same size, in the same second");
    assert_eq!(file.trouble(), None);

    for (broken, says) in [
        (format!("{TLS}basic_auth_users: {{bobby: p}}\n"), "a bcrypt hash"),
        (format!("{TLS}{}: [", user("carol")), "web.yaml:"),
        (String::new(), "no longer has a tls_server_config"),
        (TLS.to_owned(), "no longer has a user"),
        (user("carol"), "no longer has a tls_server_config"),
        (format!("{TLS}{}", user("carol")).replace("tls.crt", "gone.crt"), "gone.crt: "),
    ] {
        files.write("web.yaml", &broken);
        assert_eq!(protection(&*file.now().await), (vec!["bobby"], true), "{broken}");
        let trouble = file.trouble().unwrap_or_else(|| panic!("{broken}"));
        assert!(trouble.problem.contains(says), "{trouble:?}");
        file.now().await;
        assert_eq!(file.trouble(), Some(trouble), "since when it is broken");
    }
    std::fs::remove_file(files.path("web.yaml")).unwrap();
    assert_eq!(protection(&*file.now().await), (vec!["bobby"], true));
    assert!(file.trouble().is_some());

    files.write("web.yaml", &format!("{TLS}{}", user("carol")));
    assert_eq!(protection(&*file.now().await), (vec!["carol"], true));
    assert_eq!(file.trouble(), None);
}

/// kubelet makes a new directory and turns one link to it.
#[tokio::test]
async fn a_certificate_that_is_half_swapped_waits_for_its_key() {
    let (files, authority) = (Files::new(), Authority::new("one").unwrap());
    files.pair(&authority, "node.example");
    files.write("web.yaml", TLS);
    let file = files.open();
    let config = |in_force: &InForce| Arc::clone(&in_force.tls.as_ref().unwrap().with_others);
    let first = config(&*file.now().await);

    let next = authority.leaf(CertKind::Good, &["node.example"]).unwrap();
    files.write("tls.crt", &next.cert_pem());
    assert!(Arc::ptr_eq(&first, &config(&*file.now().await)), "the certificate has another key");
    assert!(file.trouble().unwrap().problem.contains("tls.crt"), "{:?}", file.trouble());
    files.write("tls.key", &next.key_pem());
    assert!(!Arc::ptr_eq(&first, &config(&*file.now().await)));
    assert_eq!(file.trouble(), None);
}

#[tokio::test]
async fn what_did_not_change_is_not_read_again() {
    let (files, authority) = (Files::new(), Authority::new("one").unwrap());
    files.pair(&authority, "node.example");
    files.write("web.yaml", TLS);
    let old = SystemTime::now() - Duration::from_secs(60);
    for name in ["web.yaml", "tls.crt", "tls.key"] {
        std::fs::File::options().write(true).open(files.path(name)).unwrap().set_modified(old).unwrap();
    }
    let file = files.open();
    let first = file.now().await;
    assert!(Arc::ptr_eq(&first, &file.now().await));
    files.write("tls.key", "");
    assert!(Arc::ptr_eq(&first, &file.now().await), "the broken key is not in force");
    assert!(file.trouble().unwrap().problem.contains("tls.key: found no private key"), "{:?}", file.trouble());
}

#[test]
fn page_and_report_for_nobody_are_refused_at_the_start() {
    let files = Files::new();
    files.pair(&Authority::new("one").unwrap(), "node.example");
    let open = |text: &str| {
        files.write("web.yaml", text);
        WebConfigFile::open(&files.path("web.yaml"), true)
    };
    for nobody in ["", TLS] {
        let problems = open(nobody).unwrap_err();
        assert!(problems[0].contains("web.report: authenticated needs basic_auth_users"), "{problems:?}");
    }
    assert!(open(&user("alice")).is_ok());
    files.write("ca.crt", &Authority::new("two").unwrap().root_pem());
    for policy in ["VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] {
        let clients =
            format!("{}, client_auth_type: {policy}, client_ca_file: ca.crt}}\n", TLS.trim_end().trim_end_matches('}'));
        assert!(open(&clients).is_ok(), "{clients}");
    }
}

#[test]
fn a_file_that_is_not_there_or_names_one_that_is_not_is_refused_at_the_start() {
    let files = Files::new();
    let open = || WebConfigFile::open(&files.path("web.yaml"), false).unwrap_err().concat();
    assert!(open().contains("web.yaml: "), "{}", open());
    files.write("web.yaml", TLS);
    assert!(open().contains("tls.crt: "), "{}", open());
    files.pair(&Authority::new("one").unwrap(), "node.example");
    files.write("tls.key", &Authority::new("one").unwrap().leaf(CertKind::Good, &["x"]).unwrap().key_pem());
    assert!(open().contains("tls.key"), "another key: {}", open());
}

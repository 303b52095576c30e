//! Files that break, empty and change between two looks at a node.

use std::path::Path;

use super::*;
use crate::host::last_good::CODE;
use crate::plan::plan;

const CONFIG: &str = "/etc/containerd/config.toml";
const DROP_IN: &str = "/etc/containerd/conf.d/10.toml";
const HOSTS: &str = "/certs.d/r.example/hosts.toml";
const GOOD: &str = "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n\
    [plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/certs.d'\n";
const MIRROR: &str = "server = 'https://up.example'\n[host.'https://m.example']\n";

/// A node at a time of its own.
struct Node {
    directory: tempfile::TempDir,
    root: HostRoot,
    options: ContainerdOptions,
    seconds: i64,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = HostRoot::open(directory.path()).unwrap();
        let options = ContainerdOptions { version: "2.1.4".parse().ok(), ..ContainerdOptions::default() };
        let node = Self { directory, root, options, seconds: 0 };
        node.write(CONFIG, GOOD);
        node.write(HOSTS, MIRROR);
        node
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.directory.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn load(&self) -> Containerd {
        Containerd::load(&self.root, &self.options)
    }

    /// Another look, so many seconds later.
    fn later(&mut self, seconds: i64, before: &Containerd) -> Containerd {
        self.after(seconds, before, true)
    }

    fn after(&mut self, seconds: i64, before: &Containerd, running: bool) -> Containerd {
        self.seconds += seconds;
        let now = Timestamp::from_second(self.seconds).unwrap();
        before.reload(&self.root, &self.options, now, running)
    }
}

fn hosts(containerd: &Containerd) -> Vec<String> {
    plan(containerd, "r.example").hosts.iter().map(|host| host.endpoint.authority.to_string()).collect()
}

fn kept(containerd: &Containerd) -> Vec<(&str, Option<usize>, &str)> {
    let told = containerd.findings.iter().filter(|finding| finding.code == CODE);
    told.map(|finding| (finding.file.as_deref().unwrap_or(""), finding.line(), finding.message.as_str())).collect()
}

#[test]
fn a_running_containerd_keeps_what_config_toml_said_before_it_broke() {
    let mut node = Node::new();
    let first = node.load();
    assert_eq!(hosts(&first), ["m.example", "up.example"]);
    node.write(CONFIG, "version = 3\n[plugins.'io.containerd.cri.v1.ima");
    let broken = node.later(10, &first);
    assert_eq!(
        (broken.fatal.as_ref(), hosts(&broken), &broken.content_hash),
        (None, hosts(&first), &first.content_hash)
    );
    let told = kept(&broken);
    assert!(
        matches!(told[..], [(CONFIG, Some(2), message)] if message.contains("since 1970-01-01T00:00:10Z")),
        "{told:?}"
    );
    assert!(
        told[0].2.contains("config.toml at line 2, column 35: unclosed table") && told[0].2.contains("would not start"),
        "{told:?}"
    );
    assert_eq!(broken.config_path, first.config_path);
    // An hour later it is still so, and certs.d goes on counting.
    node.write(HOSTS, "server = 'https://other.example'\n");
    let much_later = node.later(3600, &broken);
    assert_eq!(hosts(&much_later), ["other.example"]);
    assert_ne!(much_later.content_hash, first.content_hash);
    assert_eq!(kept(&much_later), told);
    node.write(CONFIG, &GOOD.replace("/certs.d", "/elsewhere"));
    let whole = node.later(10, &much_later);
    assert_eq!((kept(&whole), &whole.fatal), (vec![], &None));
    assert_eq!(whole.config_path, ["/elsewhere"]);
}

#[test]
fn whatever_would_keep_containerd_from_starting_is_no_end_of_one_that_runs() {
    let cri = "[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/certs.d'\nmirrors = {'a' = {endpoint = ['https://a']}}\n";
    let broken = [
        ("config_path = 5", CONFIG, GOOD.replace("'/certs.d'", "5"), "would not start"),
        ("an import that is gone", CONFIG, GOOD.replace("*.toml", "99.toml"), "would not start"),
        ("a schema of tomorrow", CONFIG, GOOD.replace("version = 3", "version = 9"), "would not start"),
        ("a broken drop-in", DROP_IN, "version = 3\nx = \n".to_owned(), "would not start"),
        ("mirrors beside config_path", CONFIG, format!("version = 3\n{cri}"), "would serve no CRI"),
    ];
    for (what, file, text, consequence) in broken {
        let mut node = Node::new();
        let first = node.load();
        node.write(file, &text);
        assert!(node.load().fatal.is_some(), "{what} is no fault");
        let second = node.later(10, &first);
        assert_eq!((hosts(&second), second.fatal.as_ref()), (hosts(&first), None), "{what}");
        let told = kept(&second);
        assert!(matches!(told[..], [(_, _, message)] if message.contains(consequence)), "{what}: {told:?}");
    }
}

#[test]
fn nothing_is_kept_in_the_memory_of_a_containerd_that_is_not_the_one_that_read_it() {
    let mut node = Node::new();
    let first = node.load();
    node.write(CONFIG, "version = ");
    assert!(node.load().fatal.is_some(), "there is no last good reading at the start");
    let stopped = node.after(10, &first, false);
    assert!(stopped.fatal.is_some() && kept(&stopped).is_empty(), "{:?}", stopped.findings);
    // It was only slow: what it has in memory is what it had.
    let running = node.later(10, &stopped);
    assert_eq!((running.fatal.as_ref(), hosts(&running)), (None, hosts(&first)));
    node.options.version = "2.2.1".parse().ok();
    let upgraded = node.later(10, &running);
    assert!(upgraded.fatal.is_some() && kept(&upgraded).is_empty(), "{:?}", upgraded.findings);
}

#[test]
fn an_emptied_config_toml_counts_when_it_stays_empty() {
    let mut node = Node::new();
    let first = node.load();
    node.write(CONFIG, "");
    let emptied = node.later(10, &first);
    assert_eq!((hosts(&emptied), kept(&emptied).len()), (hosts(&first), 1));
    let soon = node.later(4, &emptied);
    assert_eq!((hosts(&soon), kept(&soon)), (hosts(&first), kept(&emptied)));
    let stays = node.later(1, &soon);
    assert!(kept(&stays).is_empty() && stays.config_path.is_empty(), "{:?}", stays.findings);
}

#[test]
fn a_hosts_file_that_broke_counts_as_containerd_counts_it_when_it_stays_broken() {
    for (half, line) in [("server = 'https://up.example'\n[host.'https://m.exa", 2), ("", 1)] {
        let mut node = Node::new();
        let first = node.load();
        node.write(HOSTS, half);
        let second = node.later(10, &first);
        assert_eq!((hosts(&second), &second.content_hash), (hosts(&first), &first.content_hash));
        let told = kept(&second);
        assert!(matches!(told[..], [(HOSTS, Some(at), _)] if at == line), "{told:?}");
        let codes = |containerd: &Containerd| containerd.findings.iter().any(|one| one.code == "hosts_file_invalid");
        assert!(!codes(&second));
        let stays = node.later(5, &second);
        assert_eq!((hosts(&stays), kept(&stays)), (vec!["r.example".to_owned()], vec![]));
        assert_eq!(codes(&stays), !half.is_empty());
        assert_ne!(stays.content_hash, first.content_hash);
        let never_good = node.later(10, &stays);
        assert_eq!((hosts(&never_good), kept(&never_good)), (vec!["r.example".to_owned()], vec![]));
        node.write(HOSTS, MIRROR);
        let whole = node.later(10, &never_good);
        assert_eq!((hosts(&whole), &whole.content_hash), (hosts(&first), &first.content_hash));
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_a_broken_hosts_file_no_longer() {
    let mut node = Node::new();
    let first = node.load();
    node.write(HOSTS, "server = ");
    let broken = node.later(10, &first);
    let set_back = node.later(-3_600, &broken);
    assert_eq!((hosts(&set_back), kept(&set_back).len()), (hosts(&first), 1));
    let stays = node.later(5, &set_back);
    assert_eq!((hosts(&stays), kept(&stays).len()), (vec!["r.example".to_owned()], 0));
}

#[test]
fn a_hosts_file_that_was_removed_is_gone_at_once() {
    let mut node = Node::new();
    let first = node.load();
    std::fs::remove_file(node.directory.path().join(HOSTS.trim_start_matches('/'))).unwrap();
    let second = node.later(1, &first);
    assert_eq!((hosts(&second), kept(&second)), (vec!["r.example".to_owned()], vec![]));
}

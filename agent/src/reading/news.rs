//! What changed on the node between two readings, as facts for the journal.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::io::Errno;

use super::Node;
use crate::cri;
use crate::history::journal::{Happening, What};
use crate::host::reads::{Content, Contents};
use crate::host::root::{HostRoot, ReadError};
use crate::redact::clean::Clean;
use crate::version::VersionSource;

/// So many files are told one by one.
const FILES: usize = 6;

/// What a reading saw, for the next one.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What was in the files that were read.
    contents: Contents,
    /// What the reading before it had read and this one did not.
    left: Vec<Left>,
    /// containerd had not been asked: with its version, other files may be read.
    is_unasked: bool,
    /// When containerd last began to listen, in Unix seconds.
    listens_since: Option<i64>,
    at: Timestamp,
}

/// A file that is no longer read.
#[derive(Debug)]
struct Left {
    path: PathBuf,
    /// It is not there. Otherwise it is, and is not read for another reason.
    is_gone: bool,
}

impl Left {
    /// `None`: whether it is there cannot be seen.
    fn look(root: &HostRoot, path: &Path) -> Option<Self> {
        let is_gone = match root.stat(path) {
            Ok(_) => false,
            Err(ReadError::NotFound(_) | ReadError::Os(_, Errno::NOTDIR)) => true,
            Err(_) => return None,
        };
        Some(Self { path: path.to_owned(), is_gone })
    }
}

impl Node {
    /// With what the next reading is compared with. What is read later, during probes, is no part of it.
    pub(super) fn seen_after(self, before: Option<&Self>, at: Timestamp) -> Self {
        let known = before.and_then(|before| before.seen.listens_since);
        let listens_since = cri::listens_since(&self.root, &self.layout.socket).or(known);
        let contents = self.root.take_reads();
        let left = before.into_iter().flat_map(|before| before.seen.contents.keys());
        let left = left.filter(|path| !contents.contains_key(*path));
        let left = left.filter_map(|path| Left::look(&self.root, path)).collect();
        let seen = Seen { contents, left, is_unasked: false, listens_since, at };
        Self { seen, ..self }
    }

    /// The same of a reading before containerd was asked.
    pub(super) fn seen_unasked(self, at: Timestamp) -> Self {
        let node = self.seen_after(None, at);
        Self { seen: Seen { is_unasked: true, ..node.seen }, ..node }
    }

    /// What happened since the reading before this one. `now`: when this one was made.
    pub fn news_since(&self, before: &Self, now: Timestamp) -> Vec<Happening> {
        let mut news = of_files(&before.seen, &self.seen, now);
        news.extend(self.trust_news(before, now));
        news.extend(self.resolver_news(before, now));
        news.extend(self.containerd_news(before, now));
        news
    }

    /// The root certificates are read only when their files changed, and then all at once.
    fn trust_news(&self, before: &Self, now: Timestamp) -> Option<Happening> {
        let of_before = |path: &Path| before.trust_store.looked_at.iter().find(|(known, _)| known == path);
        let is_other = |path: &Path, mark| of_before(path).is_some_and(|(_, known)| *known != mark);
        let (path, mark) = self.trust_store.looked_at.iter().find(|(path, mark)| is_other(path, *mark))?;
        let at = mark.map_or(now, |mark| between(before.seen.at, mark.changed, now));
        let detail = format!("the node's root certificates changed: {}", path.display());
        Some(Happening::of_node(at, What::File, &detail))
    }

    fn resolver_news(&self, before: &Self, now: Timestamp) -> Option<Happening> {
        let servers = |node: &Self| {
            let servers: Vec<String> = node.names.resolv.servers.iter().map(ToString::to_string).collect();
            servers.join(", ")
        };
        let (new, old) = (servers(self), servers(before));
        let detail = || format!("the node's name servers are {new}; before, {old}");
        (new != old).then(|| Happening::of_node(now, What::Resolver, &detail()))
    }

    fn containerd_news(&self, before: &Self, now: Timestamp) -> Vec<Happening> {
        let mut news = Vec::new();
        let mut add = |at, what, detail: &str| news.push(Happening::of_node(at, what, detail));
        if let (Some(since), Some(known)) = (self.seen.listens_since, before.seen.listens_since)
            && since != known
        {
            add(between(before.seen.at, (since, 0), now), What::Containerd, "containerd started anew");
        }
        match (before.answers, self.answers) {
            (Some(true), Some(false)) => add(now, What::Containerd, "containerd does not answer"),
            (Some(false), Some(true)) => add(now, What::Containerd, "containerd answers again"),
            _ => {}
        }
        let told = |node: &Self| node.containerd.version_source == VersionSource::Cri;
        let (version, known) = (self.containerd.version.to_string(), before.containerd.version.to_string());
        if told(self) && told(before) && version != known {
            add(now, What::ContainerdVersion, &format!("containerd is {version}; before, {known}"));
        }
        news
    }
}

fn of_files(before: &Seen, seen: &Seen, now: Timestamp) -> Vec<Happening> {
    let name = |path: &Path| Clean::line(&path.to_string_lossy());
    let changed = |content: &Content| between(before.at, content.changed, now);
    let written = seen.contents.iter().filter_map(|(path, content)| match before.contents.get(path) {
        Some(known) if known.is_same(content) => None,
        Some(_) => Some((changed(content), format!("{} was changed", name(path)))),
        None if is_since(before.at, content) => Some((changed(content), format!("{} is new", name(path)))),
        // It was there before. That other files are read because containerd was asked is no news of the node.
        None => (!before.is_unasked).then(|| (now, format!("{} is read now, and was not before", name(path)))),
    });
    let left = seen.left.iter().filter(|left| left.is_gone || !before.is_unasked);
    let gone = left.map(|Left { path, is_gone }| {
        let how = if *is_gone { "is gone" } else { "is no longer read" };
        (now, format!("{} {how}", name(path)))
    });
    let all: Vec<(Timestamp, String)> = written.chain(gone).collect();
    let more = all.len().saturating_sub(FILES);
    let mut news: Vec<Happening> =
        all.into_iter().take(FILES).map(|(at, detail)| Happening::of_node(at, What::File, &detail)).collect();
    if more > 0 {
        news.push(Happening::of_node(now, What::File, &format!("{more} more files of the node changed")));
    }
    news
}

/// Whether a file has changed or come since that reading, as far as it says. A socket tells whole seconds, and so does this.
fn is_since(read_at: Timestamp, content: &Content) -> bool {
    content.changed.0 >= read_at.as_second()
}

/// What a file says of its change, if that lies between two readings. A file that was moved here, or a clock that was
/// set, says something else: then it is when it was seen.
fn between(read_at: Timestamp, (second, nanosecond): (i64, i64), now: Timestamp) -> Timestamp {
    let nanosecond = i32::try_from(nanosecond).unwrap_or(0);
    let changed = Timestamp::new(second, nanosecond).ok();
    // A socket tells whole seconds.
    let since = read_at.as_second();
    changed.filter(|at| at.as_second() >= since && *at <= now).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::cli::NodeArgs;
    use crate::reading::options::Options;

    /// A node of its own, with containerd's configuration, a registry's and a resolver's.
    struct World {
        root: tempfile::TempDir,
        options: Arc<Options>,
    }

    impl World {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let args = NodeArgs { host_root: Some(root.path().to_owned()), ..NodeArgs::default() };
            let world = Self { root, options: Arc::new(Options::of(&args).unwrap()) };
            let certs_d = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.registry]\nconfig_path = '/etc/containerd/certs.d'\n";
            world.write("/etc/containerd/config.toml", certs_d);
            world.write("/etc/containerd/certs.d/r.example/hosts.toml", "server = 'https://r.example'\n");
            world.write("/etc/resolv.conf", "nameserver 10.0.0.10\n");
            world
        }

        fn path(&self, on_node: &str) -> PathBuf {
            self.root.path().join(on_node.trim_start_matches('/'))
        }

        fn write(&self, on_node: &str, text: &str) {
            let path = self.path(on_node);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        async fn read(&self) -> Arc<Node> {
            Arc::new(Node::load(&self.options).await.unwrap())
        }

        /// What the next reading tells, sorted.
        async fn news(&self, before: &Arc<Node>) -> (Arc<Node>, Vec<String>) {
            let now = Timestamp::now();
            let (node, _) = Node::reload(Arc::clone(before), Arc::clone(&self.options), now).await.unwrap();
            let mut news: Vec<String> =
                node.news_since(before, Timestamp::now()).iter().map(|it| it.detail.to_string()).collect();
            news.sort();
            (Arc::new(node), news)
        }
    }

    #[tokio::test]
    async fn what_was_written_made_or_removed_is_told_and_the_same_text_again_is_not() {
        let world = World::new();
        let (node, news) = world.news(&world.read().await).await;
        assert!(news.is_empty(), "nothing happened: {news:?}");
        world.write("/etc/containerd/certs.d/r.example/hosts.toml", "server = 'https://r.example'\n");
        let (node, news) = world.news(&node).await;
        assert!(news.is_empty(), "it says what it said: {news:?}");
        world.write("/etc/containerd/certs.d/r.example/hosts.toml", "server = 'https://other.example'\n");
        world.write("/etc/resolv.conf", "nameserver 10.0.0.11\n");
        world.write("/etc/hosts", "192.0.2.1 r.example\n");
        let (node, news) = world.news(&node).await;
        let told = [
            "/etc/containerd/certs.d/r.example/hosts.toml was changed",
            "/etc/hosts is new",
            "/etc/resolv.conf was changed",
            "the node's name servers are 10.0.0.11:53; before, 10.0.0.10:53",
        ];
        assert_eq!(news, told);
        std::fs::remove_file(world.path("/etc/hosts")).unwrap();
        let (_, news) = world.news(&node).await;
        assert_eq!(news, ["/etc/hosts is gone"]);
    }

    #[tokio::test]
    async fn an_agent_that_starts_over_files_that_nobody_touched_has_no_news() {
        let world = World::new();
        let socket = world.path("/run/containerd/containerd.sock");
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        drop(std::os::unix::net::UnixListener::bind(socket).unwrap());
        let args = NodeArgs { host_root: Some(world.root.path().to_owned()), ..NodeArgs::default() };
        for _ in 0..2 {
            let (node, _) = crate::reading::prepare_unasked(&args).unwrap();
            let (node, news) = world.news(&Arc::new(node)).await;
            assert!(news.is_empty(), "{news:?}");
            world.write("/etc/resolv.conf", "nameserver 10.0.0.11\n");
            let (_, news) = world.news(&node).await;
            assert!(news.contains(&"/etc/resolv.conf was changed".to_owned()), "{news:?}");
            world.write("/etc/resolv.conf", "nameserver 10.0.0.10\n");
        }
    }

    /// Not all that is no longer read is gone, and not all that is read at last is new.
    #[tokio::test]
    async fn a_file_that_is_there_and_not_read_is_not_said_to_be_gone_or_new() {
        let world = World::new();
        let other = world.path("/etc/other/r.example/hosts.toml");
        world.write("/etc/other/r.example/hosts.toml", "server = 'https://r.example'\n");
        let node = world.read().await;
        let config = std::fs::read_to_string(world.path("/etc/containerd/config.toml")).unwrap();
        let mut node = Arc::into_inner(node).unwrap();
        // As if it had been read long after the file was written.
        node.seen.at += jiff::SignedDuration::from_secs(9);
        world.write("/etc/containerd/config.toml", &config.replace("/etc/containerd/certs.d", "/etc/other"));
        let (_, news) = world.news(&Arc::new(node)).await;
        let told = [
            "/etc/containerd/certs.d/r.example/hosts.toml is no longer read",
            "/etc/containerd/config.toml was changed",
            "/etc/other/r.example/hosts.toml is read now, and was not before",
        ];
        assert_eq!(news, told);
        assert!(other.is_file());
    }

    #[tokio::test]
    async fn a_directory_behind_a_link_that_is_swapped_is_told_by_the_paths_that_daemons_read() {
        let world = World::new();
        for version in ["1", "2"] {
            world.write(&format!("/srv/{version}/hosts.toml"), &format!("server = 'https://{version}.example'\n"));
        }
        let link = world.path("/etc/containerd/certs.d/l.example");
        std::os::unix::fs::symlink("/srv/1", &link).unwrap();
        let node = world.read().await;
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("/srv/2", &link).unwrap();
        let (_, news) = world.news(&node).await;
        assert_eq!(news, ["/etc/containerd/certs.d/l.example/hosts.toml was changed"]);
    }

    #[tokio::test]
    async fn many_files_at_once_are_counted() {
        let world = World::new();
        let node = world.read().await;
        for number in 0..50 {
            world.write(
                &format!("/etc/containerd/certs.d/{number}.example/hosts.toml"),
                "server = 'https://r.example'\n",
            );
        }
        let (_, news) = world.news(&node).await;
        assert_eq!((news.len(), news[6].as_str()), (7, "44 more files of the node changed"), "{news:?}");
    }

    #[tokio::test]
    async fn a_daemon_that_makes_its_socket_anew_has_started_anew() {
        let world = World::new();
        let socket = "/run/containerd/containerd.sock";
        std::fs::create_dir_all(world.path("/run/containerd")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(world.path(socket)).unwrap());
        let node = world.read().await;
        let (node, news) = world.news(&node).await;
        assert!(news.is_empty(), "{news:?}");
        std::fs::remove_file(world.path(socket)).unwrap();
        let (node, _) = world.news(&node).await;
        drop(std::os::unix::net::UnixListener::bind(world.path(socket)).unwrap());
        let later = std::time::SystemTime::now() + Duration::from_secs(9);
        let times = rustix::fs::Timespec {
            tv_sec: later.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap(),
            tv_nsec: 0,
        };
        let times = rustix::fs::Timestamps { last_access: times, last_modification: times };
        rustix::fs::utimensat(rustix::fs::CWD, world.path(socket), &times, rustix::fs::AtFlags::empty()).unwrap();
        let (_, news) = world.news(&node).await;
        assert!(news.contains(&"containerd started anew".to_owned()), "{news:?}");
    }

    #[test]
    fn a_file_that_was_moved_here_changed_when_it_was_seen() {
        let at = |second: i64| Timestamp::from_second(1_795_255_200 + second).unwrap();
        let told = |changed: i64| between(at(0), (1_795_255_200 + changed, 0), at(10));
        assert_eq!(told(4), at(4));
        assert_eq!((told(-5), told(11)), (at(10), at(10)));
    }
}

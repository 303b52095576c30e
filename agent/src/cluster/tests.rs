//! A list and a watch against a stand-in of an API server, which forgets, breaks, hangs and refuses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pullprobe_lab::Lab;
use pullprobe_lab::kubernetes::{Fault, Kubernetes};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::pods::{Api, POD_LIMIT};

const NODE: &str = "worker-3";
const PATIENCE: Duration = Duration::from_secs(30);

/// An API server, and who follows the pods of one node of it.
struct World {
    lab: Lab,
    server: Kubernetes,
    directory: tempfile::TempDir,
    pods: watch::Receiver<Arc<Book>>,
    following: Option<JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.following.iter().for_each(JoinHandle::abort);
    }
}

impl World {
    fn new() -> Self {
        let lab = Lab::new().unwrap();
        let server = Kubernetes::start(&lab).unwrap();
        let directory = tempfile::tempdir().unwrap();
        server.mount(directory.path()).unwrap();
        let pods = watch::Sender::new(Arc::new(Book::asking(Timestamp::now()))).subscribe();
        Self { lab, server, directory, pods, following: None }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    fn follow(&mut self) {
        let access = Access::new(self.server.url(), self.path());
        let pods = Arc::new(Pods::new(Arc::new(Book::asking(Timestamp::now()))));
        self.pods = pods.subscribe();
        self.following = Some(tokio::spawn(follow(access, NODE.to_owned(), pods, Timestamp::now)));
    }

    /// Waits until what is known is as wanted.
    async fn until(&mut self, wanted: impl Fn(&Book) -> bool) -> Arc<Book> {
        if let Ok(book) = timeout(PATIENCE, self.pods.wait_for(|book| wanted(book))).await {
            return Arc::clone(&book.unwrap());
        }
        panic!("after {:?}: {:?}", self.server.requests(), self.pods.borrow());
    }
}

fn pod(name: &str, node: &str, reason: &str) -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": name, "uid": name, "creationTimestamp": "2026-11-29T10:00:00Z"},
        "spec": {"nodeName": node, "containers": [{"name": "web", "image": "r.example/web:1", "imagePullPolicy": "Always"}]},
        "status": {"phase": "Pending", "containerStatuses": [
            {"name": "web", "imageID": "", "state": {"waiting": {"reason": reason, "message": "not found"}}}]},
    })
}

fn names(book: &Book) -> Vec<String> {
    book.needs().map(|need| need.pod.to_string()).collect()
}

#[tokio::test]
async fn pods_of_the_node_are_listed_and_then_followed() {
    let mut world = World::new();
    world.server.apply(pod("a", NODE, "ErrImagePull"));
    world.server.apply(pod("other", "worker-4", "ErrImagePull"));
    world.follow();
    let book = world.until(Book::is_up).await;
    assert_eq!((names(&book), book.waiting().count()), (vec!["a".to_owned()], 1));
    world.server.apply(pod("b", NODE, "ContainerCreating"));
    world.until(|book| book.pods() == 2 && book.waiting().count() == 1).await;
    world.server.apply(pod("b", NODE, "ImagePullBackOff"));
    world.until(|book| book.waiting().count() == 2).await;
    world.server.delete("shop", "a");
    let book = world.until(|book| book.pods() == 1).await;
    assert_eq!(names(&book), ["b"]);
    let requests = world.server.requests();
    assert_eq!(requests.len(), 2, "one list and one watch: {requests:?}");
    assert!(requests.iter().all(|request| request.contains("fieldSelector=spec.nodeName%3Dworker-3")), "{requests:?}");
    assert!(
        requests[0].contains("resourceVersion=0") && requests[1].contains("allowWatchBookmarks=true"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn a_watch_that_ends_or_breaks_goes_on_where_it_was() {
    let mut world = World::new();
    world.server.apply(pod("a", NODE, "ErrImagePull"));
    world.follow();
    world.until(Book::is_up).await;
    world.server.asked(2).await;
    world.server.bookmark();
    world.server.apply(pod("b", NODE, "ErrImagePull"));
    world.until(|book| book.pods() == 2).await;
    world.server.drop_watches();
    world.server.delete("shop", "a");
    let book = world.until(|book| book.pods() == 1).await;
    assert!(book.is_up(), "a connection that breaks is no outage");
    world.server.end_watches();
    world.server.apply(pod("c", NODE, "ErrImagePull"));
    let book = world.until(|book| book.pods() == 2).await;
    assert_eq!(names(&book), ["b", "c"]);
    let lists = world.server.requests().iter().filter(|request| !request.contains("watch=1")).count();
    assert_eq!(lists, 1, "what is known is not asked for again: {:?}", world.server.requests());
    assert!(
        world.server.requests()[2].contains("resourceVersion=3"),
        "behind the bookmark: {:?}",
        world.server.requests()
    );
}

#[tokio::test]
async fn a_version_that_is_forgotten_is_listed_anew_without_going_back_in_time() {
    let mut world = World::new();
    world.server.apply(pod("a", NODE, "ErrImagePull"));
    world.follow();
    world.until(Book::is_up).await;
    world.server.asked(2).await;
    world.server.compact();
    world.server.delete("shop", "a");
    world.server.apply(pod("b", NODE, "ErrImagePull"));
    let book = world.until(|book| names(book) == ["b"]).await;
    assert!(book.is_up());
    let requests = world.server.requests();
    let lists: Vec<&String> = requests.iter().filter(|request| !request.contains("watch=1")).collect();
    assert!(lists.len() == 2 && lists[1].contains("resourceVersion=1") && !lists[1].contains("limit"), "{requests:?}");
}

/// Each 410 would be answered later than the one before, for as long as the agent runs.
#[tokio::test]
async fn a_list_that_works_ends_the_waiting_unless_lists_follow_each_other_fast() {
    let world = World::new();
    let pods = Arc::new(Pods::new(Arc::new(Book::asking(Timestamp::now()))));
    let access = Access::new(world.server.url(), world.path());
    let mut following = Following::new(access, NODE.to_owned(), Arc::clone(&pods), Timestamp::now);
    let mut known = pods.subscribe();
    for (is_restarted, most) in [(true, 1), (false, 64)] {
        for _ in 0..6 {
            following.pace.next(None);
        }
        following.version = Version::NotOlderThan("0".to_owned());
        known.mark_unchanged();
        tokio::select! {
            ended = following.list_and_watch() => panic!("{ended:?}"),
            listed = known.changed() => listed.unwrap(),
        }
        let wait = following.pace.next(None);
        assert!(wait <= Duration::from_secs(most) && (wait > Duration::from_secs(1)) != is_restarted, "{wait:?}");
    }
}

#[tokio::test]
async fn a_token_that_was_rotated_is_read_again() {
    let mut world = World::new();
    world.follow();
    world.until(Book::is_up).await;
    world.server.asked(2).await;
    world.server.set_token("second");
    world.server.drop_watches();
    let book = world.until(|book| !book.is_up()).await;
    let Api::Down { why, .. } = &book.api else { panic!("{book:?}") };
    assert!(why.contains("token (401)"), "{why}");
    world.server.mount(&world.path()).unwrap();
    world.server.apply(pod("a", NODE, "ErrImagePull"));
    world.until(|book| book.is_up() && book.pods() == 1).await;
}

#[tokio::test]
async fn what_is_missing_is_said_and_what_was_known_stays() {
    let mut world = World::new();
    world.server.apply(pod("a", NODE, "ErrImagePull"));
    world.follow();
    world.until(Book::is_up).await;
    world.server.asked(2).await;
    world.server.set_fault(Some(Fault::Status(403)));
    world.server.drop_watches();
    let book = world.until(|book| !book.is_up()).await;
    let Api::Down { why, .. } = &book.api else { panic!("{book:?}") };
    assert!(why.contains("may not list and watch pods (403)"), "{why}");
    assert_eq!(names(&book), ["a"]);
    world.server.set_fault(None);
    world.until(Book::is_up).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_asked_again_until_it_is() {
    let mut world = World::new();
    let address = world.server.address();
    let elsewhere = Kubernetes::start(&world.lab).unwrap();
    drop(std::mem::replace(&mut world.server, elsewhere));
    let access = Access::new(format!("https://{address}"), world.path());
    let pods = Arc::new(Pods::new(Arc::new(Book::asking(Timestamp::now()))));
    world.pods = pods.subscribe();
    world.following = Some(tokio::spawn(follow(access, NODE.to_owned(), pods, Timestamp::now)));
    let told = |book: &Book| matches!(&book.api, Api::Down { why, .. } if why.contains("refused"));
    world.until(told).await;
    world.server = Kubernetes::start_at(&world.lab, address).unwrap();
    world.server.apply(pod("a", NODE, "ErrImagePull"));
    let book = world.until(Book::is_up).await;
    assert_eq!(names(&book), ["a"]);
}

#[tokio::test]
async fn without_a_token_or_with_foreign_authorities_nothing_is_sent() {
    let world = World::new();
    let other = Kubernetes::start(&Lab::new().unwrap()).unwrap();
    other.mount(world.directory.path()).unwrap();
    let client = Client::new(&Access::new(world.server.url(), world.path())).unwrap();
    let refused = client.get("/api/v1/pods").await.unwrap_err();
    assert!(matches!(&refused, Trouble::Unreachable(why) if why.contains("certificate")), "{refused}");
    assert!(world.server.requests().is_empty());
    std::fs::remove_file(world.directory.path().join("token")).unwrap();
    let missing = Client::new(&Access::new(world.server.url(), world.path())).err().unwrap();
    assert!(missing.to_string().contains("token"), "{missing}");
}

#[tokio::test]
async fn pages_are_put_together_and_pods_beyond_the_limit_are_counted() {
    let world = World::new();
    for n in 0..POD_LIMIT + 20 {
        world.server.apply(pod(&format!("p{n}"), NODE, "ErrImagePull"));
    }
    let client = Client::new(&Access::new(world.server.url(), world.path())).unwrap();
    let at_once = list::list(&client, NODE, &Version::Any).await.unwrap();
    let in_pages = list::list(&client, NODE, &Version::Newest).await.unwrap();
    assert_eq!((at_once.pods.len(), at_once.left_out), (POD_LIMIT, 20));
    assert_eq!((in_pages.pods, in_pages.left_out), (at_once.pods, 20));
    assert_eq!(world.server.requests().len(), 1 + (POD_LIMIT + 20).div_ceil(100));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_told_and_waited_for_no_longer() {
    let world = World::new();
    world.server.set_fault(Some(Fault::Hang));
    let client = Client::new(&Access::new(world.server.url(), world.path())).unwrap();
    let silent = client.get("/api/v1/pods").await.unwrap_err();
    assert!(matches!(silent, Trouble::Silent(_) | Trouble::Unreachable(_)), "{silent}");
}

//! A healthy registry: content, ranges, limits, records.

use pullprobe_lab::Lab;
use pullprobe_lab::registry::{
    Announce, Auth, Authorization, Basic, Config, Content, Kind, RateLimit, RetryAfter, Schema1, sha256, timeline,
};

use crate::client::{get, send};

#[tokio::test]
async fn content_is_served_by_tag_and_digest() {
    let registry = Lab::new().unwrap().registry(Config::default()).unwrap();
    let stored = registry.push("demo/app", "1.0", &Content::platforms(&["linux/amd64"]));
    assert_eq!(get(&registry, "GET /v2/").await.status, 200);

    let head = get(&registry, "HEAD /v2/demo/app/manifests/1.0").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("docker-content-digest"), Some(&*stored.digest));
    assert_eq!(head.header("content-length"), Some(&*stored.size.to_string()));
    assert_eq!(head.header("content-type"), Some("application/vnd.oci.image.index.v1+json"));

    let image = &stored.manifests[0];
    let manifest = get(&registry, &format!("GET /v2/demo/app/manifests/{}", image.digest)).await;
    assert_eq!(sha256(&manifest.body), image.digest);
    let layer = &image.layers[0];
    let blob = get(&registry, &format!("GET /v2/demo/app/blobs/{layer}")).await;
    assert_eq!(sha256(&blob.body), *layer);
    let line = format!("GET /v2/demo/app/blobs/{layer}");
    let part = send(&registry, &line, &[("range", "bytes=0-0")], "").await;
    assert_eq!((part.status, part.body.len()), (206, 1));
    assert_eq!(part.header("content-range").unwrap(), format!("bytes 0-0/{}", blob.body.len()));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let registry = Lab::new().unwrap().registry(Config::default()).unwrap();
    let stored = registry.push("a", "1", &Content::Schema1(Schema1::default()));
    let code = async |line: &str| {
        let answer = get(&registry, line).await;
        (answer.status, answer.json()["errors"][0]["code"].as_str().unwrap().to_owned())
    };
    assert_eq!(code("GET /v2/b/manifests/1").await, (404, "NAME_UNKNOWN".to_owned()));
    assert_eq!(code("GET /v2/a/manifests/2").await, (404, "MANIFEST_UNKNOWN".to_owned()));
    assert_eq!(code("GET /v2/a/blobs/sha256:0").await, (404, "BLOB_UNKNOWN".to_owned()));
    registry.forget(&stored.digest);
    assert_eq!(code("GET /v2/a/manifests/1").await, (404, "MANIFEST_UNKNOWN".to_owned()));
    assert_eq!(get(&registry, "GET /").await.status, 404);
}

#[tokio::test]
async fn a_prefix_moves_the_whole_api() {
    let config = Config { prefix: "/proxy".to_owned(), ..Config::default() };
    let registry = Lab::new().unwrap().registry(config).unwrap();
    assert_eq!(get(&registry, "GET /proxy/v2/").await.status, 200);
    assert_eq!(get(&registry, "GET /v2/").await.status, 404);
}

#[tokio::test]
async fn a_quota_counts_gets_of_manifests_only() {
    let rate_limit = RateLimit { remaining: 2, retry_after: RetryAfter::Seconds(60), ..RateLimit::default() };
    let config = Config { rate_limit: Some(rate_limit), ..Config::default() };
    let registry = Lab::new().unwrap().registry(config).unwrap();
    registry.push("a", "1", &Content::image("linux/amd64"));
    for _ in 0..3 {
        let head = get(&registry, "HEAD /v2/a/manifests/1").await;
        assert_eq!(head.header("ratelimit-remaining"), Some("2;w=21600"));
    }
    let first = get(&registry, "GET /v2/a/manifests/1").await;
    assert_eq!(first.header("ratelimit-remaining"), Some("1;w=21600"));
    assert_eq!(first.header("ratelimit-limit"), Some("100;w=21600"));
    assert_eq!(first.header("docker-ratelimit-source"), Some("192.0.2.10"));
    assert_eq!(get(&registry, "GET /v2/a/manifests/1").await.status, 200);
    let over = get(&registry, "GET /v2/a/manifests/1").await;
    assert_eq!((over.status, over.header("retry-after")), (429, Some("60")));
    assert_eq!(over.json()["errors"][0]["code"], "TOOMANYREQUESTS");
    assert_eq!(get(&registry, "HEAD /v2/a/manifests/1").await.status, 200);
    assert_eq!(registry.counted_pulls(), 2);
    let counted = registry.requests().iter().filter(|request| request.counted).count();
    assert_eq!(counted, 2);
}

#[tokio::test]
async fn a_quota_may_be_announced_badly() {
    let rate_limit = RateLimit {
        remaining: 0,
        announce: Announce::Malformed,
        retry_after: RetryAfter::DateIn(60),
        ..RateLimit::default()
    };
    let config = Config { rate_limit: Some(rate_limit), ..Config::default() };
    let registry = Lab::new().unwrap().registry(config).unwrap();
    registry.push("a", "1", &Content::image("linux/amd64"));
    let answer = get(&registry, "GET /v2/a/manifests/1").await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("ratelimit-remaining"), Some(";w=21600"));
    let date = answer.header("retry-after").unwrap();
    assert!(jiff::fmt::rfc2822::parse(date).is_ok(), "{date}");
}

#[tokio::test]
async fn requests_to_several_registries_have_one_order() {
    let lab = Lab::new().unwrap();
    let users = [("u".to_owned(), "p".to_owned())].into();
    let auth = Auth::Basic(Basic { users, ..Basic::default() });
    let mirror = lab.registry(Config { auth, ..Config::default() }).unwrap();
    let upstream = lab.registry(Config::default()).unwrap();
    let line = "HEAD /v2/a/manifests/1?ns=docker.io";
    assert_eq!(get(&mirror, line).await.status, 401);
    get(&upstream, "HEAD /v2/a/manifests/1").await;
    let answer = send(&mirror, line, &[("authorization", "Basic dTpw")], "").await;
    assert_eq!(answer.status, 404);

    let seen = timeline(&[&upstream, &mirror]);
    let order: Vec<&str> = seen.iter().map(|(endpoint, _)| *endpoint).collect();
    assert_eq!(order, [mirror.endpoint(), upstream.endpoint(), mirror.endpoint()]);
    let last = &seen[2].1;
    assert_eq!(last.authorization(), Some(Authorization::Basic("u".into(), "p".into())));
    assert_eq!(last.namespace().as_deref(), Some("docker.io"));
    assert_eq!((last.kind, last.status), (Kind::Manifest, Some(404)));
    assert_eq!(seen[1].1.authorization(), None);
    assert_eq!(mirror.connections(), 2);
}

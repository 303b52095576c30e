//! A node with something of everything, for the tests of those who show it: a dead mirror, a refused
//! credential, a spent limit, a registry that writes markup into its errors.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::cause::Cause;
use crate::image::platform::Platform;
use crate::image::reference::{Object, Reference};
use crate::model::credential::{CredentialSource, ProviderOutcome, ProviderReport};
use crate::model::dependency::{Dependency, Purpose};
use crate::model::expiry;
use crate::model::facts::{
    AddressFacts, CertificateFacts, ChallengeFacts, DnsFacts, NameSource, NameserverFacts, PingFacts, ProxyFacts,
    TcpFacts, TlsFacts, TokenFacts, Transport,
};
use crate::model::finding::{Finding, Severity};
use crate::model::host::{Capabilities, Endpoint, Role, Scheme};
use crate::model::namespace::{Dependent, Namespace, PlannedHost};
use crate::model::outcome::{Failure, Outcome, Skip, Step};
use crate::model::ratelimit::{LimitState, RateLimit};
use crate::model::report::{
    Attempt, BlobFacts, ContentSource, CredentialUsed, EndpointReport, ImageReport, Operation, PlatformFacts, Stages,
};
use crate::model::stage::Stage;
use crate::model::tally::RequestKind;
use crate::model::verdict::Verdict;
use crate::state::snapshot::{ContainerdState, FilesystemSpace, NodeState, SeenLimit, Snapshot};
use crate::state::targets::Targets;
use crate::version::{Version, VersionSource};

mod crowd;
mod host;
mod pods;
mod presenting;
mod verdicts;

pub use crowd::{hostile, many, remembered, well};
pub use host::host;
pub use presenting::presenting;
use verdicts::{good, refused, unsuited};

/// What a registry may write into any text of its own.
pub const MARKUP: &str = "<script>alert(\"x\")</script>&'";

pub fn now() -> Timestamp {
    Timestamp::from_second(1_795_168_800).unwrap()
}

/// Before anything was probed.
pub fn empty() -> Snapshot {
    let state = NodeState {
        platform: Platform::new("linux", "amd64", ""),
        containerd: ContainerdState {
            version: Version::NEWEST,
            source: VersionSource::Assumed,
            config_files: Vec::new(),
            config_path: Vec::new(),
            answers: None,
        },
        config_hash: String::new(),
        config_modified: None,
        findings: Vec::new(),
        terms: crate::observation::distribution::DistributionTerms::default(),
        image_filesystem: None,
        credential_expiries: Vec::new(),
        pull_secrets: Vec::new(),
    };
    Snapshot::new("worker-3", state, now())
}

pub fn rich() -> Snapshot {
    let mut snapshot = Snapshot::new("worker-3", state(), now());
    snapshot.last_cycle = Some(Duration::from_millis(2_410));
    snapshot.memory_limit = Some(134_217_728);
    snapshot.faults = 1;
    for (namespace, host, role, stages) in walks() {
        add(&mut snapshot, namespace, host, role, stages);
    }
    send_on(&mut snapshot, "registry.k8s.io", "europe-west4-docker.pkg.dev");
    for image in images() {
        snapshot.targets.images.insert(image.requested.clone().into());
        snapshot.images.insert(image.requested.clone().into(), Arc::new(image));
    }
    snapshot.targets.left_out.count = 2;
    snapshot.targets.left_out.background = ["registry.k8s.io/pause:3.9", MARKUP].map(str::to_owned).into();
    snapshot.pods = Arc::new(pods::book());
    snapshot.rate_limits.insert(
        key("docker.io", "registry-1.docker.io"),
        SeenLimit { limit: limited(), at: now(), bucket: Some("9fbed8536e88".into()) },
    );
    let blocked =
        RateLimit { state: LimitState::Blocked, retry_after: Some(Duration::from_mins(2)), ..RateLimit::default() };
    snapshot.rate_limits.insert(key("quay.io", "quay.io"), SeenLimit { limit: blocked, at: now(), bucket: None });
    let hub = key("docker.io", "registry-1.docker.io").1;
    snapshot.tally.cost.requests.insert((hub.clone(), RequestKind::Ping), 12);
    snapshot.tally.cost.counted_pulls.insert(hub, 1);
    snapshot
}

fn key(namespace: &str, host: &str) -> (String, Endpoint) {
    (namespace.to_owned(), Endpoint::new(Scheme::Https, host))
}

fn add(snapshot: &mut Snapshot, namespace: &str, host: &str, role: Role, stages: Stages) {
    let key = key(namespace, host);
    let planned = PlannedHost { endpoint: key.1.clone(), role, capabilities: Capabilities::ALL, dial_timeout: None };
    let Targets { namespaces, .. } = &mut snapshot.targets;
    namespaces.entry(namespace.to_owned()).or_insert_with(Namespace::default).hosts.push(planned);
    let report = EndpointReport {
        namespace: namespace.to_owned(),
        endpoint: key.1.clone(),
        role,
        need: None,
        stages,
        clock_skew: Some(-0.25),
        rate_limit: RateLimit::default(),
        started_at: now(),
        duration: Duration::from_millis(92),
    };
    snapshot.tally.count(&report);
    if report.ok() {
        snapshot.last_success.insert(key.clone(), now());
    }
    snapshot.endpoints.insert(key, Arc::new(report));
}

/// Manifests and blobs of this registry come from another host.
fn send_on(snapshot: &mut Snapshot, namespace: &str, host: &str) {
    let via = key(namespace, namespace).1;
    let need =
        Dependency { purposes: [Purpose::Manifest, Purpose::Blob].into(), via: [via].into(), seen: true, pooled: true };
    let stages = Stages { ping: Step::skipped(Skip::NotNeeded), token: Step::skipped(Skip::NotNeeded), ..all_passed() };
    let report = EndpointReport {
        namespace: namespace.to_owned(),
        role: Role::Redirect,
        need: Some(need.clone()),
        stages,
        ..presenting(host, "CN=Example CA", true)
    };
    let key = key(namespace, host);
    let dependents = snapshot.targets.namespaces.get_mut(namespace).map(|namespace| &mut namespace.dependents);
    if let Some(dependents) = dependents {
        dependents.insert(key.1.clone(), Dependent { need, last_needed: now() });
    }
    snapshot.tally.count(&report);
    snapshot.endpoints.insert(key, Arc::new(report));
}

fn state() -> NodeState {
    let hosts_file = "containerd refuses this file: expected a string at `ca`, and so fails every pull from x.example.";
    let findings = vec![
        Finding::new(Severity::Error, "hosts_file_invalid", hosts_file, "Write `ca = [\"/etc/ssl/x.pem\"]`.")
            .in_file("/etc/containerd/certs.d/x.example/hosts.toml")
            .at(go::place::Position { line: 3, column: 7 }),
        Finding::new(Severity::Warning, "mirror_masked", format!("A mirror {MARKUP} is never asked."), "Move it up."),
    ];
    let disk = FilesystemSpace {
        size_bytes: 100_000_000_000,
        available_bytes: 7_300_000_000,
        inodes: 6_553_600,
        inodes_free: 5_000_000,
    };
    NodeState {
        platform: Platform::new("linux", "arm64", "v8"),
        containerd: ContainerdState {
            version: Version::new(2, 1, 9),
            source: VersionSource::Cri,
            config_files: vec!["/etc/containerd/config.toml".into(), "/etc/containerd/conf.d/10-registry.toml".into()],
            config_path: vec!["/etc/containerd/certs.d".into()],
            answers: Some(true),
        },
        config_hash: "5f2b8c1d90aa".into(),
        config_modified: Timestamp::from_second(1_795_000_000).ok(),
        findings,
        terms: crate::observation::distribution::DistributionTerms::default(),
        image_filesystem: Some(disk),
        credential_expiries: vec![expiry::tests::of_a_provider()],
        pull_secrets: Vec::new(),
    }
}

fn limited() -> RateLimit {
    RateLimit {
        state: LimitState::Limited,
        limit: Some(100),
        remaining: Some(42),
        window: Some(Duration::from_hours(6)),
        source: Some("192.0.2.77".into()),
        retry_after: None,
        blocked_by: None,
    }
}

fn walks() -> Vec<(&'static str, &'static str, Role, Stages)> {
    let refused =
        Failure::new(Stage::Token, Cause::CredentialsRejected, format!("401 Unauthorized: {MARKUP}")).at("ghcr.io:443");
    let throttled = Failure::new(Stage::Ping, Cause::RateLimited, "429 Too Many Requests").at("quay.io:443");
    vec![
        ("docker.io", "mirror.example:5000", Role::Mirror, dead()),
        ("docker.io", "registry-1.docker.io", Role::Upstream, all_passed()),
        ("ghcr.io", "ghcr.io", Role::Upstream, Stages { token: failed(refused, 180), ..all_passed() }),
        (
            "quay.io",
            "quay.io",
            Role::Upstream,
            Stages { ping: failed(throttled, 95), token: Step::default(), ..all_passed() },
        ),
        ("registry.k8s.io", "registry.k8s.io", Role::Upstream, all_passed()),
    ]
}

const fn passed<F>(facts: F, millis: u64) -> Step<F> {
    Step::new(Outcome::Passed(facts), Duration::from_millis(millis))
}

fn failed<F>(failure: Failure, millis: u64) -> Step<F> {
    Step::new(Outcome::Failed(failure, None), Duration::from_millis(millis))
}

fn dead() -> Stages {
    let facts = TcpFacts { addresses: vec![address("192.0.2.9:5000", Some(Cause::TcpTimeout))], chosen: None };
    let failure =
        Failure::new(Stage::Tcp, Cause::TcpTimeout, "192.0.2.9:5000 did not answer in 5 s").at("mirror.example:5000");
    Stages {
        tcp: Step::new(Outcome::Failed(failure, Some(facts)), Duration::from_secs(5)),
        proxy: Step::default(),
        tls: Step::default(),
        ping: Step::default(),
        token: Step::default(),
        ..all_passed()
    }
}

fn all_passed() -> Stages {
    let addresses: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let nameserver = |server: &str, cause: Option<Cause>| NameserverFacts {
        server: server.parse().unwrap(),
        transport: Transport::Udp,
        rcode: cause.is_none().then(|| "NOERROR".into()),
        a: usize::from(cause.is_none()),
        aaaa: usize::from(cause.is_none()),
        addresses: addresses.clone(),
        duration: Duration::from_millis(4),
        cause,
        a_cause: cause,
        aaaa_cause: cause,
    };
    let nameservers = vec![nameserver("10.0.0.10:53", None), nameserver("10.0.0.11:53", Some(Cause::DnsTimeout))];
    let chosen: SocketAddr = "192.0.2.1:443".parse().unwrap();
    let tcp = vec![address("192.0.2.1:443", None), address("[2001:db8::1]:443", Some(Cause::TcpUnreachable))];
    let realm =
        ChallengeFacts { scheme: "bearer".into(), realm: Some("https://auth.example/token".into()), service: None };
    Stages {
        dns: passed(
            DnsFacts {
                source: NameSource::Dns,
                answered: "registry.example".into(),
                addresses: addresses.into_iter().map(Into::into).collect(),
                reckoned: false,
                nameservers,
            },
            4,
        ),
        tcp: passed(TcpFacts { addresses: tcp, chosen: Some(chosen) }, 11),
        proxy: Step { outcome: Outcome::Skipped(Skip::NotNeeded), ..passed(no_proxy(), 0) },
        tls: passed(tls(), 23),
        ping: passed(PingFacts { http_status: 401, challenges: vec![realm] }, 31),
        token: passed(
            TokenFacts { host: "auth.example:443".into(), anonymous: true, expires_in: Some(Duration::from_mins(5)) },
            23,
        ),
    }
}

fn no_proxy() -> ProxyFacts {
    ProxyFacts { proxy: None, rule: "none".into(), connect_status: None }
}

fn address(address: &str, cause: Option<Cause>) -> AddressFacts {
    AddressFacts { address: address.parse().unwrap(), cause, duration: Duration::from_millis(10) }
}

fn tls() -> TlsFacts {
    let certificate = |subject: &str, not_after| CertificateFacts {
        subject: subject.into(),
        issuer: "CN=Example CA".into(),
        not_before: 1_700_000_000,
        not_after,
        names: vec!["registry.example".into()],
        sha256: "00".repeat(32),
        logged: true,
    };
    TlsFacts {
        version: Some("TLSv1.3".into()),
        cipher: Some("TLS_AES_128_GCM_SHA256".into()),
        alpn: Some("h2".into()),
        trust: vec!["/etc/ssl/certs/ca-certificates.crt".into()],
        verified: true,
        ignored: None,
        chain: [certificate("CN=registry.example", 1_800_000_000), certificate("CN=Example CA", 1_900_000_000)].into(),
    }
}

fn images() -> Vec<ImageReport> {
    let busybox = image("busybox:1.36", ("docker.io", "library/busybox", "1.36"), good());
    let mut private = image("ghcr.io/example/private:1", ("ghcr.io", "example/private", "1"), refused());
    private.attempts = vec![attempt("mirror.example:5000", Role::Mirror, 404), attempt("ghcr.io", Role::Upstream, 401)];
    let mut amd64_only = image("quay.io/example/amd64-only:2", ("quay.io", "example/amd64-only", "2"), unsuited());
    amd64_only.platform.offered = vec![Platform::new("linux", "amd64", "")];
    let untold =
        Verdict { pullable: None, runnable: None, summary: "It would have cost a counted pull.".into(), ..good() };
    private.providers =
        vec![ProviderReport { name: "ecr-credential-provider".into(), outcome: ProviderOutcome::Answered }];
    let counted = image("docker.io/library/nginx:1.29", ("docker.io", "library/nginx", "1.29"), untold);
    vec![busybox, private, amd64_only, counted]
}

fn attempt(host: &str, role: Role, status: u16) -> Attempt {
    let cause = if status == 404 { Cause::ManifestUnknown } else { Cause::CredentialsRejected };
    Attempt {
        operation: Operation::Resolve,
        endpoint: Endpoint::new(Scheme::Https, host),
        role,
        failure: Some(Failure::new(Stage::Manifest, cause, "refused")),
        http_status: Some(status),
        detail: "the registry's words".into(),
        duration: Duration::from_millis(28),
        credential_sent: status == 401,
    }
}

fn image(requested: &str, (domain, repository, tag): (&str, &str, &str), verdict: Verdict) -> ImageReport {
    let endpoint = Endpoint::new(Scheme::Https, "registry-1.docker.io");
    ImageReport {
        requested: requested.into(),
        image: Some(Reference {
            domain: domain.into(),
            repository: repository.into(),
            object: Object::Tag(tag.into()),
        }),
        verdict,
        attempts: Vec::new(),
        digest: Some(format!("sha256:{}", "ab".repeat(32)).into()),
        media_type: Some("application/vnd.oci.image.index.v1+json".into()),
        wanted: Platform::new("linux", "arm64", ""),
        platform: PlatformFacts::default(),
        credential: Some(CredentialUsed {
            source: CredentialSource::KubeletConfigJson,
            key: domain.into(),
            kind: "basic",
            lifetime: None,
            renews: None,
        }),
        expiries: Vec::new(),
        candidates: Vec::new(),
        providers: Vec::new(),
        blob: Some(BlobFacts { endpoint, redirect_host: Some("cdn.example:443".into()), failure: None }),
        rate_limit: limited(),
        limited_by: Some(key("docker.io", "registry-1.docker.io").1),
        warnings: vec!["this tag will be removed".to_owned().into()],
        counted_pulls: 0,
        requests: 0,
        source: Some(ContentSource::Registry),
        space: None,
        cut_off: false,
        started_at: now(),
        duration: Duration::from_millis(410),
    }
}

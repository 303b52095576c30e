//! Messages as people paste them.

use std::fmt::Write as _;

use super::*;

fn read(text: &str) -> Vec<Reading> {
    super::read(text).readings
}

fn causes(text: &str) -> Vec<Vec<&'static str>> {
    read(text).iter().map(|reading| reading.causes().iter().map(|cause| cause.as_str()).collect()).collect()
}

fn first(text: &str) -> &'static str {
    causes(text).first().and_then(|causes| causes.first()).copied().unwrap_or_default()
}

#[test]
fn every_row_can_be_reached() {
    for row in table::all() {
        let message = row.example();
        assert!(table::row(&message, true).is_some_and(|found| found.is(row)), "{message}");
        if let Meaning::Causes(causes) = row.meaning {
            assert!(!causes.is_empty(), "{message}");
        }
    }
}

#[test]
fn an_event_names_image_host_and_url() {
    let event = "  Warning  Failed     12s (x3 over 55s)  kubelet            Failed to pull image \"r.example/team/app:1\": failed to pull \
                 and unpack image \"r.example/team/app:1\": failed to resolve image: failed to do request: Head \
                 \"https://m.example:5000/v2/team/app/manifests/1?ns=r.example\": dial tcp 192.0.2.1:5000: connect: connection refused";
    let readings = read(event);
    assert_eq!(readings.len(), 1);
    let reading = &readings[0];
    assert_eq!(reading.causes(), [Cause::TcpRefused]);
    assert_eq!(reading.image.as_deref(), Some("r.example/team/app:1"));
    assert_eq!(reading.host.as_deref(), Some("m.example:5000"));
    assert_eq!(reading.url.as_deref(), Some("https://m.example:5000/v2/team/app/manifests/1"));
}

#[test]
fn a_description_of_a_pod_tells_each_failure_once_and_no_waiting() {
    let described = r#"
Name:             web-7d4b
    State:          Waiting
      Reason:       ImagePullBackOff
Events:
  Normal   Pulling    4m    kubelet  Pulling image "r.example/a:1"
  Warning  Failed     4m    kubelet  Failed to pull image "r.example/a:1": rpc error: code = NotFound desc = failed to pull and unpack image "r.example/a:1": failed to resolve reference "r.example/a:1": r.example/a:1: not found
  Warning  Failed     4m    kubelet  Error: ErrImagePull
  Warning  Failed     3m    kubelet  Failed to pull image "r.example/a:1": rpc error: code = NotFound desc = failed to pull and unpack image "r.example/a:1": failed to resolve reference "r.example/a:1": r.example/a:1: not found
  Warning  Failed     3m    kubelet  Failed to pull image "q.example/b:1": rpc error: code = Unknown desc = failed to pull and unpack image "q.example/b:1": failed to resolve reference "q.example/b:1": failed to do request: Head "https://q.example/v2/b/manifests/1": x509: certificate signed by unknown authority
  Normal   BackOff    3m    kubelet  Back-off pulling image "r.example/a:1"
"#;
    let told = causes(described);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], ["manifest_unknown", "repository_unknown", "not_a_registry"]);
    assert_eq!(told[1], ["tls_unknown_authority", "tls_incomplete_chain", "tls_self_signed"]);
}

#[test]
fn a_status_that_yaml_folds_over_lines_tells_what_it_tells_in_one() {
    let folded = r#"
    state:
      waiting:
        message: 'Failed to pull image "registry.example/team/app:1.0": failed to
          pull and unpack image "registry.example/team/app:1.0": failed to resolve
          image: failed to do request: Head "https://registry.example/v2/team/app/manifests/1.0":
          dial tcp 192.0.2.1:443: connect: connection refused'
        reason: ImagePullBackOff
"#;
    let readings = read(folded);
    assert_eq!(readings.len(), 1, "{readings:?}");
    assert_eq!(readings[0].causes(), [Cause::TcpRefused]);
    assert_eq!(readings[0].image.as_deref(), Some("registry.example/team/app:1.0"));
    assert_eq!(readings[0].host.as_deref(), Some("registry.example"));
    let quoted = "message: \"Back-off pulling image \\\"r.example/a:1\\\": ErrImagePull: rpc error:\n  code = NotFound desc = failed to pull \
                  and unpack image \\\"r.example/a:1\\\":\n  failed to resolve reference \\\"r.example/a:1\\\": r.example/a:1: not\n  \
                  found\"\n";
    assert_eq!(first(quoted), "manifest_unknown", "{quoted}");
}

#[test]
fn where_nothing_says_why_the_waiting_is_told() {
    let readings = read("Back-off pulling image \"nginx:1\"");
    assert_eq!((readings.len(), readings[0].meaning), (1, Meaning::BackOff));
    assert_eq!(readings[0].image.as_deref(), Some("nginx:1"));
    assert!(read("Successfully assigned default/web to node-1").is_empty());
    assert!(read("").is_empty());
}

#[test]
fn several_logins_that_failed_are_several_messages() {
    let both = "Failed to pull image \"r.example/a:1\": [failed to pull and unpack image \"r.example/a:1\": failed to resolve image: \
                failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://r.example/token: \
                401 Unauthorized, failed to pull and unpack image \"r.example/a:1\": failed to resolve image: unexpected status from \
                HEAD request to https://r.example/v2/a/manifests/1: 500 Internal Server Error]";
    let told: Vec<&str> = causes(both).iter().map(|causes| causes[0]).collect();
    assert_eq!(told, ["credentials_rejected", "registry_error"]);
}

#[test]
fn logs_of_kubelet_and_containerd_say_the_same_as_the_event() {
    let kubelet = r#"E1129 15:03:04.000000    1234 pod_workers.go:1301] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"web\" with ErrImagePull: \"failed to pull and unpack image \\\"r.example/a:1\\\": failed to resolve image: failed to do request: Head \\\"https://r.example/v2/a/manifests/1\\\": dial tcp: lookup r.example on 192.0.2.53:53: no such host\"" pod="default/web""#;
    let containerd = r#"time="2026-11-29T15:03:04Z" level=error msg="PullImage \"r.example/a:1\" failed" error="rpc error: code = Unknown desc = failed to pull and unpack image \"r.example/a:1\": failed to resolve reference \"r.example/a:1\": failed to do request: Head \"https://r.example/v2/a/manifests/1\": dial tcp: lookup r.example on 192.0.2.53:53: no such host""#;
    let json = r#"{"message":"Back-off pulling image \"r.example/a:1\": ErrImagePull: failed to pull and unpack image \"r.example/a:1\": failed to resolve image: failed to do request: Head \"https://r.example/v2/a/manifests/1\": dial tcp: lookup r.example on 192.0.2.53:53: no such host","reason":"ImagePullBackOff"}"#;
    for text in [kubelet, containerd, json] {
        let readings = read(text);
        assert_eq!(readings.len(), 1, "{text}");
        assert_eq!(readings[0].causes(), [Cause::DnsNxdomain, Cause::DnsNoAddress], "{text}");
        assert_eq!(readings[0].image.as_deref(), Some("r.example/a:1"), "{text}");
        assert_eq!(readings[0].host.as_deref(), Some("r.example"), "{text}");
    }
}

#[test]
fn docker_and_cri_o_have_words_of_their_own() {
    for (text, cause) in [
        (
            "Error response from daemon: manifest for nginx:nope not found: manifest unknown: manifest unknown",
            "manifest_unknown",
        ),
        (
            "Error response from daemon: pull access denied for team/app, repository does not exist or may require 'docker login': \
             denied: requested access to the resource is denied",
            "not_found_or_denied",
        ),
        (
            "Error response from daemon: Get \"https://r.example/v2/\": net/http: request canceled while waiting for connection \
             (Client.Timeout exceeded while awaiting headers)",
            "tcp_timeout",
        ),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "platform_mismatch"),
        (
            "choosing image instance: no image found in manifest list for architecture arm64, variant \"v8\", OS linux",
            "platform_mismatch",
        ),
        ("reading manifest v9 in quay.io/team/app: manifest unknown", "manifest_unknown"),
        (
            "unable to retrieve auth token: invalid username/password: unauthorized: authentication required",
            "credentials_rejected",
        ),
        ("Source image rejected: A signature was required, but no signature exists", "policy_blocked"),
        ("toomanyrequests: You have reached your pull rate limit.", "rate_limited"),
        ("failed to register layer: write /usr/lib/x: no space left on device", "disk_full"),
        ("Failed to apply default image tag \"a/Bc\": couldn't parse image name \"a/Bc\"", "reference_invalid"),
        ("Error: illegal base64 data at input byte 0", "credentials_malformed"),
    ] {
        assert_eq!(first(text), cause, "{text}");
    }
}

#[test]
fn kubelets_own_refusals_are_no_registrys() {
    assert_eq!(read("Failed to pull image \"nginx\": pull QPS exceeded")[0].meaning, Meaning::OwnLimit);
    assert_eq!(first("Container image \"nginx:1\" is not present with pull policy of Never"), "image_never_pulled");
}

#[test]
fn what_is_long_or_hostile_is_bounded_and_no_login_is_repeated() {
    let mut flood = String::new();
    for n in 0..10_000 {
        let _ = writeln!(
            flood,
            "Failed to pull image \"r{n}.example/a:1\": dial tcp 192.0.2.1:443: connect: connection refused"
        );
    }
    let told = super::read(&flood);
    assert!(told.readings.len() == READINGS && told.is_cut);
    let first = flood.lines().take(READINGS).collect::<Vec<_>>().join("\n");
    assert!(!super::read(&first).is_cut && super::read(&"x\n".repeat(1 << 20)).is_cut);
    let secret = "failed to do request: Head \"https://ann:hunter2@r.example/v2/?token=abc\": dial tcp 192.0.2.1:443: connect: connection \
                  refused";
    let told = format!("{:?}", read(secret));
    assert!(!told.contains("hunter2") && !told.contains("abc"), "{told}");
    let failed = "unexpected status from HEAD request to https://r.example/v2/: 401 Unauthorized";
    for place in
        ["pulling from host ", "lookup ", "dial tcp ", "Failed to pull image \"", "image=\"", "pull access denied for "]
    {
        let pasted = format!("{failed}, {place}password=hunter2\" next");
        let told = format!("{:?} {:?}", read(&pasted), read(&pasted.replace(failed, "i/o timeout")));
        assert!(!told.contains("hunter2"), "{place}: {told}");
    }
    let escape = read("failed to resolve \u{1b}[31mx: not found\u{7}");
    assert!(!escape[0].message.contains('\u{1b}'));
    assert_eq!(read(&format!("{}\u{e9}", "\\".repeat(2 << 20))).len(), 0);
}

/// What people remember of a message, and kubelet's reasons without one.
#[test]
fn the_end_of_a_message_alone_names_what_it_can_come_from() {
    for (text, cause) in [
        ("connection refused", "tcp_refused"),
        ("i/o timeout", "tcp_timeout"),
        ("unauthorized", "credentials_missing"),
        ("403 Forbidden", "not_found_or_denied"),
        ("502 Bad Gateway", "registry_error"),
        ("certificate has expired", "tls_expired"),
        ("x509", "tls_unknown_authority"),
        ("unknown authority", "tls_unknown_authority"),
        ("not found", "manifest_unknown"),
        ("RegistryUnavailable", "registry_error"),
        ("Failed to pull image \"r.example/a\": RegistryUnavailable", "registry_error"),
        ("SignatureValidationFailed", "policy_blocked"),
    ] {
        let read = read(text);
        assert!(read.len() == 1 && !read[0].note.is_empty(), "{text}: {read:?}");
        assert_eq!(first(text), cause, "{text}");
    }
    for other in [
        "OOMKilled",
        "CrashLoopBackOff",
        "hello",
        "bash: kubectl: command not found",
        "Error from server (NotFound): pods \"wbe\" not found",
        "Unable to connect to the server: dial tcp: i/o timeout",
        "a service said that it was: not found, and went on with its work anyway",
    ] {
        assert!(read(other).is_empty(), "{other}");
    }
}

/// What else stands in a description of a pod, in its manifest or in kubelet's log.
#[test]
fn what_tells_of_no_pull_is_no_failure_of_one() {
    for other in [
        "  Warning  Unhealthy  3s  kubelet  Readiness probe failed: Get \"http://10.0.0.1:8080/ready\": dial tcp 10.0.0.1:8080: connect: connection refused",
        "  Warning  Unhealthy  3s  kubelet  Liveness probe failed: HTTP probe failed with statuscode: 503",
        "  Warning  Unhealthy  3s  kubelet  Startup probe failed: Get \"https://10.0.0.1/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
        "  Warning  FailedMount  9s  kubelet  MountVolume.SetUp failed for volume \"image-cache\" : rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "  Warning  FailedMount  9s  kubelet  Unable to attach or mount volumes: unmounted volumes=[images]: timed out: context canceled",
        "        - containerPort: 5000",
        "    hostPort: 502 # the registry's",
        "Internal error occurred: failed calling webhook \"images.example\": Post \"https://w.svc/v\": x509: certificate signed by unknown authority",
        "  Warning  FailedCreatePodSandBox  1s  kubelet  Failed to create pod sandbox: plugin type=\"calico\" failed (add): Get \"https://10.0.0.1/\": dial tcp 10.0.0.1:443: i/o timeout",
        "E1129 reflector.go:150] Failed to watch *v1.Service: Get \"https://10.0.0.1/\": dial tcp 10.0.0.1:443: connect: connection refused",
        "rpc error: code = Unavailable desc = connection error: desc = \"transport: dial unix /csi/csi.sock: connect: connection refused\"",
    ] {
        assert!(read(other).is_empty(), "{other}");
        assert!(read(&format!("Events:\n{other}\nConditions:\n")).is_empty(), "{other}");
    }
    for general in [
        "web-1 | dial tcp 10.0.0.9:5432: connect: connection refused",
        "web-1 | invalid character '<' looking for beginning of value",
        "web-1 | write /var/log/x: no space left on device",
        "web-1 | upstream answered with status code: 502 Bad Gateway",
    ] {
        assert!(read(&format!("Logs:\n{general}\n")).is_empty(), "{general}");
    }
    // Asked for by itself, a part of a message is taken at its word.
    assert_eq!(first("dial tcp 192.0.2.1:443: connect: connection refused"), "tcp_refused");
    // And a pause image is pulled like any other.
    let sandbox = "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image \"r.example/pause:3.10\": failed to pull \
                   image \"r.example/pause:3.10\": failed to pull and unpack image \"r.example/pause:3.10\": failed to resolve image: failed to do request: \
                   Head \"https://r.example/v2/\": dial tcp 192.0.2.1:443: connect: connection refused";
    assert_eq!(first(&format!("Events:\n{sandbox}\n")), "tcp_refused");
}

#[test]
fn rows_that_begin_with_the_same_words_are_not_taken_for_each_other() {
    let oauth = "failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://r.example/token: 401 Unauthorized";
    let anonymous = oauth.replace("oauth", "anonymous").replace("POST", "GET");
    let pulled = |image: &str, words: &str| {
        format!("failed to pull and unpack image \"{image}\": failed to resolve image: {words}")
    };
    let told = causes(&format!("{}\n{anonymous}\n", pulled("r.example/a:1", oauth)));
    assert_eq!(
        told.iter().map(|causes| causes[0]).collect::<Vec<_>>(),
        ["credentials_rejected", "credentials_missing"]
    );
    // Of a long message only the beginning is shown, and all of it counts.
    let long = "x".repeat(MESSAGE);
    let told = causes(&format!("{}\n{long} failed to do request: EOF: {oauth}\n", pulled("r.example/a:1", oauth)));
    assert_eq!(told.len(), 1, "{told:?}");
}

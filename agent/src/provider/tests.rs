//! Real plugins, as shell scripts: that work, fail, hang, lie and print without end.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::host::root::ReadError;

/// Long enough for a shell on a busy machine, short of kubelet's minute.
const PATIENCE: Duration = Duration::from_secs(20);

const GOOD: &str = r#"cat > "$OUT/request.$$"
printf '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"%s",' "$1"
printf '"cacheDuration":"1h","auth":{"r.example":{"username":"%s","password":"planted"},"other.example":{"username":"x"}}}' "$USER_NAME"
"#;

struct Lab {
    dir: tempfile::TempDir,
    providers: Providers,
}

impl Lab {
    /// One plugin for `r.example`, run with `first` as its argument.
    fn new(script: &str, first: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("plugin");
        std::fs::write(&binary, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
        let out = dir.path().display();
        let config = dir.path().join("config.yaml");
        let text = format!(
            "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- name: plugin\n  \
             matchImages: [r.example, docker.io]\n  defaultCacheDuration: 0s\n  apiVersion: credentialprovider.kubelet.k8s.io/v1\n  \
             args: [\"{first}\"]\n  env: [{{name: OUT, value: {out}}}, {{name: USER_NAME, value: robot}}]\n"
        );
        std::fs::write(&config, text).unwrap();
        let (providers, findings) = Providers::load(&HostRoot::open("/").unwrap(), &config, Some(dir.path()), false);
        assert_eq!(findings, []);
        Self { dir, providers: providers.unwrap() }
    }

    async fn ask(&self, image: &str) -> Asked {
        self.providers.ask(&Reference::parse(image).unwrap(), PATIENCE).await
    }

    /// What the plugin was asked, one line for each time it ran.
    fn requests(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.dir.path()).unwrap().flatten();
        let requests = files.filter(|file| file.file_name().to_string_lossy().starts_with("request."));
        requests.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_plugin_gets_the_repository_and_gives_a_login() {
    let lab = Lab::new(GOOD, "Image");
    let asked = lab.ask("r.example/team/app:1").await;
    assert!(asked.failures().is_empty() && asked.unknown().is_empty(), "{asked:?}");
    assert_eq!(asked.credentials.len(), 1, "the key that does not match is not offered");
    let login = &asked.credentials[0];
    assert_eq!((login.source.to_string().as_str(), login.key.as_str()), ("provider:plugin", "r.example"));
    assert_eq!(login.login().map(|(user, secret)| (user, secret.expose())), Some(("robot", "planted")));
    assert!(!format!("{asked:?} {:?}", lab.providers).contains("planted"));
    let request: serde_json::Value = serde_json::from_str(&lab.requests()[0]).unwrap();
    assert_eq!(
        request,
        serde_json::json!({
            "kind": "CredentialProviderRequest",
            "apiVersion": "credentialprovider.kubelet.k8s.io/v1",
            "image": "r.example/team/app"
        })
    );
}

#[tokio::test]
async fn a_login_is_renewed_when_the_answer_is_dropped_from_the_cache() {
    let lab = Lab::new(GOOD, "Image");
    let began = Timestamp::now();
    let renews = lab.ask("r.example/team/app:1").await.credentials[0].renews.unwrap();
    let hour = jiff::SignedDuration::from_hours(1);
    assert!(renews >= began + hour && renews <= Timestamp::now() + hour, "{renews}");
    let again = lab.ask("r.example/team/app:1").await.credentials[0].renews;
    assert_eq!((lab.requests().len(), again), (1, Some(renews)), "asked once");
}

#[tokio::test]
async fn an_answer_outlives_another_look_at_the_files_and_not_a_changed_configuration() {
    let lab = Lab::new(GOOD, "Image");
    let config = lab.dir.path().join("config.yaml");
    let options = crate::credentials::CredentialOptions {
        kubelet_root: "/var/lib/kubelet".into(),
        kubelet: false,
        pull_secrets_dir: None,
        provider_config: Some(config.clone()),
        provider_bin_dir: Some(lab.dir.path().to_owned()),
        may_enter: false,
        home: "/root".into(),
    };
    let root = HostRoot::open("/").unwrap();
    let image = Reference::parse("r.example/team/app:1").unwrap();
    let first = crate::credentials::Credentials::load(&root, &options);
    assert_eq!(first.ask_providers(&image, PATIENCE).await.credentials.len(), 1);
    let again = first.reload(&root, &options, Timestamp::now());
    assert_eq!(again.ask_providers(&image, PATIENCE).await.credentials.len(), 1);
    assert_eq!(lab.requests().len(), 1, "kubelet keeps it for the hour that the plugin said");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("value: robot", "value: other")).unwrap();
    let changed = again.reload(&root, &options, Timestamp::now());
    let asked = changed.ask_providers(&image, PATIENCE).await;
    assert_eq!((lab.requests().len(), asked.credentials[0].login().unwrap().0), (2, "other"));
}

#[tokio::test]
async fn a_plugin_that_does_not_match_is_not_run() {
    let lab = Lab::new(GOOD, "Image");
    assert!(lab.ask("quay.io/a/b").await.credentials.is_empty());
    assert!(lab.requests().is_empty());
}

#[tokio::test]
async fn an_answer_is_used_again_as_far_as_the_plugin_says() {
    for (kind, runs) in [("Image", 3), ("Registry", 2), ("Global", 1)] {
        let lab = Lab::new(GOOD, kind);
        for image in ["r.example/a", "r.example/a:2", "r.example/b", "nginx"] {
            lab.ask(image).await;
        }
        assert_eq!(lab.requests().len(), runs, "{kind}");
    }
    let lab = Lab::new(&GOOD.replace("\"cacheDuration\":\"1h\",", ""), "Global");
    lab.ask("r.example/a").await;
    lab.ask("r.example/a").await;
    assert_eq!(lab.requests().len(), 2, "the default of the configuration is not to keep it");
}

#[tokio::test]
async fn what_a_plugin_said_outlives_a_new_look_at_an_unchanged_configuration() {
    let lab = Lab::new(GOOD, "Registry");
    lab.ask("r.example/a").await;
    let again = |first: &str| {
        let config = lab.dir.path().join("config.yaml");
        let text = std::fs::read_to_string(&config).unwrap().replace("Registry", first);
        std::fs::write(&config, text).unwrap();
        Providers::load(&HostRoot::open("/").unwrap(), &config, Some(lab.dir.path()), false)
            .0
            .unwrap()
            .after(&lab.providers)
    };
    let image = Reference::parse("r.example/b").unwrap();
    assert_eq!(again("Registry").ask(&image, PATIENCE).await.credentials.len(), 1);
    assert_eq!(lab.requests().len(), 1);
    assert_eq!(again("Image").ask(&image, PATIENCE).await.credentials.len(), 1);
    assert_eq!(lab.requests().len(), 2, "other arguments may give another answer");
}

/// `null` is no value in Go, and an entry without user and password is an anonymous pull.
#[tokio::test]
async fn an_empty_login_is_one() {
    let login = "{\"username\":\"%s\",\"password\":\"planted\"}";
    for empty in ["null", "{}", "{\"username\":null,\"password\":null}"] {
        let script = GOOD.replace(login, empty).replace("\"%s\",' \"$1\"", "\"Image\",'");
        let asked = Lab::new(&script, "Image").ask("r.example/a").await;
        assert_eq!(asked.credentials.len(), 1, "{empty}: {asked:?}");
        assert_eq!(asked.credentials[0].login(), None, "{empty}");
    }
}

#[tokio::test]
async fn a_plugin_that_hangs_is_ended_with_all_that_it_started() {
    let lab = Lab::new("echo $$ > \"$OUT/pid\"; sleep 600 & sleep 600", "Image");
    let short = Duration::from_secs(2);
    let asked = lab.providers.ask(&Reference::parse("r.example/a").unwrap(), short).await;
    assert_eq!(asked.unknown(), ["credential provider `plugin` did not answer within 2 s; kubelet waits for 60 s"]);
    let leader: i32 = std::fs::read_to_string(lab.dir.path().join("pid")).unwrap().trim().parse().unwrap();
    let group = rustix::process::Pid::from_raw(leader).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while rustix::process::test_kill_process_group(group).is_ok() && !only_zombies(leader) {
        assert!(Instant::now() < deadline, "something of the plugin still runs");
        tokio::task::yield_now().await;
    }
}

/// Whether every process of the group is dead and only waits to be collected.
fn only_zombies(group: i32) -> bool {
    let stats = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|e| std::fs::read_to_string(e.path().join("stat")).ok());
    stats
        .filter_map(|stat| {
            let mut after_name = stat.rsplit_once(") ")?.1.split(' ');
            let (now, _parent, own) = (after_name.next()?.to_owned(), after_name.next()?, after_name.next()?);
            (own.parse() == Ok(group)).then_some(now)
        })
        .all(|state| state == "Z")
}

#[tokio::test]
async fn a_plugin_that_writes_without_end_is_cut_off() {
    let asked = Lab::new("yes", "Image").ask("r.example/a").await;
    assert_eq!(
        asked.unknown(),
        ["credential provider `plugin` answers with more than 1 MiB, which pullprobe does not read"]
    );
    let noisy = Lab::new(&format!("head -c 3000000 /dev/zero >&2\n{GOOD}"), "Image").ask("r.example/a").await;
    assert_eq!(noisy.credentials.len(), 1, "{noisy:?}");
}

#[tokio::test]
async fn a_plugin_that_needs_a_pod_is_not_run() {
    let mut lab = Lab::new(GOOD, "Image");
    Arc::get_mut(&mut lab.providers.plugins[0]).unwrap().plugin.wants_pod_token = true;
    let asked = lab.ask("r.example/a").await;
    assert!(asked.failures().is_empty() && asked.unknown()[0].contains("identity of the pod"), "{asked:?}");
    assert!(lab.requests().is_empty());
}

#[test]
fn a_missing_binary_or_flag_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let config = "apiVersion: kubelet.config.k8s.io/v1\nkind: CredentialProviderConfig\nproviders:\n- {name: gone, matchImages: [a.b], \
                  defaultCacheDuration: 1h, apiVersion: credentialprovider.kubelet.k8s.io/v1}\n";
    std::fs::write(dir.path().join("c.yaml"), config).unwrap();
    std::fs::create_dir(dir.path().join("bin")).unwrap();
    std::fs::write(dir.path().join("bin/other"), "").unwrap();
    let root = HostRoot::open(dir.path()).unwrap();
    for (bin_dir, code) in [(Some("/bin"), "credential_provider_missing"), (None, "credential_provider_config_invalid")]
    {
        let (providers, findings) = Providers::load(&root, Path::new("/c.yaml"), bin_dir.map(Path::new), false);
        assert!(providers.is_none());
        assert_eq!(findings.iter().map(|f| f.code).collect::<Vec<_>>(), [code]);
    }
}

/// What a plugin does wrong is a failure only to who has the rights of kubelet.
mod needs_root {
    use super::*;

    #[tokio::test]
    async fn a_binary_that_only_the_node_can_run_is_no_failure_of_the_plugin() {
        let lab = Lab::new("", "Image");
        std::fs::write(lab.dir.path().join("plugin"), "#!/no/such/loader\n").unwrap();
        let here = lab.ask("r.example/a").await;
        assert!(here.failures()[0].detail.contains("does not start"), "{here:?}");
        let dir = tempfile::tempdir().unwrap();
        let away = Providers { place: RunConditions::of(&HostRoot::open(dir.path()).unwrap(), None), ..lab.providers };
        let asked = away.ask(&Reference::parse("r.example/b").unwrap(), PATIENCE).await;
        assert!(asked.failures().is_empty() && asked.unknown()[0].contains("cannot be run from here"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_plugin_without_a_part_of_kubelets_environment_may_fare_better_there() {
        let lab = Lab::new("exit 1", "Image");
        let unread = ReadError::TooLarge { path: "/etc/default/kubelet".into(), limit: 5 };
        let place = RunConditions::of(&HostRoot::open("/").unwrap(), Some(&unread));
        let asked = Providers { place, ..lab.providers }.ask(&Reference::parse("r.example/a").unwrap(), PATIENCE).await;
        assert!(asked.failures().is_empty(), "{asked:?}");
        assert!(asked.unknown()[0].contains("a part of kubelet's environment"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_plugin_that_failed_is_left_alone_for_a_minute() {
        let lab = Lab::new("cat > \"$OUT/request.$$\"; exit 1", "Image");
        for image in ["r.example/a:1", "r.example/a:2", "r.example/a:1", "r.example/b"] {
            assert_eq!(lab.ask(image).await.failures().len(), 1, "{image}");
        }
        assert_eq!(lab.requests().len(), 2, "once for each image");
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(61)).await;
        tokio::time::resume();
        lab.ask("r.example/a").await;
        assert_eq!(lab.requests().len(), 3);
    }

    #[tokio::test]
    async fn kubelet_goes_on_without_a_plugin_that_fails_and_the_failure_is_told() {
        for (script, words) in [
            ("echo 'no role: password=planted' >&2; exit 3", "it ended with exit code 3: no role: password=***"),
            ("kill -9 $$", "it was killed by a signal"),
            ("echo nonsense", "its answer is not JSON (line 1, column 2)"),
            ("echo '{\"kind\":5}'", "its answer is not a response"),
            // serde would read these as fields in order.
            ("echo '[\"CredentialProviderResponse\"]'", "its answer is not a response"),
            (&GOOD.replace("{\"username\":\"x\"}", "[\"x\"]"), "its answer is not a response"),
            ("exit 0", "its answer is not JSON"),
            (&GOOD.replace("CredentialProviderResponse", "Other"), "kind `Other`"),
            (
                &GOOD.replace("k8s.io/v1", "k8s.io/v1beta1"),
                "apiVersion `credentialprovider.kubelet.k8s.io/v1beta1`, expected",
            ),
            (&GOOD.replace("\"1h\"", "\"soon\""), "cacheDuration `soon`"),
            (&GOOD.replace("\"%s\",' \"$1\"", "\"Always\",'"), "cacheKeyType `Always`"),
        ] {
            let asked = Lab::new(script, "Image").ask("r.example/a").await;
            assert!(asked.credentials.is_empty() && asked.failures().len() == 1, "{script}: {asked:?}");
            let failure = asked.failures().remove(0);
            assert_eq!(failure.cause, Cause::CredentialProviderFailed);
            assert!(failure.detail.contains(words), "{script}: {}", failure.detail);
            assert!(!failure.detail.contains("planted"), "{}", failure.detail);
        }
    }
}

//! A real client accepts the registry: skopeo reads and copies images from it.

use std::process::Output;

use pullprobe_lab::Lab;
use pullprobe_lab::registry::{Auth, Bearer, Config, Content, Registry, Stored};
use pullprobe_lab::tls::Tls;
use tokio::process::Command;

async fn skopeo(arguments: &[&str]) -> Output {
    Command::new("skopeo").args(arguments).output().await.expect("this test needs skopeo")
}

fn start(lab: &Lab, config: Config) -> (Registry, Stored, String) {
    let registry = lab.registry(config).unwrap();
    let stored = registry.push("demo/app", "1.0", &Content::platforms(&["linux/amd64", "linux/s390x"]));
    let image = format!("docker://{}/demo/app:1.0", registry.authority());
    (registry, stored, image)
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_a_whole_image() {
    let lab = Lab::new().unwrap();
    let (registry, stored, image) = start(&lab, Config { tls: Some(Tls::default()), ..Config::default() });
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.crt"), lab.authority.root_pem()).unwrap();
    let trust = format!("--src-cert-dir={}", dir.path().display());
    let copied = dir.path().join("copy");
    let copy = format!("dir:{}", copied.display());
    let output = skopeo(&["copy", "--override-arch=amd64", &trust, &image, &copy]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let requests = registry.requests();
    assert!(requests.iter().all(|request| request.status == Some(200)));

    // skopeo has checked the digests; tar says whether the layer is one.
    let layer = stored.manifests[0].layers[0].strip_prefix("sha256:").unwrap();
    let listing = Command::new("tar").arg("-tzf").arg(copied.join(layer)).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&listing.stdout), "lab.txt\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_signs_in_for_a_token() {
    let bearer =
        Bearer { users: [("u".to_owned(), "p".to_owned())].into(), private: vec!["*".to_owned()], ..Bearer::default() };
    let config = Config { auth: Auth::Bearer(bearer), ..Config::default() };
    let (_registry, _, image) = start(&Lab::new().unwrap(), config);
    let inspect = ["inspect", "--tls-verify=false", "--override-arch=amd64"];
    let anonymous = skopeo(&[&inspect[..], &["--no-creds", &image]].concat()).await;
    let refusal = String::from_utf8(anonymous.stderr).unwrap();
    assert!(refusal.contains("unauthorized"), "{refusal}");
    let output = skopeo(&[&inspect[..], &["--creds=u:p", &image]].concat()).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["Architecture"], "amd64");
}

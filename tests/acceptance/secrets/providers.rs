//! Provider plugins: what they answer, what they complain of, what they are configured with, and what
//! they can see of everything else.

use super::super::world::World;
use super::marker::{Marker, plant};
use super::outputs::Said;
use super::{assert_only, world};

/// `good` gives a password and talks about it; the others fail in every way, each telling what it should not.
const WORLD: &str = r#"
[credential_settings]
provider_config = "/etc/kubernetes/providers.yaml"
provider_bin_dir = "/opt/providers"

[programs]
"/opt/providers/good" = '''#!/bin/sh
cat /proc/$$/environ /proc/$$/cmdline /proc/$PPID/environ /proc/$PPID/cmdline > "${0%/*}/noted-by-good"
echo 'got <good> and Basic <login:good> from the metadata' >&2
echo '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Image","cacheDuration":"0s","auth":{"good.example":{"username":"robot","password":"<good>"}}}'
'''
"/opt/providers/fails" = '''#!/bin/sh
cat /proc/$$/environ /proc/$$/cmdline /proc/$PPID/environ /proc/$PPID/cmdline > "${0%/*}/noted-by-fails"
echo '{"auth":{"fails.example":{"username":"robot","password":"<fails>"}}}'
echo "refused: $KEY with $1 and $2, <fails> (Basic <login:fails>), at https://robot:<url:url>@idp.example/x?sig=<url:signature>" >&2
exit 7
'''
"/opt/providers/garbage" = '''#!/bin/sh
echo '<garbage> is no JSON'
'''
"/opt/providers/kind" = '''#!/bin/sh
echo "{\"kind\":\"$KEY\",\"apiVersion\":\"$KEY\",\"cacheKeyType\":\"$KEY\",\"auth\":{\"kind.example\":{\"username\":\"robot\",\"password\":\"<kind>\"}}}"
'''
"/opt/providers/type" = '''#!/bin/sh
echo '{"kind":"CredentialProviderResponse","apiVersion":"credentialprovider.kubelet.k8s.io/v1","cacheKeyType":"Image","auth":{"type.example":["<type>"]}}'
'''

[files]
"/var/lib/kubelet/config.json" = '{"auths": {"file.example": {"auth": "<login:file>"}}}'
"/etc/kubernetes/providers.yaml" = '''
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
  - name: good
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: ["good.example"]
    defaultCacheDuration: 0s
    args: ["--key=<good-argument>"]
    env: [{name: KEY, value: "<good-environment>"}]
  - name: fails
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: ["fails.example"]
    defaultCacheDuration: 0s
    args: ["--key=<fails-argument>", "<fails-word>"]
    env: [{name: KEY, value: "<fails-environment>"}]
  - name: garbage
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: ["garbage.example"]
    defaultCacheDuration: 0s
  - name: kind
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: ["kind.example"]
    defaultCacheDuration: 0s
    env: [{name: KEY, value: "<kind-environment>"}]
  - name: type
    apiVersion: credentialprovider.kubelet.k8s.io/v1
    matchImages: ["type.example"]
    defaultCacheDuration: 0s
'''

[[registries]]
host = "good.example"
tls = {}
push = [{repository = "demo/app", tag = "1.0", content = {image = {}}}]
[registries.auth.basic]
users = {robot = "<good>"}

[[registries]]
host = "fails.example"
tls = {}
[registries.auth.basic]
users = {robot = "<fails>"}

[[registries]]
host = "garbage.example"
tls = {}
[registries.auth.basic]

[[registries]]
host = "kind.example"
tls = {}
[registries.auth.basic]

[[registries]]
host = "type.example"
tls = {}
[registries.auth.basic]
"#;

const HOSTS: [&str; 5] = ["good.example", "fails.example", "garbage.example", "kind.example", "type.example"];

#[test]
fn provider_plugins() {
    let (text, markers) = plant(WORLD);
    let world = world(&text);
    let proxy = plant("http://robot:<unit:proxy>@proxy.example:1").0;
    let unit = format!("[Service]\nEnvironment=\"HTTP_PROXY={proxy}\"\n");
    world.node.write("/etc/systemd/system/containerd.service.d/proxy.conf", unit).unwrap();
    let images = HOSTS.map(|host| format!("{host}/demo/app:1.0"));
    let said = Said::by_all(&world, &images.each_ref().map(String::as_str));
    said.assert_silent_about(&markers);
    // Each was run, and its complaint arrived.
    said.assert_mentions("it ended with exit code 7: refused");
    for complaint in ["its answer is not JSON", "its answer has an unknown kind", "its answer is not a response"] {
        said.assert_mentions(complaint);
    }
    for marker in &markers {
        let meant_for: &[&str] = if marker.name == "good" { &["good.example"] } else { &[] };
        assert_only(&world, marker, &HOSTS, meant_for);
    }
    assert_sees_its_own(&world, "good", &["good-argument", "good-environment"], &markers);
    assert_sees_its_own(&world, "fails", &["fails-argument", "fails-word", "fails-environment"], &markers);
}

/// A plugin was given what its configuration sets, and can read nothing else in its own environment, its
/// arguments, or those of the program that started it.
fn assert_sees_its_own(world: &World, plugin: &str, own: &[&str], markers: &[Marker]) {
    let noted = std::fs::read(world.node.path(&format!("/opt/providers/noted-by-{plugin}"))).unwrap();
    let noted = String::from_utf8_lossy(&noted).into_owned();
    let others = [Marker::new("proxy")];
    for marker in markers.iter().chain(&others) {
        assert_eq!(marker.shows_in(&noted), own.contains(&marker.name.as_str()), "{} to {plugin}", marker.name);
    }
}

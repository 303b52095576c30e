//! Secrets in what people type and in the agent's settings: refused without being repeated.

use super::super::binary::pullprobe;
use super::marker::plant;
use super::outputs::Said;
use super::world;

/// References and addresses with what should not be in them.
const TYPED: [&str; 9] = [
    "https://robot:<url:scheme>@registry.example/demo/app:1.0",
    "robot:<url:plain>@registry.example/demo/app:1.0",
    "robot:<plain>@registry.example/demo/app:1.0",
    "robot:<port>@registry.example:5000",
    "robot:<bare>@registry.example",
    "docker://robot:<transport>@registry.example/app",
    "https://registry.example/demo/app?token=<url:query>&x=1",
    "registry.example/demo/app?sig=<signature>",
    "https://registry.example/#<fragment>",
];

#[test]
fn what_is_typed_is_refused_without_being_repeated() {
    let world = world("");
    for typed in TYPED {
        let (typed, markers) = plant(typed);
        let mut said = Said::default();
        for (verb, format) in
            [("check", "text"), ("check", "json"), ("plan", "text"), ("plan", "json"), ("hosts", "text")]
        {
            let code = said.by(verb, &[format], world.command(verb).args([&*typed, "--format", format]));
            assert_eq!(code, Some(2), "{verb} {typed}: {said:?}");
        }
        assert_eq!(said.by_untraced("explain", &mut pullprobe(["explain", &typed])), Some(2));
        said.assert_silent_about(&markers);
        said.assert_mentions("registry.example");
    }
}

#[test]
fn what_settings_say_is_refused_without_being_repeated() {
    let settings = [
        "targets: {images: ['{}']}",
        "targets: {images: [{image: '{}', interval: 5s}]}",
        "targets: {images: '{}'}",
        "targets: {registries: ['{}']}",
        "targets: {registries: '{}'}",
        "targets: ['{}']",
        "web: {listen: ['{}']}",
        "node: {name: '{}'}",
        "node: {host_root: '{}'}",
        "node: {certs_d: '{}'}",
        "probe: {interval: '{}'}",
        "credentials: {pull_secrets_dir: '{}'}",
        "credentials: {'{}': x}",
        "'{}': x",
        "{a: '{}', a: '{}'}",
        "'{}",
    ];
    let world = world("");
    for (typed, setting) in TYPED.iter().take(7).flat_map(|typed| settings.iter().map(move |setting| (typed, setting)))
    {
        let (text, markers) = plant(&setting.replace("{}", typed));
        world.node.write("/pullprobe.yaml", &text).unwrap();
        let mut said = Said::default();
        for verb in ["check", "run"] {
            assert_eq!(said.by(verb, &[], &mut world.command(verb)), Some(2), "{text}");
        }
        said.assert_silent_about(&markers);
        said.assert_mentions("pullprobe.yaml:1:");
    }
}

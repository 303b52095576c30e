//! The chart's pod as a real runtime gets it: what kubelet makes of its fields, and nothing beside them.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::containerd::Containerd;
use super::daemon::{Daemon, eventually};
use super::tools::{items, object, output};

/// How kubelet tells each container where the API is. Nothing listens there, as before a cluster's network is up.
const API: [&str; 2] = ["KUBERNETES_SERVICE_HOST=127.0.0.1", "KUBERNETES_SERVICE_PORT=1"];

pub struct Pod {
    spec: Value,
}

impl Pod {
    pub fn new(objects: &[Value]) -> Self {
        Self { spec: object(objects, "DaemonSet")["spec"]["template"]["spec"].clone() }
    }

    fn container(&self) -> &Value {
        &self.spec["containers"][0]
    }

    /// With the node's directory for `/`, and `own` for what is of no node. A source that is not there is a mistake, as it is for
    /// kubelet.
    pub fn mounts(&self, node: &Path, own: &Path) -> Vec<String> {
        let mount = |mount: &Value| {
            let volume = items(&self.spec["volumes"]).iter().find(|volume| volume["name"] == mount["name"]).unwrap();
            let source = match volume["hostPath"]["path"].as_str() {
                Some(path) => node.join(path.trim_start_matches('/')),
                None => own.join(mount["name"].as_str().unwrap()),
            };
            assert!(source.is_dir(), "{}: kubelet does not start this pod", source.display());
            assert_eq!(mount["readOnly"], true, "{mount}");
            let slave = if mount["mountPropagation"] == "HostToContainer" { ":rslave" } else { "" };
            let target = mount["mountPath"].as_str().unwrap();
            format!("type=bind,src={},dst={target},options=rbind:ro{slave}", source.display())
        };
        items(&self.container()["volumeMounts"]).iter().map(mount).collect()
    }

    /// What `ctr` is told beside `--net-host`, `--read-only`, `--seccomp` and the capabilities that it drops. Any other context in the
    /// chart needs another call of the runtime.
    pub fn limits(&self, node: &str) -> Vec<String> {
        assert_eq!((&self.spec["hostNetwork"], &self.spec["hostPID"]), (&json!(true), &json!(false)));
        let of_pod = json!({
            "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false, "seccompProfile": {"type": "RuntimeDefault"},
        });
        assert_eq!(self.spec["securityContext"], of_pod);
        // `ctr` sets no_new_privs unless it is told otherwise.
        let of_container = json!({
            "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(self.container()["securityContext"], of_container);
        let memory = self.container()["resources"]["limits"]["memory"].as_str().unwrap();
        let mebibytes: u64 = memory.strip_suffix("Mi").unwrap().parse().unwrap();
        let variable = |variable: &Value| {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                None => variable["value"].as_str().unwrap(),
                Some("spec.nodeName") => node,
                Some(other) => panic!("{other}: kubelet knows it, this test does not"),
            };
            format!("{}={value}", variable["name"].as_str().unwrap())
        };
        let environment = items(&self.container()["env"]).iter().map(variable);
        let environment = environment.chain(API.map(str::to_owned)).flat_map(|one| ["--env".to_owned(), one]);
        environment.chain(["--memory-limit".to_owned(), (mebibytes << 20).to_string()]).collect()
    }

    /// The entry point of the image, and the chart's arguments.
    pub fn command(&self) -> Vec<&str> {
        let arguments = items(&self.container()["args"]).iter().map(|argument| argument.as_str().unwrap());
        ["/pullprobe"].into_iter().chain(arguments).collect()
    }

    /// Where kubelet asks for `livenessProbe` or `readinessProbe`.
    fn probe(&self, kind: &str) -> String {
        let asked = &self.container()[kind]["httpGet"];
        assert_eq!(asked["scheme"], "HTTP", "{kind}");
        let port = items(&self.container()["ports"]).iter().find(|port| port["name"] == asked["port"]).unwrap();
        format!("http://127.0.0.1:{}{}", port["containerPort"], asked["path"].as_str().unwrap())
    }

    /// Seconds from the signal to the end, as kubelet waits for it.
    fn grace(&self) -> u64 {
        self.spec["terminationGracePeriodSeconds"].as_u64().unwrap()
    }
}

/// A pod that runs, and that kubelet would call ready.
pub struct Running<'a> {
    containerd: &'a Containerd,
    pod: &'a Pod,
    process: Daemon,
}

impl<'a> Running<'a> {
    pub fn start(containerd: &'a Containerd, pod: &'a Pod, started: &mut Command, log: &Path) -> Self {
        let process = Daemon::start(started, log.to_owned());
        let mut running = Self { containerd, pod, process };
        for probe in ["livenessProbe", "readinessProbe"] {
            let url = pod.probe(probe);
            let answered = eventually(|| {
                assert!(!running.process.has_ended(), "the pod has ended:\n{}", running.process.log());
                running.status(&url).is_some_and(|status| status == "200").then_some(())
            });
            assert!(answered.is_some(), "{url} is not 200: {:?}\n{}", running.status(&url), running.process.log());
        }
        running
    }

    fn status(&self, url: &str) -> Option<String> {
        let arguments =
            ["curl", "--silent", "--max-time", "5", "--output", "/dev/null", "--write-out", "%{http_code}", url];
        let asked = output(&mut self.containerd.in_its_network(&arguments));
        asked.status.success().then(|| String::from_utf8(asked.stdout).unwrap())
    }

    /// As `kubectl port-forward` asks: from the node itself.
    pub fn get(&self, route: &str) -> String {
        let probe = self.pod.probe("livenessProbe");
        let (base, _) = probe.rsplit_once('/').unwrap();
        let url = format!("{base}{route}");
        let asked =
            output(&mut self.containerd.in_its_network(&["curl", "--silent", "--fail", "--max-time", "5", &url]));
        assert!(asked.status.success(), "{url}: {asked:?}\n{}", self.process.log());
        String::from_utf8(asked.stdout).unwrap()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    /// It ends well within the time that kubelet gives it.
    pub fn end(mut self) {
        let within = std::time::Duration::from_secs(self.pod.grace());
        let ended = self.process.terminate(within);
        assert!(ended.is_some_and(|status| status.success()), "{ended:?} in {within:?}:\n{}", self.process.log());
    }
}

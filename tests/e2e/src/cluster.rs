//! The cluster: its programs in the order in which they need each other, and its end.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::api::Api;
use crate::lab::Lab;
use crate::node::{self, API_SERVER, NODE_ADDRESS, NODE_NAME, PAUSE, SERVICES, STATE};
use crate::pki::Pki;
use crate::process::{Program, run, succeed};
use crate::{OUTSIDE, Result, agent, cgroup, image, repository};

/// The name that the chart gives the agent's image, without the tag.
pub const AGENT_IMAGE: &str = "ghcr.io/pullprobe/pullprobe";
/// The release that an upgrade begins with.
pub const FIRST_RELEASE: &str = "0.1.0";
const ETCD: &str = "http://127.0.0.1:2379";
const CONTAINERD: &str = "/run/containerd/containerd.sock";
/// What kubelet and containerd find programs with.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

pub struct Cluster {
    pub api: Api,
    /// The static program.
    pub pullprobe: PathBuf,
    pki: Pki,
    programs: PathBuf,
    logs: PathBuf,
    api_server: Mutex<Option<Program>>,
    kubelet: Mutex<Option<Program>>,
    /// In the order in which they are stopped.
    others: Vec<Program>,
    _lab: Lab,
}

impl Cluster {
    /// Everything, until the node is ready.
    pub async fn start(pullprobe: &Path) -> Result<Self> {
        let tools = std::fs::canonicalize(repository("target/tools/kubernetes"))
            .map_err(|error| format!("target/tools/kubernetes: {error}: tests/tools/kubernetes.sh builds it"))?;
        let logs = repository("target/e2e");
        std::fs::create_dir_all(&logs)?;
        let logs = std::fs::canonicalize(logs)?;
        for log in std::fs::read_dir(&logs)? {
            std::fs::remove_file(log?.path())?;
        }
        node::bring_up().await?;
        let pki = Pki::write(&Path::new(STATE).join("pki"))?;
        let lab = Lab::start().await?;
        node::write_files(&pki, &tools.join("cni"), &lab)?;
        cgroup::make(&std::env::var(OUTSIDE)?)?;
        let api = Api::connect(&pki.kubeconfig("admin")).await?;
        let mut cluster = Self {
            api,
            pullprobe: pullprobe.to_owned(),
            pki,
            programs: tools.join("bin"),
            logs,
            api_server: Mutex::new(None),
            kubelet: Mutex::new(None),
            others: Vec::new(),
            _lab: lab,
        };
        cluster.start_daemons().await?;
        cluster.node_ready().await?;
        Ok(cluster)
    }

    async fn start_daemons(&mut self) -> Result {
        let etcd = Program::start("etcd", &mut self.etcd(), &self.logs)?;
        let containerd = Program::start("containerd", Command::new("containerd").env("PATH", PATH), &self.logs)?;
        self.others = vec![containerd, etcd];
        self.start_api_server("tokens").await?;
        self.import_images().await?;
        self.start_kubelet().await?;
        self.others.insert(0, Program::start("controller-manager", &mut self.controllers(), &self.logs)?);
        self.others.insert(0, Program::start("scheduler", &mut self.scheduler(), &self.logs)?);
        Ok(())
    }

    /// `tokens` is the key that signs the tokens of service accounts from now on.
    pub async fn start_api_server(&self, tokens: &str) -> Result {
        let program = Program::start("kube-apiserver", &mut self.api_server_command(tokens)?, &self.logs)?;
        *self.api_server.lock().await = Some(program);
        self.api.ready().await
    }

    pub async fn stop_api_server(&self) -> Result {
        match self.api_server.lock().await.take() {
            Some(program) => program.stop().await,
            None => Err("the API server does not run".into()),
        }
    }

    async fn start_kubelet(&self) -> Result {
        *self.kubelet.lock().await = Some(Program::start("kubelet", &mut self.kubelet_command(), &self.logs)?);
        Ok(())
    }

    /// After it was stopped, until it has told the API server of itself again. The containers have gone on meanwhile.
    pub async fn start_kubelet_again(&self) -> Result {
        let before = self.heartbeat().await?;
        self.start_kubelet().await?;
        let path = format!("/api/v1/nodes?fieldSelector=metadata.name={NODE_NAME}");
        let is_back = |node: &Value| {
            let ready = ready_condition(node)?;
            (ready["status"] == "True" && ready["lastHeartbeatTime"] != before).then_some(())
        };
        self.api.until(&path, "kubelet to be back", is_back).await
    }

    /// When kubelet last said that the node is ready, or not.
    async fn heartbeat(&self) -> Result<Value> {
        let node = self.api.get(&format!("/api/v1/nodes/{NODE_NAME}")).await?;
        Ok(ready_condition(&node).map(|it| it["lastHeartbeatTime"].clone()).unwrap_or_default())
    }

    pub async fn stop_kubelet(&self) -> Result {
        match self.kubelet.lock().await.take() {
            Some(program) => program.stop().await,
            None => Err("kubelet does not run".into()),
        }
    }

    /// etcd forgets everything but the latest state, as it does by itself in time.
    pub async fn compact(&self) -> Result {
        let pods = self.api.get("/api/v1/pods").await?;
        let revision = pods["metadata"]["resourceVersion"].as_str().ok_or("a list without a version")?;
        let request = serde_json::json!({"revision": revision, "physical": true}).to_string();
        let url = format!("{ETCD}/v3/kv/compaction");
        run("curl", ["--silent", "--show-error", "--fail", "--noproxy", "*", "--data", &request, &url]).await?;
        Ok(())
    }

    /// After a test that ended early: what it stopped is started, and what it made is removed.
    pub async fn recover(&self) -> Result {
        if let Some(server) = self.api_server.lock().await.take() {
            server.stop().await?;
        }
        self.start_api_server("tokens").await?;
        if self.kubelet.lock().await.is_none() {
            self.start_kubelet_again().await?;
        }
        let by_force = ["delete", "pods", "--ignore-not-found", "--force", "--grace-period=0", "--wait=false"];
        self.kubectl(&[&by_force[..], &["--selector", "e2e"]].concat(), "").await?;
        // Without its daemon set no pod of the agent comes again.
        let agents = ["--namespace", agent::NAMESPACE];
        self.kubectl(&[&["delete", "daemonsets", "--all", "--wait=false"], &agents[..]].concat(), "").await?;
        self.kubectl(&[&by_force[..], &["--all"], &agents].concat(), "").await?;
        self.kubectl(&["delete", "namespace", agent::NAMESPACE, "--ignore-not-found", "--timeout=120s"], "").await?;
        for kind in ["clusterrole", "clusterrolebinding"] {
            self.kubectl(&["delete", kind, "--selector", agent::SELECTOR, "--ignore-not-found"], "").await?;
        }
        Ok(())
    }

    /// Another key that signs the tokens of service accounts, for [`Self::start_api_server`].
    pub fn new_token_key(&self, name: &str) -> Result {
        self.pki.new_token_key(name)
    }

    async fn node_ready(&self) -> Result {
        let path = format!("/api/v1/nodes?fieldSelector=metadata.name={NODE_NAME}");
        let is_ready = |node: &Value| (ready_condition(node)?["status"] == "True").then_some(());
        self.api.until(&path, "the node to be ready", is_ready).await
    }

    async fn import_images(&self) -> Result {
        let scratch = Path::new(STATE).join("images");
        std::fs::create_dir_all(&scratch)?;
        let pause = image::build_pause(Path::new(STATE)).await?;
        // `ctr` waits for containerd by itself.
        run("ctr", ["version"]).await?;
        image::import(&scratch, &[PAUSE], &pause, "pause").await?;
        let tags = [FIRST_RELEASE, env!("CARGO_PKG_VERSION"), "e2e"].map(|tag| format!("{AGENT_IMAGE}:{tag}"));
        let mut names: Vec<&str> = tags.iter().map(String::as_str).collect();
        names.dedup();
        image::import(&scratch, &names, &self.pullprobe, "pullprobe").await
    }

    /// What `kubectl` prints; `input` is what it reads.
    pub async fn kubectl(&self, arguments: &[&str], input: &str) -> Result<String> {
        let file = Path::new(STATE).join("kubectl.input");
        std::fs::write(&file, input)?;
        let mut kubectl = self.kubectl_command(arguments);
        if !input.is_empty() {
            kubectl.arg("--filename").arg(&file);
        }
        succeed(&mut kubectl).await
    }

    /// Likewise, whatever its exit code is.
    pub async fn kubectl_code(&self, arguments: &[&str]) -> Result<(String, i32)> {
        let output = self.kubectl_command(arguments).stdin(Stdio::null()).output().await?;
        Ok((String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1)))
    }

    /// kubectl as the administrator.
    pub fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut kubectl = self.program("kubectl");
        kubectl.arg("--kubeconfig").arg(self.kubeconfig()).args(arguments);
        kubectl
    }

    /// The audit log, an event each.
    pub fn audit(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.logs.join("audit.jsonl"))?;
        text.lines().map(|line| serde_json::from_str(line).map_err(Into::into)).collect()
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.pki.kubeconfig("admin")
    }

    /// Tells how to reach the cluster by hand.
    pub fn offer(&self) -> Result {
        let kubectl = self.programs.join("kubectl");
        let command = format!("'{}' --kubeconfig '{}'", kubectl.display(), self.kubeconfig().display());
        node::write_script(&self.logs.join("kubectl"), &command)?;
        node::write_script(&self.logs.join("node"), &format!("env KUBECONFIG='{}'", self.kubeconfig().display()))?;
        println!("e2e: the cluster stays until Ctrl-C: target/e2e/kubectl get pods -A, target/e2e/node COMMAND…");
        Ok(())
    }

    /// By pid: kubelet first, so that nothing is started again, then the containers, then the rest.
    pub async fn stop(mut self) -> Result {
        if let Some(kubelet) = self.kubelet.lock().await.take() {
            kubelet.stop().await?;
        }
        let tasks = run("ctr", ["--namespace", "k8s.io", "tasks", "list", "--quiet"]).await?;
        for task in tasks.lines() {
            // One that has just ended is no fault.
            let _ = run("ctr", ["--namespace", "k8s.io", "tasks", "delete", "--force", task]).await;
        }
        if let Some(server) = self.api_server.lock().await.take() {
            server.stop().await?;
        }
        for program in std::mem::take(&mut self.others) {
            program.stop().await?;
        }
        Ok(())
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        // Go's proxy settings and kubeconfigs of who runs this are not the cluster's.
        command.env_clear().env("PATH", PATH).env("HOME", "/root");
        command
    }

    fn etcd(&self) -> Command {
        let mut etcd = self.program("etcd");
        etcd.arg("--data-dir").arg(Path::new(STATE).join("etcd"));
        etcd.args(["--listen-client-urls", ETCD, "--advertise-client-urls", ETCD, "--log-level", "warn"]);
        etcd.args(["--listen-peer-urls", "http://127.0.0.1:2380"]);
        etcd
    }

    fn api_server_command(&self, tokens: &str) -> Result<Command> {
        let policy = Path::new(STATE).join("audit.json");
        std::fs::write(&policy, audit_policy().to_string())?;
        let mut command = self.program("kube-apiserver");
        let address = API_SERVER.to_string();
        let options = [
            ("etcd-servers", ETCD),
            ("bind-address", &*address),
            ("advertise-address", &*address),
            ("secure-port", "443"),
            ("service-cluster-ip-range", SERVICES),
            ("authorization-mode", "Node,RBAC"),
            ("enable-admission-plugins", "NodeRestriction"),
            ("allow-privileged", "true"),
            ("service-account-issuer", "https://kubernetes.default.svc"),
            ("kubelet-preferred-address-types", "InternalIP"),
            ("audit-log-mode", "blocking"),
        ];
        command.args(options.iter().map(|(name, value)| format!("--{name}={value}")));
        let (key, public) = (format!("{tokens}.key"), format!("{tokens}.pub"));
        let files = [
            ("client-ca-file", "ca.crt"),
            ("tls-cert-file", "apiserver.crt"),
            ("tls-private-key-file", "apiserver.key"),
            ("service-account-signing-key-file", &*key),
            ("service-account-key-file", &*public),
            ("kubelet-client-certificate", "admin.crt"),
            ("kubelet-client-key", "admin.key"),
            ("kubelet-certificate-authority", "ca.crt"),
        ];
        command.args(files.iter().map(|(name, file)| format!("--{name}={}", self.pki.path(file).display())));
        command.arg(format!("--audit-policy-file={}", policy.display()));
        command.arg(format!("--audit-log-path={}", self.logs.join("audit.jsonl").display()));
        Ok(command)
    }

    fn controllers(&self) -> Command {
        let mut command = self.program("kube-controller-manager");
        self.as_client(&mut command, "controller-manager");
        let file = |name: &str| self.pki.path(name).display().to_string();
        command.arg(format!("--service-account-private-key-file={}", file("tokens.key")));
        command.arg(format!("--root-ca-file={}", file("ca.crt")));
        // Each controller with the rights of its own, as clusters have it.
        command.arg("--use-service-account-credentials=true");
        command
    }

    fn scheduler(&self) -> Command {
        let mut command = self.program("kube-scheduler");
        self.as_client(&mut command, "scheduler");
        command
    }

    fn as_client(&self, command: &mut Command, name: &str) {
        let kubeconfig = self.pki.kubeconfig(name).display().to_string();
        for option in ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"] {
            command.arg(format!("--{option}={kubeconfig}"));
        }
        command.args(["--bind-address=127.0.0.1", "--leader-elect=false"]);
    }

    fn kubelet_command(&self) -> Command {
        let mut command = self.program("kubelet");
        command.arg(format!("--kubeconfig={}", self.pki.kubeconfig("kubelet").display()));
        command.arg(format!("--config={STATE}/kubelet.json"));
        command.arg(format!("--hostname-override={NODE_NAME}"));
        command.arg(format!("--node-ip={NODE_ADDRESS}"));
        command.arg(format!("--pod-infra-container-image={PAUSE}"));
        command.arg(format!("--container-runtime-endpoint=unix://{CONTAINERD}"));
        command.args(["--container-runtime=remote", "--v=2"]);
        command
    }
}

fn ready_condition(node: &Value) -> Option<&Value> {
    node["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")
}

/// What service accounts ask for: the kind and name, not the content.
fn audit_policy() -> Value {
    serde_json::json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
    })
}

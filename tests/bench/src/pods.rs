//! Memory: the agent of a node with many pods, and the same agent where the Kubernetes API is not used.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pullprobe_lab::kubernetes::Kubernetes;
use pullprobe_lab::registry::Config;
use serde_json::{Value, json};

use crate::endpoints::eventually;
use crate::goal::Goal;
use crate::process::{Running, median};
use crate::world::{LOOPBACK, World, free_port};
use crate::{Options, http};

const PODS: usize = 250;
const INTERVAL: Duration = Duration::from_secs(5);
/// Where kubelet mounts what a pod needs to ask the API server. In this mount namespace it is a directory of the bench.
const SECRETS: &str = "/var/run/secrets";
const ACCOUNT: &str = "kubernetes.io/serviceaccount";
const MEBIBYTE: f64 = 1_048_576.0;

pub async fn measure(world: &World, options: &Options) -> io::Result<Goal> {
    println!("== {} x the agent without the Kubernetes API, and with the {PODS} pods of a full node", options.rounds);
    let registry = world.registry(Config { host: "pods.bench.test".to_owned(), ..Config::default() })?;
    let server = Kubernetes::start(&world.lab)?;
    (0..PODS).for_each(|number| server.apply(pod(number)));
    mount_account(world, &server)?;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        without.extend(resident(world, options, registry.authority(), None).await?);
        with.extend(resident(world, options, registry.authority(), Some(server.address())).await?);
    }
    let (without, with) = (mebibytes(median(without)), mebibytes(median(with)));
    println!("without the API {without:>6.2} MiB resident, with {PODS} pods {with:>6.2} MiB");
    Ok(Goal { what: "MiB resident more with 250 pods than without the API", measured: with - without, at_most: 3.0 })
}

/// Once a cycle, in bytes, after everything is known.
async fn resident(
    world: &World,
    options: &Options,
    registry: &str,
    server: Option<SocketAddr>,
) -> io::Result<Vec<u64>> {
    let address = SocketAddr::new(LOOPBACK, free_port()?);
    let settings = format!(
        "node: {{host_root: {}, name: bench, containerd_version: \"2.1\"}}\nprobe: {{interval: {}s}}\nweb: {{listen: [\"{address}\"]}}\n\
         targets: {{discover: {{sandbox_image: false}}, registries: [\"{registry}\"]}}\n",
        world.node.root().display(),
        INTERVAL.as_secs(),
    );
    let settings = world.write("pods/settings.yaml", &settings)?;
    let mut command = Command::new(&options.pullprobe);
    command.arg("run").arg("--config").arg(settings);
    command.env_remove("KUBERNETES_SERVICE_HOST");
    if let Some(server) = server {
        command.env("KUBERNETES_SERVICE_HOST", server.ip().to_string());
        command.env("KUBERNETES_SERVICE_PORT", server.port().to_string());
    }
    let running = Running::start(&mut command, world.log("pods/log")?)?;
    eventually(async || {
        let Ok(metrics) = http::get(address, "/metrics").await else { return false };
        http::sum(&metrics, "pullprobe_endpoint_up", "") > 0.0
            && (http::sum(&metrics, "pullprobe_kubernetes_api_up", "") > 0.0) == server.is_some()
    })
    .await?;
    let mut resident = Vec::new();
    for _ in 0..options.cycles {
        tokio::time::sleep(INTERVAL).await;
        // Scraped once a cycle, as Prometheus would.
        http::get(address, "/metrics").await?;
        resident.push(running.memory()?.0);
    }
    Ok(resident)
}

fn mount_account(world: &World, server: &Kubernetes) -> io::Result<()> {
    server.mount(&world.path("secrets").join(ACCOUNT))?;
    if !Path::new(SECRETS).exists() {
        std::fs::create_dir_all(SECRETS)?;
    }
    let status = Command::new("mount").arg("--bind").arg(world.path("secrets")).arg(SECRETS).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{SECRETS} could not be put in place"))) }
}

/// As they are in clusters: most of it is of no use to the agent.
fn pod(number: usize) -> Value {
    let environment: Vec<Value> = (0..24)
        .map(|it| json!({"name": format!("SETTING_{it}"), "value": format!("value {it} of pod {number}")}))
        .collect();
    let fields: Vec<String> = (0..60).map(|it| format!("f:field-{it}")).collect();
    let image = format!("pods.bench.test/team/app-{}:1.{number}", number % 40);
    json!({
        "metadata": {
            "name": format!("app-{number}"), "namespace": format!("team-{}", number % 20), "uid": format!("uid-{number}"),
            "labels": {"app.kubernetes.io/name": format!("app-{}", number % 40)},
            "managedFields": [{"manager": "kubelet", "operation": "Update", "fieldsV1": {"f:status": fields}}],
        },
        "spec": {
            "nodeName": "bench",
            "imagePullSecrets": [{"name": "registry"}],
            "containers": [{"name": "app", "image": image, "imagePullPolicy": "IfNotPresent", "env": environment}],
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "config", "configMap": {"name": "app"}}],
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [{
                "name": "app", "image": image, "imageID": format!("pods.bench.test/team/app@sha256:{number:064x}"),
                "ready": true, "restartCount": 0, "state": {"running": {"startedAt": "2026-11-01T10:00:00Z"}},
            }],
        },
    })
}

#[expect(clippy::cast_precision_loss, reason = "fewer bytes than 2^52")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / MEBIBYTE
}

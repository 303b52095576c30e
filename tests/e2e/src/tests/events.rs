//! Pods that fail for different reasons: the event that kubelet writes for each says what `check` predicts.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::Result;
use crate::cases::{Cases, NAMESPACE, Pod};
use crate::cluster::Cluster;
use crate::node::STATE;

/// Reasons of the events in question.
const REASONS: [&str; 3] = ["Failed", "InspectFailed", "ErrImageNeverPull"];

pub async fn predicted(cluster: &Cluster) -> Result {
    let cases = Cases::load()?;
    cases.create(cluster).await?;
    let mut differences = Vec::new();
    for pod in &cases.pod {
        if let Err(difference) = compare(cluster, &cases, pod).await {
            differences.push(format!("{}: {difference}", pod.name));
        }
    }
    println!("e2e: {} pods fail for their reason, {} differences", cases.pod.len(), differences.len());
    cases.remove(cluster).await?;
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}

async fn compare(cluster: &Cluster, cases: &Cases, pod: &Pod) -> Result {
    let answer = check(cluster, cases, pod).await?;
    let cause = answer["cause"].as_str().unwrap_or_default();
    if pod.cause.is_empty() {
        let message = format!("Container image \"{}\" is not present with pull policy of Never", pod.image);
        return said(cluster, pod, &message).await;
    }
    let message = answer["kubelet_message"].as_str().unwrap_or_default();
    said(cluster, pod, &in_words_of_1_20(message)).await?;
    if cause == pod.cause {
        Ok(())
    } else {
        Err(format!("the cause is {}, check says {cause}: {message}", pod.cause).into())
    }
}

/// What the program says of a pod's image, on the node and with the secrets that kubelet gets.
async fn check(cluster: &Cluster, cases: &Cases, pod: &Pod) -> Result<Value> {
    let directory = Path::new(STATE).join("check").join(&pod.name);
    let secrets = directory.join("secrets");
    cases.write_secrets(pod, &secrets)?;
    let settings = directory.join("pullprobe.yaml");
    std::fs::write(&settings, json!({"credentials": {"pull_secrets_dir": secrets}}).to_string())?;
    let mut check = Command::new(&cluster.pullprobe);
    check.env_clear().args(["check", &pod.image, "--format", "json", "--timeout", "60s", "--counted-pulls", "9"]);
    let output = check.arg("--config").arg(&settings).output().await?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("check: {error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(report["images"][0].clone())
}

/// Until an event of the pod says this. A first pull may have said something else: kubelet goes on without
/// a secret that it could not get in time.
async fn said(cluster: &Cluster, pod: &Pod, expected: &str) -> Result {
    let expected = without_volatile(expected);
    let path = format!("/api/v1/namespaces/{NAMESPACE}/events?fieldSelector=involvedObject.name={}", pod.name);
    let mut heard = Vec::new();
    let found = cluster.api.until(&path, "the event", |event| {
        let message = event["message"].as_str().unwrap_or_default();
        if !REASONS.iter().any(|reason| event["reason"] == *reason) || message.starts_with("Error: ") {
            return None;
        }
        let error = without_volatile(error_of(message, &pod.image));
        let is_it = error == expected;
        heard.push(error);
        is_it.then_some(())
    });
    match found.await {
        Ok(()) => Ok(()),
        Err(error) => {
            Err(format!("{error}\n  predicted {expected}\n  kubelet   {}", heard.join("\n            ")).into())
        }
    }
}

/// What of an event is the error itself: without kubelet's and gRPC's words before it.
fn error_of<'a>(message: &'a str, image: &str) -> &'a str {
    let error = message.strip_prefix(&format!("Failed to pull image \"{image}\": ")).unwrap_or(message);
    match error.strip_prefix("rpc error: code = ").and_then(|rest| rest.split_once(" desc = ")) {
        Some((_, inner)) => inner,
        None => error,
    }
}

/// The program speaks as the newest kubelet does: what 1.20 says in other words.
fn in_words_of_1_20(said: &str) -> String {
    let mut words = said.replacen("couldn't parse image name ", "couldn't parse image reference ", 1);
    if let (Some(open), Some(close)) = (words.find("repository name ("), words.find(") must be lowercase")) {
        words.replace_range(open + "repository name".len()..=close, "");
    }
    words.replace("DockerConfigJSON.auths.username of type", "DockerConfigJSON.auths of type")
}

/// Without the client's port, and without the time of a complaint about a certificate.
fn without_volatile(text: &str) -> String {
    let word = |word: &str| {
        if let Some((from, to)) = word.split_once("->") {
            let host = from.rsplit_once(':').map_or(from, |(host, _)| host);
            return format!("{host}:PORT->{to}");
        }
        if word.parse::<jiff::Timestamp>().is_ok() { "TIME".to_owned() } else { word.to_owned() }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn what_differs_between_two_pulls_is_left_out_and_nothing_else() {
        let text = "read tcp 192.0.2.10:41234->198.51.100.2:443: read: connection reset by peer";
        assert_eq!(
            without_volatile(text),
            "read tcp 192.0.2.10:PORT->198.51.100.2:443: read: connection reset by peer"
        );
        let text = "current time 2026-01-02T03:04:05Z is after 2025-01-02T03:04:05Z";
        assert_eq!(without_volatile(text), "current time TIME is after TIME");
    }

    #[test]
    fn an_error_is_what_follows_kubelets_words() {
        let said = "Failed to pull image \"a/b:1\": rpc error: code = Unknown desc = failed to resolve";
        assert_eq!(error_of(said, "a/b:1"), "failed to resolve");
        assert_eq!(error_of("Failed to pull image \"a/b:1\": illegal base64", "a/b:1"), "illegal base64");
    }
}

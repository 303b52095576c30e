//! Asks kubelet's code: `target/tools/bin/kubelet-keyring`, whose source is `tests/tools/keyring`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::case::{Case, Secret};
use super::{KUBELET_ROOT, Logins};
use crate::binary::repository;

/// Go begins its walk of a small map at one of eight places.
const TIMES: usize = 24;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    error: String,
    candidates: Option<Vec<Vec<Candidate>>>,
}

#[derive(Deserialize)]
struct Candidate {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// What it would try, as often as it is asked, or why it does not pull.
pub fn ask(scratch: &Path, case: &Case) -> Result<Vec<Logins>, String> {
    let secrets: Vec<Value> = case.secrets.iter().map(written).collect();
    let question = json!({
        "Node": scratch.join("node"), "KubeletRoot": KUBELET_ROOT, "Image": case.image, "Secrets": secrets, "Times": TIMES,
    });
    let program = repository("target/tools/bin/kubelet-keyring");
    let mut command = Command::new(&program);
    command.env_clear().env("HOME", "/root").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{}: {error}; `make tools` builds it", program.display());
    });
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap();
    let answer: Answer = serde_json::from_slice(&said.stdout)
        .unwrap_or_else(|error| panic!("{}: {error}: {}", program.display(), String::from_utf8_lossy(&said.stderr)));
    if !answer.error.is_empty() {
        return Err(answer.error);
    }
    let login = |one: Candidate| (one.username, one.password);
    Ok(answer.candidates.unwrap().into_iter().map(|list| list.into_iter().map(login).collect()).collect())
}

/// As the API server has it.
fn written(secret: &Secret) -> Value {
    let of_type = |key: &str| secret.data.iter().any(|(own, _)| own == key);
    let kind = match () {
        () if of_type(".dockerconfigjson") => "kubernetes.io/dockerconfigjson",
        () if of_type(".dockercfg") => "kubernetes.io/dockercfg",
        () => "Opaque",
    };
    let data: serde_json::Map<String, Value> =
        secret.data.iter().map(|(key, bytes)| (key.clone(), STANDARD.encode(bytes).into())).collect();
    json!({"metadata": {"name": secret.place}, "type": kind, "data": data})
}

/// The newest Go, in whose words pullprobe speaks, names the field of an entry too, where the Go of this kubelet
/// names only the table of entries.
pub fn words_of_1_20(words: &str) -> String {
    match words.split_once("DockerConfigJSON.auths.") {
        Some((before, behind)) => {
            let behind = behind.split_once(' ').map_or("", |(_, behind)| behind);
            format!("{before}DockerConfigJSON.auths {behind}")
        }
        None => words.to_owned(),
    }
}

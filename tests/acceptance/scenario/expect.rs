//! What has to be said, and where each way of asking differs from it.
//!
//! What is left out of a file has to be null, or absent, or empty in the answer.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::binary::repository;
use super::super::contradictions::{self, By};
use super::super::exposition::Exposition;
use super::said::{Daemon, Said};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub exit_code: i32,
    pub pullable: Option<bool>,
    pub runnable: Option<bool>,
    pub cause: Option<String>,
    #[serde(default)]
    pub also_possible: Vec<String>,
    pub stage: Option<String>,
    pub host: Option<String>,
    pub owner: Option<String>,
    /// In order, each as `resolve https://registry.example upstream 404 manifest_unknown`; `ok` stands
    /// for no cause and `-` for no status.
    pub attempts: Vec<String>,
    /// In the plan's order, each as `https://registry.example tls tls_expired`, `https://… ok`, or
    /// `https://… ? ?` where the answer is unknown.
    pub endpoints: Vec<String>,
    /// Those of them that the agent does not watch: no pull has succeeded with them yet.
    #[serde(default)]
    pub unwatched: Vec<String>,
    /// What the credential is found under.
    pub credential_key: Option<String>,
    /// Codes of the findings about the node's files, in order.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Of the image's quota.
    pub rate_limit: Option<String>,
    /// The bounds of what is left of the pause that it asks for.
    pub retry_after_seconds: Option<(u64, u64)>,
    /// What the check cost of it.
    #[serde(default)]
    pub counted_pulls: u64,
    /// The namespace is pullable, but not as configured.
    #[serde(default)]
    pub degraded: bool,
    /// What else the document has to say, by JSON pointer.
    #[serde(default)]
    pub evidence: BTreeMap<String, Value>,
}

/// Behind an endpoint of which nothing is known.
const UNTOLD: &str = " ? ?";

type Problems = Vec<String>;

impl Expect {
    pub fn judge_json(&self, said: &Said, problems: &mut Problems) {
        let (document, image) = said.image();
        same("exit code of check --format json", &said.json.code, &Some(self.exit_code), problems);
        self.judge_document("json", &document, problems);
        same("counted pulls", &image["counted_pulls"], &json!(self.counted_pulls), problems);
        let findings = items(&document["findings"]).iter().filter_map(|one| one["code"].as_str());
        // The machine may be a busy one: only who expects a slow stage looks for it.
        let matters = |code: &&str| *code != "slow_stage" || self.findings.iter().any(|expected| expected == code);
        let findings: Vec<&str> = findings.filter(matters).collect();
        for (pointer, wanted) in &self.evidence {
            same(pointer, &document.pointer(pointer), &Some(wanted), problems);
        }
        same("findings", &findings, &self.findings.iter().map(String::as_str).collect(), problems);
        if self.cause.is_some() {
            for field in ["summary", "fix"] {
                same(&format!("an empty {field}"), &(image[field] == ""), &false, problems);
            }
        }
        same("a message of kubelet", &image["kubelet_message"].is_string(), &(self.pullable == Some(false)), problems);
    }

    /// What `check` and `run` say alike.
    fn judge_document(&self, way: &str, document: &Value, problems: &mut Problems) {
        against_schema(way, document, problems);
        let by = if way == "run" { By::Run } else { By::Check };
        problems.extend(contradictions::of(document, by).contradictions.iter().map(|what| format!("{way}: {what}")));
        same(
            &format!("{way}: something unclassified"),
            &document.to_string().contains("unclassified"),
            &false,
            problems,
        );
        let image = &document["images"][0];
        let wanted = [
            ("pullable", json!(self.pullable)),
            ("runnable", json!(self.runnable)),
            ("cause", json!(self.cause)),
            ("also_possible", json!(self.also_possible)),
            ("stage", json!(self.stage)),
            ("host", json!(self.host)),
            ("owner", json!(self.owner)),
        ];
        for (field, wanted) in wanted {
            same(&format!("{way}: {field}"), &image[field], &wanted, problems);
        }
        let credential = image["credential"]["key"].as_str().map(str::to_owned);
        same(&format!("{way}: credential"), &credential, &self.credential_key, problems);
        let attempts: Vec<String> = items(&image["attempts"]).iter().map(attempt).collect();
        same(&format!("{way}: attempts"), &attempts, &self.attempts, problems);
        let endpoints: Vec<String> = items(&document["endpoints"]).iter().map(endpoint).collect();
        let wanted = if way == "run" { self.watched() } else { self.endpoints.clone() };
        same(&format!("{way}: endpoints"), &sorted(&endpoints), &sorted(&wanted), problems);
        if let Some(state) = &self.rate_limit {
            same(&format!("{way}: rate limit"), &image["rate_limit"]["state"], &json!(state), problems);
        }
        if let Some((least, most)) = self.retry_after_seconds {
            let pause = image["rate_limit"]["retry_after_seconds"].as_u64();
            let fits = pause.is_some_and(|pause| (least..=most).contains(&pause));
            same(&format!("{way}: pause of {pause:?} seconds"), &fits, &true, problems);
        }
    }

    pub fn judge_text(&self, said: &Said, problems: &mut Problems) {
        let (_, image) = said.image();
        same("exit code of check", &said.text.code, &Some(self.exit_code), problems);
        let first = said.text.stdout.lines().next().unwrap_or_default();
        let name = image["image"].as_str().or(image["requested"].as_str()).unwrap_or_default();
        let word = match (self.pullable, self.runnable) {
            (Some(true), Some(false)) => "pulls, but will not start",
            (Some(true), _) => "pullable",
            (Some(false), _) => "NOT PULLABLE",
            (None, _) => "unknown",
        };
        let cause = self.cause.as_ref().map(|cause| format!("  {cause}")).unwrap_or_default();
        let stage = self.stage.as_ref().map(|stage| format!(" at {stage}")).unwrap_or_default();
        same("first line", &first, &format!("{name}  {word}{cause}{stage}").as_str(), problems);
        if self.cause.is_some() {
            let fix = said.text.stdout.lines().find_map(|line| line.trim_start().strip_prefix("fix: "));
            same("fix:", &fix, &image["fix"].as_str(), problems);
        }
        let spent = said.text.stdout.contains(&format!("spent {} counted pull", self.counted_pulls));
        same("counted pulls in the text", &spent, &(self.counted_pulls > 0), problems);
        for other in &self.also_possible {
            same(&format!("{other} in the text"), &said.text.stdout.contains(other.as_str()), &true, problems);
        }
    }

    pub fn judge_agent(&self, said: &Said, problems: &mut Problems) {
        let strangers: Vec<_> = self.unwatched.iter().filter(|line| !self.endpoints.contains(line)).collect();
        same("unwatched hosts that are no endpoints", &strangers, &Vec::new(), problems);
        let Daemon { metrics, report, .. } = &said.agent;
        self.judge_document("run", report, problems);
        let (document, image) = said.image();
        self.judge_image_metrics(metrics, image["image"].as_str().unwrap_or_default(), problems);
        self.judge_endpoint_metrics(metrics, &document, problems);
    }

    /// By the registries' own books: three ways of asking cost no more than what each says.
    pub fn judge_cost(&self, counted: u64, problems: &mut Problems) {
        same("pulls that the registries counted", &counted, &(3 * self.counted_pulls), problems);
    }

    fn judge_image_metrics(&self, metrics: &Exposition, image: &str, problems: &mut Problems) {
        let gauge = |known: Option<bool>| known.map(|yes| f64::from(u8::from(yes)));
        let labels = [("image", image)];
        let pullable = metrics.value("pullprobe_image_pullable", &labels);
        same("pullprobe_image_pullable", &pullable, &gauge(self.pullable), problems);
        let supported = metrics.value("pullprobe_image_platform_supported", &labels);
        same("pullprobe_image_platform_supported", &supported, &gauge(self.runnable), problems);
        let failures: Vec<String> = metrics
            .of("pullprobe_image_failure_info", &labels)
            .iter()
            .map(|one| format!("{} {} {} {}", one.label("stage"), one.label("cause"), one.label("owner"), one.value))
            .collect();
        let wanted: Vec<String> = (self.cause.iter())
            .map(|cause| {
                let [stage, owner] = [&self.stage, &self.owner].map(|text| text.as_deref().unwrap_or_default());
                format!("{stage} {cause} {owner} 1")
            })
            .collect();
        same("pullprobe_image_failure_info", &failures, &wanted, problems);
    }

    fn watched(&self) -> Vec<String> {
        self.endpoints.iter().filter(|line| !self.unwatched.contains(line)).cloned().collect()
    }

    fn judge_endpoint_metrics(&self, metrics: &Exposition, document: &Value, problems: &mut Problems) {
        let failing = metrics.of("pullprobe_endpoint_failure_info", &[]).into_iter();
        let failing =
            failing.map(|one| format!("{} {} {}", one.label("endpoint"), one.label("stage"), one.label("cause")));
        let up = metrics.of("pullprobe_endpoint_up", &[]).into_iter().filter(|one| one.value > 0.0);
        let up = up.map(|one| format!("{} ok", one.label("endpoint")));
        let told: Vec<String> = failing.chain(up).collect();
        // What is unknown is neither up nor failing.
        let wanted: Vec<String> = self.watched().into_iter().filter(|line| !line.ends_with(UNTOLD)).collect();
        same("pullprobe_endpoint_failure_info and _up", &sorted(&told), &sorted(&wanted), problems);
        let Some(namespace) = document["endpoints"][0]["namespace"].as_str() else { return };
        let untold = self.endpoints.iter().all(|line| line.ends_with(UNTOLD));
        let told = (!untold).then_some(f64::from(u8::from(self.degraded)));
        let degraded = metrics.value("pullprobe_namespace_degraded", &[("namespace", namespace)]);
        same("pullprobe_namespace_degraded", &degraded, &told, problems);
    }
}

/// Against the schema that is published.
fn against_schema(way: &str, document: &Value, problems: &mut Problems) {
    let schema = std::fs::read_to_string(repository("docs/schema/report.v1.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    problems.extend(validator.iter_errors(document).map(|error| format!("{way}: {}: {error}", error.instance_path())));
}

fn attempt(attempt: &Value) -> String {
    let text = |field: &str| attempt[field].as_str().unwrap_or("?").to_owned();
    let status = attempt["http_status"].as_u64().map_or("-".to_owned(), |status| status.to_string());
    let ending = attempt["cause"].as_str().unwrap_or(if attempt["ok"] == true { "ok" } else { "?" });
    format!("{} {} {} {status} {ending}", text("operation"), text("endpoint"), text("role"))
}

fn endpoint(endpoint: &Value) -> String {
    let text = |field: &str| endpoint[field].as_str().unwrap_or("?");
    if endpoint["ok"] == true {
        format!("{} ok", text("endpoint"))
    } else {
        format!("{} {} {}", text("endpoint"), text("stage"), text("cause"))
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn sorted(lines: &[String]) -> BTreeSet<&str> {
    lines.iter().map(String::as_str).collect()
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, wanted: &T, problems: &mut Problems) {
    if found != wanted {
        problems.push(format!("{what}: found {found:?}, expected {wanted:?}"));
    }
}

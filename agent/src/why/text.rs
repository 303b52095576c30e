//! The answer for a terminal: verdict first, then what it rests on, then the fix.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::document::{Answer, Asked, Document, OtherNodes};
use crate::model::expiry::{span, to_the_minute};
use crate::redact::clean::Clean;

/// `color`: as a terminal shows it.
pub fn text(document: &Document, now: Timestamp, color: bool) -> String {
    let mut out = String::new();
    for answer in &document.containers {
        out.push_str(&container(answer, now, color));
        out.push('\n');
    }
    if document.left_out > 0 {
        let more = match document.left_out {
            1 => "1 more container waits for an image and was".to_owned(),
            many => format!("{many} more containers wait for an image and were"),
        };
        let _ = writeln!(out, "{more} not looked at\n");
    }
    for note in &document.notes {
        let _ = writeln!(out, "{note}");
    }
    out
}

fn container(answer: &Answer, now: Timestamp, color: bool) -> String {
    let paint = |code: &str, text: &str| if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() };
    let Answer { namespace, pod, container, image, summary, .. } = answer;
    let (tone, word) = match answer.pullable {
        Some(true) => ("32", "pullable"),
        Some(false) => ("31;1", "NOT PULLABLE"),
        None => ("33", "unknown"),
    };
    let cause = answer.cause.as_deref().map(|cause| format!("  {cause}")).unwrap_or_default();
    let owner = answer.owner.as_deref().map(|owner| format!("  (at fault: {owner})")).unwrap_or_default();
    let node = answer.node.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
    let mut out = String::new();
    let mut line = |name: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {}{text}", paint("2", name));
        }
    };
    line("", &format!("{}  {}{cause}{owner}", paint("1", image), paint(tone, word)));
    line("", summary);
    if !answer.also_possible.is_empty() {
        line("the same words can come from: ", &answer.also_possible.join(", "));
    }
    line("failing: ", &failing(answer, now).unwrap_or_default());
    line("waiting: ", &waiting(answer, now));
    for secret in &answer.pull_secrets {
        line(&format!("pull secret {}: ", secret.name), &format!("{} ({})", secret.detail, secret.state));
    }
    if answer.pull_secrets.is_empty() {
        line("pull secrets: ", "the pod names none");
    }
    for evidence in &answer.evidence {
        line("seen: ", evidence);
    }
    line("asked: ", &asked(&answer.asked, answer.node.as_deref()));
    line("fix: ", &answer.fix);
    line(
        "kubelet said: ",
        answer.kubelet_message.as_deref().map(one_line).as_deref().unwrap_or("nothing that says why"),
    );
    let predicted = answer.predicted_message.as_deref().map(one_line).unwrap_or_default();
    let is_said = answer.kubelet_message.as_deref().map(one_line).is_some_and(|said| said == predicted);
    line("predicted: ", if is_said { "the same words" } else { &predicted });
    if answer.message_agrees == Some(false) || (answer.pullable == Some(true) && answer.kubelet_message.is_some()) {
        line("", "kubelet's words do not come from this: they may be of an earlier try");
    }
    if let Some(OtherNodes { can, cannot, unknown, answered_for_another_node, not_asked }) = answer.other_nodes {
        let elsewhere = match answered_for_another_node {
            0 => String::new(),
            count => format!(" ({count} answered for another node)"),
        };
        let rest = if not_asked > 0 { format!(", {not_asked} not asked") } else { String::new() };
        line("other nodes: ", &format!("{can} can, {cannot} cannot, {unknown} unknown{elsewhere}{rest}"));
    }
    format!("{}\n{out}", paint("1", &format!("{namespace}/{pod} container {container}{node}")))
}

fn one_line(message: &str) -> String {
    Clean::line(&message.replace('\n', " ⏎ ")).into_string()
}

/// `None`: it is not known since when.
fn failing(answer: &Answer, now: Timestamp) -> Option<String> {
    let since = answer.failing_since.as_deref()?.parse::<Timestamp>().ok()?;
    let often = match answer.failures_24h {
        Some(times) if times > 1 => format!(", {times} times in 24 hours"),
        _ => String::new(),
    };
    let lasts = span(now.duration_since(since));
    Some(format!("since {} ({lasts}){often}, as the agent's own probes see it", to_the_minute(since)))
}

fn waiting(answer: &Answer, now: Timestamp) -> String {
    let since = answer.since.as_deref().and_then(|since| since.parse::<Timestamp>().ok());
    let since = since.map(|since| format!(" for {}", span(now.duration_since(since)))).unwrap_or_default();
    let next = answer.next_try_estimated_at.as_deref().and_then(|next| next.parse::<Timestamp>().ok());
    let next = next.map(|next| format!("; kubelet probably tries again in {}", span(next.duration_since(now))));
    format!("{}{since}, imagePullPolicy {}{}", answer.waiting_reason, answer.pull_policy, next.unwrap_or_default())
}

fn asked(asked: &Asked, node: Option<&str>) -> String {
    let agent = asked.agent.as_deref().unwrap_or_default();
    let node = node.unwrap_or("the node");
    match asked.way.as_str() {
        "exec" => format!("the agent of {node} ({agent}), with the pod's pull secrets"),
        "summary" => format!("the last report of the agent of {node} ({agent}), because {}", asked.because),
        _ => format!("nobody on {node}, because {}", asked.because),
    }
}

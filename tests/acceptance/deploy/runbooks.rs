//! What a runbook tells to run answers for the node of the alert, wherever the person who reads it sits.

use super::tools::{files, text};

const IN_THE_POD: &str = "kubectl -n pullprobe exec AGENT_POD -- /pullprobe ";
const FORWARD: &str = "kubectl -n pullprobe port-forward AGENT_POD 10048";
/// They read files of the machine that they run on, or ask from its network.
const OF_THE_NODE: [&str; 4] = ["check", "plan", "lint", "hosts"];
/// They ask the cluster, or nobody.
const ANYWHERE: [&str; 3] = ["why", "fleet", "explain"];

/// The name and the text of each runbook.
fn runbooks() -> Vec<(String, String)> {
    let named = |file: &std::path::PathBuf| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let read = |file: &std::path::PathBuf| (named(file), std::fs::read_to_string(file).unwrap());
    files("docs/runbooks").iter().map(read).collect()
}

/// What stands between backticks.
fn commands(runbook: &str) -> impl Iterator<Item = &str> {
    runbook.split('`').skip(1).step_by(2)
}

/// What is wrong with a command. Empty: nothing.
fn fault(command: &str) -> Option<&'static str> {
    let verb = |rest: &str| rest.split_whitespace().next().unwrap_or_default().to_owned();
    if let Some(rest) = command.strip_prefix(IN_THE_POD) {
        return (!OF_THE_NODE.contains(&&*verb(rest))).then_some("is no question about a node");
    }
    if let Some(rest) = command.strip_prefix("kubectl pullprobe ") {
        // Of a directory on one's own machine.
        let of_a_copy = OF_THE_NODE.contains(&&*verb(rest)) && rest.contains("--host-root DIR");
        return (!ANYWHERE.contains(&&*verb(rest)) && !of_a_copy).then_some("answers for the reader's own machine");
    }
    let program = command.split_whitespace().any(|word| word == "/pullprobe") || command.starts_with("pullprobe ");
    program.then_some("does not say where to run it")
}

#[test]
fn each_command_of_a_runbook_asks_the_node_and_not_the_readers_machine() {
    let mut seen = 0;
    for (name, runbook) in runbooks() {
        assert_eq!(runbook.matches('`').count() % 2, 0, "{name}: a backtick has no other one");
        for command in commands(&runbook) {
            assert_eq!(fault(command), None, "{name}: {command}");
            seen += usize::from(command.contains("pullprobe exec "));
        }
        assert!(!runbook.contains("AGENT_POD") || runbook.contains("(../alerts.md#the-agent-of-a-node)"), "{name}");
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn a_command_that_answers_for_another_machine_is_told() {
    for wrong in [
        "pullprobe plan REGISTRY",
        "pullprobe lint",
        "kubectl pullprobe check IMAGE",
        "kubectl exec ds/pullprobe -- /pullprobe lint",
        "kubectl -n pullprobe exec AGENT_POD -- /pullprobe fleet",
    ] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
    assert_eq!(fault("kubectl -n pullprobe exec AGENT_POD -- /pullprobe lint"), None);
}

/// The alert says which registry: a runbook that names one sends the reader to another.
#[test]
fn no_command_of_a_runbook_names_a_registry_of_its_own() {
    for (name, runbook) in runbooks() {
        for command in commands(&runbook).filter(|command| command.contains(' ')) {
            assert!(!command.contains("docker.io") && !command.contains("registry.k8s.io"), "{name}: {command}");
        }
        let registry = commands(&runbook).any(|command| command.contains("REGISTRY"));
        assert!(!registry || runbook.contains("label `namespace`") || name.ends_with("ConfigDrift"), "{name}: which?");
    }
}

/// Most agents show page and report to readers on the node alone, and the image has no shell.
#[test]
fn who_is_sent_to_a_page_or_report_is_told_how_to_reach_it() {
    let mut sent = 0;
    for (name, runbook) in runbooks() {
        let words = runbook.replace('\n', " ");
        let is_sent =
            words.contains("report of an agent") || words.contains("page of a node") || words.contains("/api/v1/");
        assert!(!is_sent || words.contains(FORWARD), "{name}");
        assert!(
            !words.contains("/api/v1/report") || words.contains("curl -s localhost:10048/api/v1/report | jq"),
            "{name}"
        );
        sent += usize::from(is_sent);
    }
    assert!(sent > 4, "{sent}");
}

/// While few pulls are left, a runbook must not cost one.
#[test]
fn a_runbook_about_pull_limits_spends_no_pull() {
    for (name, runbook) in runbooks().iter().filter(|(name, _)| name.contains("RateLimit")) {
        assert!(!commands(runbook).any(|command| command.contains("/pullprobe check")), "{name}");
    }
}

#[test]
fn the_agents_pod_is_found_by_the_name_and_by_the_address_of_its_node() {
    let page = text("docs/alerts.md");
    let (_, section) = page.split_once("\n## The agent of a node\n").unwrap();
    for words in ["AGENT_POD", "spec.nodeName=", "status.podIP="] {
        assert!(section.contains(words), "{words}");
    }
}

//! With which Go the running daemon was built: the CRI says so where it is asked for more than its state.

use std::collections::HashMap;

use go::release::Release;

use super::{HostRoot, ask, socket};

#[derive(Clone, PartialEq, prost::Message)]
struct StatusRequest {
    #[prost(bool, tag = "1")]
    verbose: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    /// Each value is JSON.
    #[prost(map = "string, string", tag = "2")]
    info: HashMap<String, String>,
}

/// `None`: it does not answer, or not that.
pub async fn golang(root: &HostRoot, named: Option<&str>) -> Option<Release> {
    let (_, reachable) = socket(root, named)?;
    let request = StatusRequest { verbose: true };
    let answer: StatusResponse = ask(reachable, "/runtime.v1.RuntimeService/Status", request).await.ok()?;
    of_info(&answer.info)
}

fn of_info(info: &HashMap<String, String>) -> Option<Release> {
    serde_json::from_str::<String>(info.get("golang")?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_of_go_stands_in_the_information_as_json() {
        let told = |text: &str| of_info(&HashMap::from([("golang".to_owned(), text.to_owned())]));
        assert_eq!(told("\"go1.25.11\""), Some(Release::new(25, 11)));
        assert_eq!((told("go1.25.11"), told("\"devel\""), of_info(&HashMap::new())), (None, None, None));
    }
}

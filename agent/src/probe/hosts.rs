//! Every host of a registry with its stages: those of the plan, and those that they send to.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use tokio::time::Instant as Deadline;

use super::Question;
use crate::model::dependency::Dependency;
use crate::model::host::Endpoint;
use crate::model::report::EndpointReport;
use crate::plan::{Plan, plan};
use crate::registry::endpoint;

/// Hosts that no plan names, and why a pull needs them.
pub type Dependencies = BTreeMap<Endpoint, Dependency>;

/// Every host of a registry's plan, and those that they send to now or sent to before, save those that
/// are to be left alone.
pub async fn registry(
    question: &Question<'_>,
    domain: &str,
    remembered: &Dependencies,
    left_alone: &BTreeSet<Endpoint>,
) -> Vec<EndpointReport> {
    let deadline = Deadline::now() + question.timeout;
    let plan = plan(question.containerd, domain);
    let mut endpoints = planned(question, domain, &plan, left_alone, deadline).await;
    let remembered = remembered.iter().filter(|(endpoint, _)| !left_alone.contains(endpoint));
    endpoints.extend(dependencies(question, domain, &plan, remembered, deadline).await);
    endpoints
}

/// The hosts that the registry's own have sent to in this cycle.
pub async fn dependents(question: &Question<'_>, domain: &str) -> Vec<EndpointReport> {
    let plan = plan(question.containerd, domain);
    dependencies(question, domain, &plan, [], Deadline::now() + question.timeout).await
}

/// The planned hosts that were not probed before the cycle was over.
pub fn not_reached(question: &Question<'_>, domain: &str) -> Vec<EndpointReport> {
    let plan = plan(question.containerd, domain);
    plan.hosts.iter().map(|host| endpoint::not_reached(question.network, domain, host)).collect()
}

/// Without kubelet's credential: it belongs to an image, and goes only where the walk leads.
pub(super) async fn planned(
    question: &Question<'_>,
    domain: &str,
    plan: &Plan,
    left_alone: &BTreeSet<Endpoint>,
    deadline: Deadline,
) -> Vec<EndpointReport> {
    let mut seen = BTreeSet::new();
    let asked = plan.hosts.iter().filter(|host| !left_alone.contains(&host.endpoint));
    let once = asked.filter(|host| seen.insert(&host.endpoint));
    join_all(once.map(|host| Box::pin(endpoint::probe(question.network, domain, host, deadline)))).await
}

/// The hosts that no plan names. Whoever was sent there in this cycle has probed them already.
pub(super) async fn dependencies<'a>(
    question: &Question<'_>,
    domain: &str,
    plan: &Plan,
    remembered: impl IntoIterator<Item = (&'a Endpoint, &'a Dependency)>,
    deadline: Deadline,
) -> Vec<EndpointReport> {
    let mut dependencies = question.network.dependencies.of(domain);
    for (endpoint, need) in remembered {
        dependencies.entry(endpoint.clone()).or_default().merge(&Dependency { seen: false, ..need.clone() });
    }
    dependencies.retain(|endpoint, _| !plan.hosts.iter().any(|host| host.endpoint.same_place(endpoint)));
    let connect_to = |(endpoint, need): (Endpoint, Dependency)| async move {
        let via = plan.hosts.iter().filter(|host| need.via.contains(&host.endpoint));
        let connect_to = |via| endpoint::dependent(question.network, domain, &endpoint, &need, via, deadline);
        let reports = join_all(via.map(connect_to)).await;
        // With the TLS settings of one host it may work and with those of another not.
        reports.into_iter().min_by_key(EndpointReport::ok)
    };
    join_all(dependencies.into_iter().map(|need| Box::pin(connect_to(need)))).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::Timestamp;
    use tokio::net::TcpListener;

    use super::*;
    use crate::credentials::Credentials;
    use crate::environment::ProxyRules;
    use crate::host::resolv::Names;
    use crate::host::root::HostRoot;
    use crate::image::platform::Platform;
    use crate::model::outcome::{Outcome, Skip};
    use crate::node::containerd::{Containerd, ContainerdOptions};
    use crate::observation::distribution::DistributionTerms;
    use crate::pull::attempt::PullBudget;
    use crate::route::network::{Network, Timeouts};
    use crate::tls::NodeTrust;

    /// A node without files asks the registry that it is given.
    async fn ask(domain: &str, timeout: Duration) -> Vec<EndpointReport> {
        let directory = tempfile::tempdir().unwrap();
        let root = HostRoot::open(directory.path()).unwrap();
        let containerd = Containerd::load(&root, &ContainerdOptions::default());
        let (names, trust, proxies) =
            (Arc::new(Names::load(&root)), Arc::<NodeTrust>::default(), Arc::<ProxyRules>::default());
        let network = Network::new(names, trust, proxies, Timeouts::default(), containerd.version, Timestamp::now());
        let question = Question {
            containerd: &containerd,
            credentials: &Credentials::default(),
            platform: &Platform::new("linux", "amd64", ""),
            network: &network,
            budget: &PullBudget::new(0),
            terms: &DistributionTerms::default(),
            timeout,
        };
        if timeout.is_zero() {
            not_reached(&question, domain)
        } else {
            registry(&question, domain, &Dependencies::new(), &BTreeSet::new()).await
        }
    }

    #[tokio::test]
    async fn a_registry_that_hangs_is_reported_as_out_of_time_when_its_time_is_over() {
        // It accepts, and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let domain = silent.local_addr().unwrap().to_string();
        let began = std::time::Instant::now();
        let reports = ask(&domain, Duration::from_millis(300)).await;
        assert!(began.elapsed() < Duration::from_secs(5));
        let [report] = &reports[..] else { panic!("{reports:?}") };
        assert_eq!(report.up(), None);
        assert!(matches!(report.stages.ping.outcome, Outcome::Skipped(Skip::OutOfTime)), "{report:?}");
    }

    #[tokio::test]
    async fn a_registry_that_nobody_got_to_has_all_its_hosts_reported_as_that() {
        let reports = ask("r.example", Duration::ZERO).await;
        let [report] = &reports[..] else { panic!("{reports:?}") };
        assert!(
            report
                .stages
                .lines()
                .iter()
                .all(|line| { matches!(line.result, crate::model::report::StageResult::Skipped(Skip::OutOfTime)) })
        );
    }
}

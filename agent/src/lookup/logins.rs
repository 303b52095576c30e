//! The logins that a pod brings: its secrets, its service account, and what else the namespace has.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::access::{Cluster, Refusal, path, query};
use crate::pods::{PAGE_LIMIT, TextList};
use crate::pull_secrets::{self, PullSecret, TYPES};
use crate::redact::clean::Clean;
use crate::why::{Account, Logins, NamedSecret, SecretState};

/// More secrets of a namespace than these are not looked at.
const BESIDE: &str = "100";
/// The API server takes no longer secret; its answer has it in base64, with other fields around it.
const SECRET_LIMIT: usize = 2 << 20;
const LIST_LIMIT: usize = 16 << 20;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Named {
    pub name: Clean,
}

#[derive(Deserialize)]
struct ServiceAccount {
    #[serde(rename = "imagePullSecrets", default)]
    secrets: TextList<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PartialObjects {
    items: TextList<PartialObject, PAGE_LIMIT>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PartialObject {
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    namespace: Clean,
}

/// What one pod brings, and the document that hands it to an agent.
pub struct Brought {
    pub logins: Logins,
    /// A list of the secrets that could be read, in the pod's order.
    pub document: Zeroizing<Vec<u8>>,
}

/// A secret as it was found, and what an agent is sent of it where it could be read.
type Fetched = (SecretState, Zeroizing<Vec<u8>>);

/// Each secret and account is asked for once.
pub struct Reader<'c> {
    cluster: &'c Cluster,
    secrets: BTreeMap<(Clean, Clean), Fetched>,
    accounts: BTreeMap<(Clean, Clean), Option<Vec<Clean>>>,
    beside: BTreeMap<Clean, Option<Vec<PullSecret>>>,
}

impl<'c> Reader<'c> {
    pub const fn new(cluster: &'c Cluster) -> Self {
        Self { cluster, secrets: BTreeMap::new(), accounts: BTreeMap::new(), beside: BTreeMap::new() }
    }

    /// The document of a service account's pull secrets: what a pod without its own brings.
    pub async fn of_account(&mut self, namespace: &Clean, name: &Clean) -> Result<Zeroizing<Vec<u8>>, String> {
        let place = || format!("service account {name} in namespace {namespace}");
        let wanted = self
            .account(namespace, name)
            .await
            .ok_or_else(|| format!("{} is not there, or you may not read it", place()))?;
        if wanted.is_empty() {
            return Err(format!("{} has no pull secrets", place()));
        }
        let brought = self.of_pod(namespace, name, &wanted).await;
        let unread = brought.logins.named.iter().find(|one| !matches!(one.state, SecretState::Read(_)));
        match unread {
            Some(secret) => Err(format!("the pull secret {} of {} cannot be read", secret.name, place())),
            None => Ok(brought.document),
        }
    }

    pub async fn of_pod(&mut self, namespace: &Clean, account: &Clean, wanted: &[Clean]) -> Brought {
        let mut named = Vec::new();
        let mut document = Zeroizing::new(br#"{"kind":"List","items":["#.to_vec());
        let mut is_first = true;
        for name in wanted {
            let (state, sent) = self.secret(namespace, name).await;
            if !sent.is_empty() {
                if !is_first {
                    document.push(b',');
                }
                is_first = false;
                document.extend_from_slice(&sent);
            }
            named.push(NamedSecret { name: name.clone(), state });
        }
        document.extend_from_slice(b"]}");
        let wanting = named.is_empty() || named.iter().any(|one| matches!(one.state, SecretState::Missing(_)));
        let beside = if wanting { self.beside(namespace).await } else { None };
        let account = Account { name: account.clone(), secrets: self.account(namespace, account).await };
        Brought { logins: Logins { named, account, beside }, document }
    }

    async fn secret(&mut self, namespace: &Clean, name: &Clean) -> Fetched {
        let key = (namespace.clone(), name.clone());
        if let Some((state, sent)) = self.secrets.get(&key) {
            return (state.clone(), sent.clone());
        }
        let read =
            self.cluster.get(&path(&["api", "v1", "namespaces", namespace, "secrets", name]), SECRET_LIMIT).await;
        let found = match read {
            Ok(object) => match pull_secrets::read_one(&object) {
                Ok((secret, sent)) => (SecretState::Read(secret), sent),
                Err(why) => (SecretState::Unknown(why.into()), Zeroizing::default()),
            },
            Err(Refusal::NotFound(_)) => {
                (SecretState::Missing(self.elsewhere(namespace, name).await), Zeroizing::default())
            }
            Err(Refusal::Forbidden(_)) => (SecretState::Forbidden, Zeroizing::default()),
            Err(other) => (SecretState::Unknown(other.to_string().into()), Zeroizing::default()),
        };
        self.secrets.insert(key, found.clone());
        found
    }

    /// Only names are asked for, and no contents.
    async fn elsewhere(&self, namespace: &Clean, name: &Clean) -> Option<Vec<Clean>> {
        let wanted = format!(
            "/api/v1/secrets?{}",
            query(&[("fieldSelector", &format!("metadata.name={name}")), ("limit", BESIDE)])
        );
        let found: PartialObjects = decoded(&self.cluster.names(&wanted, LIST_LIMIT).await.ok()?)?;
        let mut others: Vec<Clean> =
            found.items.into_entries().into_iter().map(|item| item.metadata.namespace).collect();
        others.retain(|other| other != namespace);
        others.sort();
        Some(others)
    }

    /// Of the usual type. `None`: the user may not list them.
    async fn beside(&mut self, namespace: &Clean) -> Option<Vec<PullSecret>> {
        if let Some(known) = self.beside.get(namespace) {
            return known.clone();
        }
        let wanted = query(&[("fieldSelector", &format!("type={}", TYPES[0].0)), ("limit", BESIDE)]);
        let wanted = format!("{}?{wanted}", path(&["api", "v1", "namespaces", namespace, "secrets"]));
        let listed = self.cluster.get(&wanted, LIST_LIMIT).await.ok();
        let found = listed.and_then(|listed| pull_secrets::read(&listed).ok());
        self.beside.insert(namespace.clone(), found.clone());
        found
    }

    async fn account(&mut self, namespace: &Clean, name: &Clean) -> Option<Vec<Clean>> {
        let key = (namespace.clone(), name.clone());
        if let Some(known) = self.accounts.get(&key) {
            return known.clone();
        }
        let wanted = path(&["api", "v1", "namespaces", namespace, "serviceaccounts", name]);
        let read = self.cluster.get(&wanted, SECRET_LIMIT).await.ok().and_then(|read| decoded::<ServiceAccount>(&read));
        let found = read.map(|account| account.secrets.into_entries().into_iter().map(|one| one.name).collect());
        self.accounts.insert(key, found.clone());
        found
    }
}

/// The answer as a value, and nothing of it in a message if it is none.
pub fn decoded<T: DeserializeOwned>(answer: &[u8]) -> Option<T> {
    serde_json::from_slice(answer).ok()
}

//! Pull secrets that are mounted for pullprobe, as if a pod named all of them.
//!
//! A secret is a directory that holds `.dockerconfigjson` or `.dockercfg`, as Kubernetes mounts it.
//! The given directory is one itself, or has them as `NAMESPACE/NAME/`, `NAMESPACE_NAME/` or `NAME/`.
//! It is looked up in pullprobe's own file system, not on the node: kubelet has no such directory.

use std::path::{Path, PathBuf};

use super::FILE_LIMIT;
use crate::host::root::{Entry, EntryKind, HostRoot, ReadError};
use crate::keyring::dockerconfig::{DockerConfig, FIELDS, Form, Malformed, has_too_many_fields};
use crate::keyring::inaccessible::{self, Inaccessible};
use crate::keyring::lint;
use crate::model::credential::CredentialSource;
use crate::model::finding::{Finding, Severity};
use crate::pull_secrets::{self, Content};

const KEYS: [(&str, Form); 2] = [(".dockerconfigjson", Form::ConfigJson), (".dockercfg", Form::Dockercfg)];
/// Stands for a namespace that the layout does not tell.
const UNKNOWN_NAMESPACE: &str = "-";

#[derive(Debug)]
pub struct MountedSecret {
    pub source: CredentialSource,
    /// Where it is mounted. Empty: it is not.
    pub file: String,
    pub config: DockerConfig,
}

#[derive(Debug, Default)]
pub struct PullSecrets {
    pub secrets: Vec<MountedSecret>,
    /// The first that does not parse: in words, and in kubelet's. kubelet then does not pull at all.
    pub malformed: Option<(String, String)>,
    /// What may be a secret, or hold some.
    pub unread: Vec<Inaccessible>,
    pub findings: Vec<Finding>,
}

impl PullSecrets {
    pub fn load(dir: &Path) -> Self {
        let mut all = Self::default();
        let root = match HostRoot::open(dir) {
            Ok(root) => root,
            Err(error) => {
                all.miss(dir.display().to_string(), &error);
                return all;
            }
        };
        let own_name = dir.file_name().map_or_else(|| "pull-secret".into(), |name| name.to_string_lossy().into_owned());
        if all.take(&root, Path::new("/"), UNKNOWN_NAMESPACE, &own_name) {
            return all;
        }
        for outer in all.subdirectories(&root, Path::new("/")) {
            let outer_name = name_of(&outer);
            // Neither a namespace nor a secret's name can have an underscore.
            let (namespace, name) = outer_name.split_once('_').unwrap_or((UNKNOWN_NAMESPACE, &outer_name));
            if all.take(&root, &outer, namespace, name) {
                continue;
            }
            let inner = all.subdirectories(&root, &outer);
            let taken = inner.iter().filter(|dir| all.take(&root, dir, &outer_name, &name_of(dir))).count();
            if taken == 0 {
                all.findings.push(without_key(&root, &outer));
            }
        }
        all
    }

    /// Those of one pod, as the API has them. What kubelet ignores is told.
    pub fn of_pod(secrets: &[pull_secrets::PullSecret]) -> Self {
        let mut all = Self::default();
        for secret in secrets {
            let (namespace, name) = (&secret.namespace, &secret.name);
            let shown = secret.source().to_string();
            match &secret.content {
                Content::Logins(config) => all.keep(namespace, name, String::new(), &shown, config.clone()),
                Content::Malformed(malformed) => all.refuse(namespace, name, &shown, malformed.clone()),
                Content::OtherType(kind) => all.findings.push(ignored(&shown, namespace, name, kind)),
                Content::WithoutKey(key) => {
                    let message = format!("kubelet ignores this secret: it has nothing at `{key}`");
                    let finding =
                        Finding::new(Severity::Warning, "pull_secret_without_key", message, anew(namespace, name));
                    all.findings.push(finding.in_file(shown));
                }
            }
        }
        all
    }

    fn miss(&mut self, place: String, error: &ReadError) {
        let unread = Inaccessible::new(place, error);
        self.findings.push(unread.finding());
        if inaccessible::is_closed(error) {
            self.unread.push(unread);
        }
    }

    fn subdirectories(&mut self, root: &HostRoot, dir: &Path) -> Vec<PathBuf> {
        let entries = root.list(dir).unwrap_or_else(|error| {
            self.miss(shown(root, dir), &error);
            Vec::new()
        });
        // `..data` and its like are how Kubernetes swaps a mounted secret.
        let wanted =
            |entry: &Entry| entry.kind == EntryKind::Directory && !entry.name.to_string_lossy().starts_with('.');
        entries.into_iter().filter(wanted).map(|entry| dir.join(entry.name)).collect()
    }

    /// Whether the directory is a secret. Its type is not to be seen in a mount: where it has both keys, it is
    /// taken to be of the newer type, and kubelet looks at the key of the type alone.
    fn take(&mut self, root: &HostRoot, dir: &Path, namespace: &str, name: &str) -> bool {
        for (key, form) in KEYS {
            let path = dir.join(key);
            let shown = shown(root, &path);
            match root.read(&path, FILE_LIMIT) {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) if has_too_many_fields(&bytes) => {
                    self.miss(shown, &ReadError::TooMany { path, limit: FIELDS });
                    return true;
                }
                Ok(bytes) => self.add(&shown, form, &bytes, namespace, name),
                Err(error) if error.is_not_found() => continue,
                Err(error) => {
                    self.miss(shown, &error);
                    return true;
                }
            }
            self.findings.extend(type_unseen(root, dir, key, namespace, name));
            return true;
        }
        false
    }

    fn add(&mut self, shown: &str, form: Form, bytes: &[u8], namespace: &str, name: &str) {
        match DockerConfig::parse(bytes, form) {
            Ok(config) => self.keep(namespace, name, shown.to_owned(), shown, config),
            Err(malformed) => self.refuse(namespace, name, shown, malformed),
        }
    }

    fn keep(&mut self, namespace: &str, name: &str, file: String, shown: &str, config: DockerConfig) {
        self.findings.extend(lint::entries(shown, &config).into_iter().filter(|f| f.code != "credentials_file_empty"));
        let source = CredentialSource::PullSecret(namespace.into(), name.into());
        self.secrets.push(MountedSecret { source, file, config });
    }

    fn refuse(&mut self, namespace: &str, name: &str, shown: &str, malformed: Malformed) {
        let secret = format!("pull secret {namespace}/{name}");
        let message = format!("{secret} stops every pull of a pod that names it: {}", malformed.reason);
        let finding = Finding::new(Severity::Error, "pull_secret_malformed", message, anew(namespace, name));
        self.findings.push(Finding { position: malformed.position, ..finding.in_file(shown) });
        self.malformed.get_or_insert_with(|| (format!("{secret}: {malformed}"), malformed.words));
    }
}

fn anew(namespace: &str, name: &str) -> String {
    format!("create it again with `kubectl create secret docker-registry {name} -n {namespace}`")
}

fn ignored(shown: &str, namespace: &str, name: &str, kind: &str) -> Finding {
    let message = format!("kubelet ignores this secret without a word: its type is {kind}");
    let fix = format!("delete it, for a type cannot be changed, and {}", anew(namespace, name));
    Finding::new(Severity::Warning, "pull_secret_type_ignored", message, fix).in_file(shown)
}

fn name_of(dir: &Path) -> String {
    dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn shown(root: &HostRoot, path: &Path) -> String {
    root.dir().join(path.strip_prefix("/").unwrap_or(path)).display().to_string()
}

fn without_key(root: &HostRoot, dir: &Path) -> Finding {
    let message =
        "no pull secret: it holds neither `.dockerconfigjson` nor `.dockercfg`, and kubelet ignores such a secret";
    let fix = "create it with type kubernetes.io/dockerconfigjson and mount all its keys";
    Finding::new(Severity::Warning, "pull_secret_without_key", message, fix).in_file(shown(root, dir))
}

/// A secret that was made for its key alone has nothing beside it.
fn type_unseen(root: &HostRoot, dir: &Path, key: &str, namespace: &str, name: &str) -> Option<Finding> {
    let entries = root.list(dir).ok()?;
    let names = entries.iter().map(|entry| entry.name.to_string_lossy());
    // `..data` and its like are of the mount.
    let beside = names.filter(|name| name != key && !name.starts_with("..")).min()?;
    let kind = if key == KEYS[0].0 { "kubernetes.io/dockerconfigjson" } else { "kubernetes.io/dockercfg" };
    let message = format!(
        "pull secret {namespace}/{name} has `{beside}` beside `{key}`, so its type may be Opaque: kubelet would ignore it \
         without a word. pullprobe cannot see the type and takes it for {kind}"
    );
    let namespace = if namespace == UNKNOWN_NAMESPACE { "NAMESPACE" } else { namespace };
    let fix = format!(
        "check the type with `kubectl get secret {name} -n {namespace} -o jsonpath={{.type}}`. If it is another, make the \
         secret anew with `kubectl create secret docker-registry`: a type cannot be changed"
    );
    Some(Finding::new(Severity::Warning, "pull_secret_type_doubtful", message, fix).in_file(shown(root, dir)))
}

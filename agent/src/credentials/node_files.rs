//! The node's own credential files: where kubelet looks, and which one it takes.

use std::path::{Path, PathBuf};

use super::{CredentialOptions, FILE_LIMIT};
use crate::host::root::{HostRoot, ReadError};
use crate::keyring::dockerconfig::{DockerConfig, FIELDS, Form, Malformed, has_too_many_fields};
use crate::keyring::inaccessible::{self, Inaccessible};
use crate::keyring::lint;
use crate::model::finding::Finding;

/// What was found on the way to the file that kubelet uses.
#[derive(Debug, Default)]
pub struct NodeFiles {
    /// The first that parses. `None`: kubelet pulls without.
    pub used: Option<(String, DockerConfig)>,
    /// Those that kubelet met before it, and skipped without a word.
    pub rejected: Vec<(String, Malformed)>,
    /// Those before it that kubelet may read.
    pub unread: Vec<Inaccessible>,
    pub findings: Vec<Finding>,
}

impl NodeFiles {
    pub fn load(root: &HostRoot, options: &CredentialOptions) -> Self {
        let mut files = Self::default();
        for (path, form) in search_order(options) {
            let shown = path.display().to_string();
            match root.read(&path, FILE_LIMIT) {
                Ok(bytes) if has_too_many_fields(&bytes) => {
                    files.miss(shown, &ReadError::TooMany { path, limit: FIELDS });
                }
                Ok(bytes) => files.take(shown, form, &bytes),
                Err(error) if error.is_not_found() && !inaccessible::is_link_out_of_sight(root, &path) => {}
                // A component of the path is a file: kubelet goes on as if nothing were there.
                Err(ReadError::Os(_, errno)) if errno == rustix::io::Errno::NOTDIR => {}
                Err(error) => files.miss(shown, &error),
            }
        }
        if let Some((file, config)) = &files.used {
            files.findings.extend(lint::entries(file, config));
            if Path::new(file).starts_with(&options.home) && options.home != Path::new("/") {
                files.findings.push(lint::depends_on_home(file, &options.home));
            }
        }
        files
    }

    fn miss(&mut self, file: String, error: &ReadError) {
        if let Some((used, _)) = &self.used {
            self.findings.push(lint::shadowed(&file, used));
        } else if inaccessible::is_closed(error) || error.is_not_found() {
            let unread = Inaccessible { comes_first: true, ..Inaccessible::new(file, error) };
            self.findings.push(unread.finding());
            self.unread.push(unread);
        } else {
            self.findings.push(lint::passed_over(&file, &error.reason()));
        }
    }

    fn take(&mut self, file: String, form: Form, bytes: &[u8]) {
        if let Some((used, _)) = &self.used {
            self.findings.push(lint::shadowed(&file, used));
            return;
        }
        match DockerConfig::parse(bytes, form) {
            Ok(config) => self.used = Some((file, config)),
            Err(malformed) => {
                self.findings.push(lint::rejected(&file, &malformed));
                self.rejected.push((file, malformed));
            }
        }
    }
}

/// Every `config.json` comes before every `.dockercfg`. kubelet's working directory is `/` under
/// systemd. `DOCKER_CONFIG` has no say.
fn search_order(options: &CredentialOptions) -> Vec<(PathBuf, Form)> {
    let root = Path::new("/");
    let json = [options.kubelet_root.clone(), root.into(), options.home.join(".docker"), root.join(".docker")];
    let old = [options.kubelet_root.clone(), root.into(), options.home.clone(), root.into()];
    let mut order: Vec<(PathBuf, Form)> = Vec::new();
    let json = json.into_iter().map(|dir| (dir.join("config.json"), Form::ConfigJson));
    for place in json.chain(old.into_iter().map(|dir| (dir.join(".dockercfg"), Form::Dockercfg))) {
        if !order.contains(&place) {
            order.push(place);
        }
    }
    order
}

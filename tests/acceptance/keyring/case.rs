//! One node with its credential files, the pod's pull secrets, and the image.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::Logins;

#[derive(Default)]
pub struct Case {
    pub image: String,
    /// By path on the node.
    pub files: Vec<(String, Vec<u8>)>,
    /// In the order in which the pod names them, which is that of their names here.
    pub secrets: Vec<Secret>,
}

pub struct Secret {
    /// Below the directory that holds all of them: `NAMESPACE/NAME`.
    pub place: String,
    /// `.dockerconfigjson` or `.dockercfg`, which is also what tells its type.
    pub data: Vec<(String, Vec<u8>)>,
}

impl Case {
    pub fn write(&self, scratch: &Path) {
        let node = scratch.join("node");
        std::fs::create_dir_all(&node).unwrap();
        for (path, bytes) in &self.files {
            put(&node.join(path.trim_start_matches('/')), bytes);
        }
        for secret in &self.secrets {
            for (key, bytes) in &secret.data {
                put(&scratch.join("secrets").join(&secret.place).join(key), bytes);
            }
        }
    }
}

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  image {}", self.image)?;
        for (path, bytes) in &self.files {
            writeln!(f, "  {path}: {}", String::from_utf8_lossy(bytes).escape_debug())?;
        }
        for secret in &self.secrets {
            for (key, bytes) in &secret.data {
                writeln!(f, "  secret {}/{key}: {}", secret.place, String::from_utf8_lossy(bytes).escape_debug())?;
            }
        }
        Ok(())
    }
}

/// Every configuration written by hand: its name, its files, and what kubelet would try but for what its providers
/// give. `None`: it does not pull.
pub fn fixtures(directory: &Path) -> Vec<(String, Case, Option<Logins>)> {
    let mut paths: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fixture(path)).collect()
}

fn fixture(path: &Path) -> (String, Case, Option<Logins>) {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let table: toml::Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let texts = |of: &str| -> BTreeMap<String, Vec<u8>> {
        let pairs = table.get(of).and_then(|value| value.as_table()).into_iter().flatten();
        pairs.map(|(path, text)| (path.clone(), text.as_str().unwrap().as_bytes().to_vec())).collect()
    };
    let image = table
        .get("image")
        .map_or_else(crate::judge::scenario::default_image, |image| image.as_str().unwrap().to_owned());
    let mut secrets: BTreeMap<String, Vec<(String, Vec<u8>)>> = BTreeMap::new();
    for (path, bytes) in texts("secrets") {
        let (place, key) = path.rsplit_once('/').unwrap();
        secrets.entry(place.to_owned()).or_default().push((key.to_owned(), bytes));
    }
    let secrets = secrets.into_iter().map(|(place, data)| Secret { place, data }).collect();
    let case = Case { image, files: texts("files").into_iter().collect(), secrets };
    let expect = table["expect"].as_table().unwrap();
    let candidates = expect["candidates"].as_array().unwrap();
    let own = candidates.iter().filter(|one| {
        let source = one["source"].as_str().unwrap();
        source.starts_with("pull-secret:") || source == "kubelet-config-json"
    });
    let login = |one: &toml::Value| {
        let (user, password) = one["login"].as_str().unwrap().split_once(':').unwrap();
        (user.to_owned(), password.to_owned())
    };
    let by_hand = (!expect.contains_key("no_pull")).then(|| own.map(login).collect());
    (name, case, by_hand)
}

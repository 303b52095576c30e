//! The cluster's certificates, and the kubeconfigs that use them.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};

use crate::Result;
use crate::node::{API_SERVER, NODE_ADDRESS, NODE_NAME};

/// Who there is, besides the API server: its kubeconfig's name, its user and its group.
const CLIENTS: [(&str, &str, &str); 4] = [
    ("admin", "admin", "system:masters"),
    ("kubelet", "system:node:node1", "system:nodes"),
    ("controller-manager", "system:kube-controller-manager", ""),
    ("scheduler", "system:kube-scheduler", ""),
];

/// The directory with all of it.
pub struct Pki(PathBuf);

impl Pki {
    /// Makes them, for an hour or a day of tests.
    pub fn write(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let pki = Self(directory.to_owned());
        let mut params = CertificateParams::default();
        params.distinguished_name = subject("pullprobe e2e", "");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        std::fs::write(pki.path("ca.crt"), authority.pem())?;
        let addresses = [API_SERVER, NODE_ADDRESS].map(|address| SanType::IpAddress(address.into()));
        pki.sign("apiserver", subject("kube-apiserver", ""), addresses.to_vec(), &authority)?;
        let node = vec![SanType::DnsName(NODE_NAME.try_into()?), SanType::IpAddress(NODE_ADDRESS.into())];
        pki.sign("kubelet-server", subject(NODE_NAME, ""), node, &authority)?;
        for (name, user, group) in CLIENTS {
            pki.sign(name, subject(user, group), Vec::new(), &authority)?;
            std::fs::write(pki.kubeconfig(name), pki.kubeconfig_of(name))?;
        }
        pki.new_token_key("tokens")?;
        Ok(pki)
    }

    /// A file of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The kubeconfig of one of the clients.
    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.conf"))
    }

    /// What signs the tokens of service accounts: `NAME.key`, and `NAME.pub`, which verifies them.
    pub fn new_token_key(&self, name: &str) -> Result {
        let key = KeyPair::generate()?;
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem())?;
        std::fs::write(self.path(&format!("{name}.pub")), key.public_key_pem())?;
        Ok(())
    }

    fn sign(
        &self,
        name: &str,
        subject: DistinguishedName,
        names: Vec<SanType>,
        authority: &CertifiedIssuer<'static, KeyPair>,
    ) -> Result {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, authority)?;
        std::fs::write(self.path(&format!("{name}.crt")), certificate.pem())?;
        std::fs::write(self.path(&format!("{name}.key")), key.serialize_pem())?;
        Ok(())
    }

    fn kubeconfig_of(&self, name: &str) -> String {
        let file = |suffix: &str| self.path(&format!("{name}.{suffix}"));
        serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": {
                "server": format!("https://{API_SERVER}"), "certificate-authority": self.path("ca.crt"),
            }}],
            "users": [{"name": name, "user": {"client-certificate": file("crt"), "client-key": file("key")}}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": name}}],
            "current-context": "e2e",
        })
        .to_string()
    }
}

fn subject(user: &str, group: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if !group.is_empty() {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, user);
    name
}

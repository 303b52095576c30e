//! Commands that can be pasted: names of others cannot end a word of them.

use crate::image::reference::Reference;

/// A word of a POSIX shell.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._/:=@%+-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Makes a pull secret, and asks for the password on the terminal: it stands in no history.
pub fn create_secret(name: &str, namespace: &str, image: &Reference) -> String {
    let server = if image.domain == "docker.io" { "https://index.docker.io/v1/" } else { &image.domain };
    format!(
        "read -rsp 'password: ' PASSWORD && kubectl create secret docker-registry {} -n {} --docker-server={} \
         --docker-username=USER --docker-password=\"$PASSWORD\"",
        word(name),
        word(namespace),
        word(server)
    )
}

pub fn delete_secret(name: &str, namespace: &str) -> String {
    format!("kubectl delete secret {} -n {}", word(name), word(namespace))
}

/// Copies a secret to another namespace.
pub fn copy_secret(name: &str, from: &str, to: &str) -> String {
    format!(
        "kubectl get secret {} -n {} -o json | jq '{{apiVersion, kind, type, data, metadata: {{name: .metadata.name}}}}' | \
         kubectl create -n {} -f -",
        word(name),
        word(from),
        word(to)
    )
}

/// Lets every new pod of the account bring the secret.
pub fn patch_account(account: &str, namespace: &str, secret: &str) -> String {
    let patch = serde_json::json!({"imagePullSecrets": [{"name": secret}]}).to_string();
    format!("kubectl patch serviceaccount {} -n {} -p {}", word(account), word(namespace), word(&patch))
}

pub fn delete_pod(pod: &str, namespace: &str) -> String {
    format!("kubectl delete pod {} -n {}", word(pod), word(namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_ends_a_word() {
        for (text, written) in
            [("a-b.c", "a-b.c"), ("", "''"), ("a b", "'a b'"), ("$(rm x)", "'$(rm x)'"), ("a'; rm x", r"'a'\''; rm x'")]
        {
            assert_eq!(word(text), written);
        }
    }

    #[test]
    fn a_login_of_docker_hub_is_for_the_address_that_its_images_look_for() {
        let hub = Reference::parse("nginx").unwrap();
        assert!(create_secret("a", "b", &hub).contains(" --docker-server=https://index.docker.io/v1/ "));
        let other = Reference::parse("r.example:5000/a").unwrap();
        assert!(create_secret("a", "b", &other).contains(" --docker-server=r.example:5000 "));
    }
}

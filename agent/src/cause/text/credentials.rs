//! Words for logins that are missing, wrong, unusable or not enough.

use super::Text;

pub const CREDENTIALS_MISSING: Text = Text {
    summary: "The registry wants a login for this image, and the node has none that fits the image's name.",
    evidence: "The registry demanded authorization, refused an anonymous pull, and no pull secret, node file or credential \
               provider has a key that fits; the nearest key and why it does not fit are in the detail. kubelet 1.36 wants \
               the pod's login also for an image that is on the node.",
    confirm: "`jq '.auths | keys' /var/lib/kubelet/config.json` lists the keys that kubelet can match.",
    fix: "Make a pull secret in the pod's namespace, `kubectl create secret generic NAME \
          --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=config.json`. Then name it in the pod's \
          `imagePullSecrets`. Or sign the whole node in: add the registry's host, with its port if the image has one, under \
          `auths` of `/var/lib/kubelet/config.json`.",
};

pub const CREDENTIALS_REJECTED: Text = Text {
    summary: "The registry does not accept the user name and password that kubelet would send.",
    evidence: "The token service or the registry answered 401 (some answer 403) to the credential; the report says which \
               secret, file or provider it comes from.",
    confirm: "`curl -sS -o /dev/null -w '%{http_code}\\n' -u USER 'REALM?service=SERVICE&scope=repository:REPOSITORY:pull'` \
              asks for the password and prints the same status.",
    fix: "Write the current password at the source that the report names: `kubectl create secret generic NAME \
          --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=config.json --dry-run=client -o yaml | kubectl \
          apply -f -`, or `/var/lib/kubelet/config.json` (kubelet re-reads it within 5 minutes).",
};

pub const CREDENTIALS_EXPIRED: Text = Text {
    summary: "The login that kubelet would send was valid once and is past its time.",
    evidence: "The registry refused it, and its own words or the credential itself (a JWT's `exp`, an ECR password's \
               `expiration`, by the clock of the host that refused) say that it has ended; the detail says when.",
    confirm: "`jq -r '.auths[\"REGISTRY\"].auth | @base64d | split(\":\")[1] | (split(\".\")[1] // .) | gsub(\"-\"; \"+\") | \
              gsub(\"_\"; \"/\") | @base64d | fromjson | (.exp // .expiration) | todate' /var/lib/kubelet/config.json` prints \
              the end of a JWT and of an ECR password.",
    fix: "Renew it at the source that the report names; for a cloud registry use the kubelet's credential provider instead of a \
          stored token: `--image-credential-provider-config` and `--image-credential-provider-bin-dir`, then `systemctl \
          restart kubelet`.",
};

pub const CREDENTIALS_SHADOW_ANONYMOUS: Text = Text {
    summary: "The image is public, but kubelet sends a login that the registry refuses, and never tries without it.",
    evidence: "With the credential the pull fails; the same requests without any credential succeed.",
    confirm: "`crictl pull IMAGE`, which sends no credential of the kubelet, succeeds; the pod still fails.",
    fix: "Remove or renew the entry that the report names: in `/var/lib/kubelet/config.json` (kubelet re-reads it within 5 \
          minutes), in the pod's pull secret, or in the credential provider's `matchImages`.",
};

pub const CREDENTIALS_MALFORMED: Text = Text {
    summary: "A credentials file or pull secret does not parse, so kubelet cannot use any login in it.",
    evidence: "The file or secret, with line and column, is in the detail. A broken node file is skipped without a word; a \
               broken pull secret stops the pull before it begins, and the pod's event has only the fault: `illegal base64 data \
               at input byte 0`, `unable to parse auth field` or `json: cannot unmarshal`.",
    confirm: "`jq -e '.auths | keys' /var/lib/kubelet/config.json` fails; for a secret, `kubectl get secret NAME -n NAMESPACE -o \
              json | jq -r '.data[\".dockerconfigjson\"] | @base64d | fromjson | .auths | keys'` does.",
    fix: "Write it anew as valid JSON in which every `auth` is the base64 of user, colon and password: `kubectl create secret \
          generic NAME --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=config.json`, or \
          `/var/lib/kubelet/config.json` on the node.",
};

pub const CREDENTIAL_PROVIDER_FAILED: Text = Text {
    summary: "The kubelet's credential provider for this registry fails, so kubelet pulls without a login.",
    evidence: "The plugin whose `matchImages` fits the image did not start, exited with an error, took more than a minute or \
               answered something that kubelet rejects; the detail has its exit status and its last words.",
    confirm: "`journalctl -u kubelet | grep -i 'credential provider'` shows the same failure; kubelet counts it in \
              `kubelet_credential_provider_plugin_errors_total`.",
    fix: "Repair what its words name: the node's cloud role, the way to the metadata and token services, or the plugin's entry \
          in the file of `--image-credential-provider-config`; after a change of that file `systemctl restart kubelet`.",
};

pub const ACCESS_DENIED: Text = Text {
    summary: "The login is good, but this account may not pull this image.",
    evidence: "The credential was accepted (a token was granted, or the error names the account and the missing right), and the \
               manifest or blob was refused with 401 or 403.",
    confirm: "`skopeo login REGISTRY` with that account succeeds and `skopeo inspect docker://IMAGE` is still refused.",
    fix: "Grant the account the right to read the repository at the registry, or use one that has it in the pod's pull secret \
          (`kubectl get pod POD -o jsonpath='{.spec.imagePullSecrets}'`). If the words name an address, let the node's egress \
          address into the registry's allow list.",
};

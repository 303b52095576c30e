//! Words for refusals that come from beside the registry, or of how it is asked rather than of who asks.

use super::Text;

pub const LOGIN_LOCKED: Text = Text {
    summary: "The login is locked after failed logins, so that not even the right password is taken.",
    evidence: "The token service or the registry refused (often with 429) and its words speak of failed logins or of a lock, not \
               of pulls. Each further attempt with a wrong password makes the lock last longer.",
    confirm: "`jq '.auths | keys' /var/lib/kubelet/config.json` lists the keys that kubelet sends; the same login is refused by \
              `skopeo login REGISTRY`, too.",
    fix: "Find the wrong password first, here and wherever else this login is used: write the current password at the source that \
          the report names (`/var/lib/kubelet/config.json`, or the pull secret with `kubectl create secret generic NAME \
          --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=config.json --dry-run=client -o yaml | kubectl apply \
          -f -`). Then the lock passes by itself, most often within 15 minutes.",
};

pub const STATUS_UNEXPECTED: Text = Text {
    summary: "The registry answers with a status that registries do not use, and containerd gives up.",
    evidence: "A whole answer came, with a status of 400 to 499 that is neither about the image nor about the login; the detail \
               has it and what its body says.",
    confirm: "`curl -sS -D- -H 'Accept: application/vnd.oci.image.index.v1+json' https://REGISTRY/v2/REPOSITORY/manifests/TAG` \
              shows the status and the words.",
    fix: "Ask who runs what stands in front of the registry (load balancer, gateway, firewall): such a status is most often \
          theirs. A second host in `/etc/containerd/certs.d/REGISTRY/hosts.toml` keeps pulls going meanwhile.",
};

pub const HEAD_REFUSED: Text = Text {
    summary: "The registry, or the storage behind it, refuses HEAD for the manifest and answers GET for the very same one.",
    evidence: "containerd asks for a manifest with HEAD first and was refused; pullprobe asked once more by GET, which got 200, \
               and HEAD was refused again after that.",
    confirm: "`curl -sSI https://REGISTRY/v2/REPOSITORY/manifests/TAG` is refused, and the same without `-I` is not.",
    fix: "Let HEAD pass wherever GET passes: in the gateway or firewall before the registry, and in the policy of its storage. If the \
          registry redirects manifests to signed links, switch that off: a signed link is good for one method. Until then let \
          `/etc/containerd/certs.d/REGISTRY/hosts.toml` name another host.",
};

pub const STORAGE_REFUSED: Text = Text {
    summary: "The registry redirects the node to its storage, and the storage refuses the request.",
    evidence: "The registry answered with a redirect, and the host where it leads refused with 400, 401 or 403. No login for the \
               registry counts there: the link itself carries the right. The storage's own code is in the detail.",
    confirm: "`curl -sSL -D- -o /dev/null https://REGISTRY/v2/REPOSITORY/blobs/DIGEST` shows the redirect and the refusal; without \
              `-o /dev/null` the storage's words.",
    fix: "Have the owner of the registry check its storage: keys, clock, the bucket's policy, and how long signed links live. If only \
          this network is refused, check the policy of the cloud's private endpoint for storage. To do without redirects, set \
          `storage.redirect.disable` in `/etc/distribution/config.yml`: the registry then serves the layers itself.",
};

pub const REQUEST_TOO_LARGE: Text = Text {
    summary: "The request is larger than the server takes, most often because the token in it is long.",
    evidence: "Status 413, 414 or 431, or 400 with words about a large header or an address that is too long; the detail says how \
               long the token is.",
    confirm: "`curl -sS 'REALM?service=SERVICE&scope=repository:REPOSITORY:pull' | jq '.token | length'` prints how long a token is.",
    fix: "Raise the limit for headers at the server before the registry: nginx has `large_client_header_buffers 4 32k` in \
          `/etc/nginx/nginx.conf`. Or make the token shorter: use an account with fewer groups and roles, or a token for one \
          repository only.",
};

pub const FILTER_BLOCKED: Text = Text {
    summary: "A filter between the node and the registry refuses the request and answers in the registry's place.",
    evidence: "The answer is a web page where registries answer with JSON, or its headers and words are those of a web filter, a \
               firewall for web applications or a check against robots; its title and first words are in the detail.",
    confirm: "`curl -sS -D- https://REGISTRY/v2/REPOSITORY/manifests/TAG` shows the page and the headers of who sends it.",
    fix: "If the filter is your network's, exempt the registry's hosts in its rules (`pullprobe hosts --plain` lists them), or go \
          around it with `NO_PROXY` in `/etc/systemd/system/containerd.service.d/http-proxy.conf`. If it stands before the \
          registry, have its operator let the user agent `containerd/VERSION` pass: a node has no browser and no cookies.",
};

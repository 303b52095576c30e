//! Words for registries that refuse, limit, fail or break the protocol.

use super::Text;

pub const RATE_LIMITED: Text = Text {
    summary: "The pull quota of this address or account is used up.",
    evidence: "The registry answered 429 and names its pull limit, or `ratelimit-remaining` is 0 (`blocked_by: quota` in the \
               report, with limit, window and source). A 429 while pulls remain is `throttled`; `pull QPS exceeded` is \
               kubelet's own limit and reaches no registry: `pullprobe explain 'pull QPS exceeded'`.",
    confirm: "`curl -sSI -H \"Authorization: Bearer $TOKEN\" https://registry-1.docker.io/v2/REPOSITORY/manifests/TAG | grep -i \
              ratelimit` shows what remains, at no cost, with `TOKEN` from \
              `curl -sS 'https://auth.docker.io/token?service=registry.docker.io&scope=repository:REPOSITORY:pull' | jq -r .token`.",
    fix: "Wait for the window to pass, and then pull with an account (under `auths` in `/var/lib/kubelet/config.json` or as a \
          pull secret) or through a caching mirror in `/etc/containerd/certs.d/docker.io/hosts.toml`: all nodes behind one \
          address share one anonymous quota.",
};

pub const THROTTLED: Text = Text {
    summary: "The registry turns requests away because too many came at once.",
    evidence: "Status 429 without the headers or words of a pull quota, or while pulls remain (`blocked_by: burst` in the \
               report). containerd repeats such a request at once, whatever `Retry-After` says, and so makes it worse. \
               `pull QPS exceeded` is kubelet's own limit, and never reached a registry.",
    confirm: "`curl -sS -D- -o /dev/null https://REGISTRY/v2/` shows 429 and, if given, `Retry-After`.",
    fix: "Pull less at once: lower `maxParallelImagePulls` and `registryPullQPS` in `/var/lib/kubelet/config.yaml` (then \
          `systemctl restart kubelet`), spread roll-outs, or put a caching mirror in `/etc/containerd/certs.d/REGISTRY/hosts.toml`.",
};

pub const QUOTA_EXCEEDED: Text = Text {
    summary: "The account that owns the image has used up its storage, traffic or subscription.",
    evidence: "Status 403 or 429 whose words name a quota, a data limit or a subscription rather than a rate of pulls.",
    confirm: "`skopeo inspect docker://IMAGE` prints the registry's words.",
    fix: "Have the owner raise or renew the plan; until then serve the image from elsewhere: `skopeo copy docker://SOURCE \
          docker://OTHER`, or a mirror in `/etc/containerd/certs.d/REGISTRY/hosts.toml`.",
};

pub const REGISTRY_ERROR: Text = Text {
    summary: "The registry itself is failing: it answers with a server error.",
    evidence: "A status of 500 to 599 from the host that the report names; the way there (name, connection, certificate) works.",
    confirm: "`curl -sS -D- -o /dev/null https://REGISTRY/v2/` shows the status; repeat it from another node to see whether it is \
              the registry or something in between.",
    fix: "Look at the registry's own log and storage (in a cluster, `kubectl logs deployment/REGISTRY`), or at the provider's \
          status page. A second host in `/etc/containerd/certs.d/REGISTRY/hosts.toml` keeps pulls going meanwhile.",
};

pub const REGISTRY_TIMEOUT: Text = Text {
    summary: "The registry takes the connection and the request, and then does not answer in time.",
    evidence: "Name, connection and TLS passed; no answer came for as long as pullprobe waits (10 seconds, \
               `probe.timeouts.http`). containerd waits 30 seconds since 2.3 and has no limit of its own before, so that a \
               registry that is only this slow still serves it, later; the detail has both numbers.",
    confirm: "`curl -sS --max-time 60 -o /dev/null -w '%{time_connect} %{time_appconnect} %{time_starttransfer}\\n' \
              https://REGISTRY/v2/` shows where the time goes.",
    fix: "Look for an overloaded registry or load balancer in its log (in a cluster, `kubectl logs deployment/REGISTRY`). If it \
          is a mirror, take it out of `/etc/containerd/certs.d/REGISTRY/hosts.toml` until it answers: every request waits for it.",
};

pub const RESPONSE_INVALID: Text = Text {
    summary: "The connection ended in the middle of the answer, or what came is not HTTP.",
    evidence: "The request was sent; the answer ended before its announced length or could not be parsed.",
    confirm: "`curl -v --http1.1 -o /dev/null https://REGISTRY/v2/` reports an early end or a malformed answer.",
    fix: "Check what stands in front of the registry (load balancer, proxy, firewall) for idle and size limits; if containerd \
          goes through a proxy, try without it: `NO_PROXY` in `/etc/systemd/system/containerd.service.d/http-proxy.conf`, then \
          `systemctl daemon-reload` and `systemctl restart containerd`.",
};

pub const LEGALLY_BLOCKED: Text = Text {
    summary: "The registry does not serve this image to this place for legal reasons.",
    evidence: "The answer is 451, or a refusal that names a country or a legal demand.",
    confirm: "`curl -sS -D- https://REGISTRY/v2/REPOSITORY/manifests/TAG` shows 451 and the registry's words.",
    fix: "Use another source for the image: `kubectl set image deployment/NAME CONTAINER=IMAGE` with one that may be served \
          here. Ask the registry's operator if the node's egress address is placed in the wrong country.",
};

pub const REDIRECT_INVALID: Text = Text {
    summary: "The registry sends the node on to an address that cannot be followed.",
    evidence: "A redirect without a usable `Location`, one that leads in a circle, or ten in a row.",
    confirm: "`curl -sSIL --max-redirs 10 https://REGISTRY/v2/REPOSITORY/blobs/DIGEST | grep -i '^location'` shows the chain.",
    fix: "Set the registry's external URL right (for distribution `http.host` in `/etc/docker/registry/config.yml` or \
          `/etc/distribution/config.yml`) and let the proxy in front of it pass `Host` and `X-Forwarded-Proto` on.",
};

pub const CHALLENGE_INVALID: Text = Text {
    summary: "The registry demands a login but does not say in a usable way how to log in.",
    evidence: "Status 401 without `WWW-Authenticate`, with a scheme that containerd does not know, or Bearer without a usable `realm`.",
    confirm: "`curl -sS -D- -o /dev/null https://REGISTRY/v2/ | grep -i www-authenticate` shows what it sends.",
    fix: "Correct the registry's authentication settings (for distribution `auth.token.realm` in \
          `/etc/distribution/config.yml`), or the proxy in front of it that strips or writes the header.",
};

pub const TOKEN_INVALID: Text = Text {
    summary: "The registry asks for a token, and its token service gives none that the registry takes.",
    evidence: "The realm that the registry names answers 200 without `token` and `access_token`, or is no token service, or \
               refuses POST and gives a token by GET; or the registry calls its token invalid (`error=\"invalid_token\"`).",
    confirm: "`curl -sS 'REALM?service=SERVICE&scope=repository:REPOSITORY:pull' | jq keys` fails or lists neither of them; if it \
              does list one, `curl -sS -D- -H \"Authorization: Bearer $TOKEN\" https://REGISTRY/v2/` shows `invalid_token`.",
    fix: "See what answers at the realm. A login page or a captive portal means that the `realm` in the registry's settings is wrong \
          (`/etc/distribution/config.yml`). If the registry refuses the token, give it the issuer, service and root certificate \
          of the token service, and set both clocks right.",
};

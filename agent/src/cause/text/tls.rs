//! Words for TLS that does not come about or is not trusted.

use super::Text;

pub const TLS_UNKNOWN_AUTHORITY: Text = Text {
    summary: "The registry's certificate is signed by an authority that containerd does not trust for this host.",
    evidence: "The chain leads to none of the roots that containerd would load for this host (the system's and those of \
               hosts.toml); issuer and the files that were tried are in the report.",
    confirm: "`openssl s_client -connect HOST:PORT -servername HOST -showcerts </dev/null` prints the issuer; `curl -v --cacert \
              CA_FILE https://HOST:PORT/v2/` works with the right authority.",
    fix: "Name the authority's PEM file as `ca` in `/etc/containerd/certs.d/REGISTRY/hosts.toml` (read at every pull), or add it \
          to the system's (`update-ca-certificates` or `update-ca-trust`, then `systemctl restart containerd`). If the issuer is \
          a TLS-inspecting proxy, install its authority or exempt the host.",
};

pub const TLS_INCOMPLETE_CHAIN: Text = Text {
    summary: "The server does not send the intermediate certificate that links its own to a trusted root.",
    evidence: "The issuer of the last certificate sent is neither a trusted root nor in the chain; browsers hide this by fetching \
               it, containerd does not.",
    confirm: "`openssl s_client -connect HOST:PORT -servername HOST -showcerts </dev/null` shows a single certificate and \
              `unable to verify the first certificate`.",
    fix: "Configure the server with the full chain, own certificate first (`ssl_certificate /etc/ssl/fullchain.pem` in nginx). \
          Until then name the intermediate as `ca` in `/etc/containerd/certs.d/REGISTRY/hosts.toml`.",
};

pub const TLS_SELF_SIGNED: Text = Text {
    summary: "The registry shows a certificate that it signed itself and that containerd is not told to trust.",
    evidence: "Issuer and subject of the server's own certificate are the same, and it is none of the roots that containerd would \
               load for this host.",
    confirm: "`openssl s_client -connect HOST:PORT -servername HOST </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer` \
              prints the same name twice.",
    fix: "Copy that certificate to the node and name it as `ca` in `/etc/containerd/certs.d/REGISTRY/hosts.toml`; better, give \
          the registry a certificate of an authority that the nodes trust.",
};

pub const TLS_EXPIRED: Text = Text {
    summary: "A certificate of the registry is past its last day.",
    evidence: "A certificate of the chain has a `not after` before the node's present time, and the node's clock agrees with the \
               server's.",
    confirm: "`openssl s_client -connect HOST:PORT -servername HOST </dev/null 2>/dev/null | openssl x509 -noout -enddate` prints \
              the day; `timedatectl` shows that the clock is right.",
    fix: "Renew the certificate on the server and reload it there (`cmctl renew NAME` with cert-manager, or `certbot renew` and \
          `systemctl reload nginx`). If the expired one is an intermediate, replace that in the served chain.",
};

pub const TLS_NOT_YET_VALID: Text = Text {
    summary: "A certificate of the registry is not valid yet by the node's clock, which most often means that the clock is behind.",
    evidence: "A certificate of the chain has a `not before` after the node's present time.",
    confirm: "`timedatectl` shows whether the clock is synchronized; `openssl s_client -connect HOST:PORT -servername HOST \
              </dev/null 2>/dev/null | openssl x509 -noout -startdate` prints the first day.",
    fix: "Set the node's clock: `chronyc makestep`, or `timedatectl set-ntp true`. If the clock is right, the certificate was \
          issued for a later day: replace it on the server.",
};

pub const TLS_NAME_MISMATCH: Text = Text {
    summary: "The certificate is for other host names than the one containerd connects to.",
    evidence: "The names in the certificate are in the report; none of them fits the host, or it has only a common name, which \
               does not count.",
    confirm: "`openssl s_client -connect HOST:PORT -servername HOST </dev/null 2>/dev/null | openssl x509 -noout -ext \
              subjectAltName` prints the names.",
    fix: "Use one of those names in the image or in `/etc/containerd/certs.d/REGISTRY/hosts.toml`, or issue a certificate with \
          the missing name. If the names are those of a stranger, check where the name leads: `getent ahosts HOST`.",
};

pub const TLS_CERTIFICATE_UNUSABLE: Text = Text {
    summary: "A certificate of the registry is not made for what it is used for.",
    evidence: "The chain leads to a trusted root in time and under the right name, and a certificate of it may not authenticate \
               servers (extended key usage), requires a policy that the chain does not have, or has an extension or address that this \
               containerd does not take: which ones depends on the Go that it was built with.",
    confirm: "`openssl s_client -connect HOST:PORT -servername HOST </dev/null 2>/dev/null | openssl x509 -noout -ext \
              extendedKeyUsage` has to print `TLS Web Server Authentication`, or nothing; `-text` marks what is `critical`.",
    fix: "Have it issued anew for servers: `usages: [server auth]` in cert-manager, or `openssl x509 -req -in HOST.csr -CA ca.crt \
          -CAkey ca.key -extfile HOST.ext` with `extendedKeyUsage = serverAuth` in HOST.ext, and without critical extensions of \
          your own. The same holds for its issuers.",
};

pub const TLS_PROTOCOL: Text = Text {
    summary: "Client and server find no common version or cipher of TLS, or what comes is not TLS.",
    evidence: "The handshake ended with an alert of the server or with a record that cannot be read; containerd needs TLS 1.2 or \
               newer.",
    confirm: "`openssl s_client -connect HOST:PORT -servername HOST -tls1_2 </dev/null` and the same with `-tls1_3` show which \
              versions the server takes.",
    fix: "Enable TLS 1.2 and 1.3 with current ciphers on the server (`ssl_protocols TLSv1.2 TLSv1.3` in `/etc/nginx/nginx.conf`); \
          if the alert names the server name, correct the host in `/etc/containerd/certs.d/REGISTRY/hosts.toml`.",
};

pub const TLS_CLIENT_CERTIFICATE_REQUIRED: Text = Text {
    summary: "The registry wants a client certificate, and containerd has none for it or one that is refused.",
    evidence: "The server asked for a client certificate and ended the handshake with an alert about it.",
    confirm: "`curl -v --cert CERT_FILE --key KEY_FILE https://HOST:PORT/v2/` works where the same without them fails.",
    fix: "Write `client = [[\"CERT_FILE\", \"KEY_FILE\"]]` for this host in `/etc/containerd/certs.d/REGISTRY/hosts.toml`: a list \
          of pairs; no restart is needed.",
};

pub const TLS_TIMEOUT: Text = Text {
    summary: "The connection opens, but the TLS handshake never ends.",
    evidence: "The connection was made; the server's part of the handshake did not arrive within the time that containerd gives \
               it. The usual reason is a path on which small packets pass and large ones do not.",
    confirm: "`ping -c 3 -M do -s 1472 HOST` loses every packet where `ping -c 3 -M do -s 1200 HOST` loses none; `ip link` shows \
              the interface's MTU.",
    fix: "Lower the MTU of the node's interface or tunnel to what the path carries (`ip link set dev DEVICE mtu 1400`), or clamp \
          the segment size on the gateway; let ICMP `fragmentation needed` through. Otherwise look for an overloaded middlebox.",
};

pub const TLS_CLOSED: Text = Text {
    summary: "The connection is cut as soon as the node says which host it wants: most often a filter on host names.",
    evidence: "The connection was made and ended with a close or reset right after the first message of the handshake.",
    confirm: "`openssl s_client -connect HOST:PORT -servername HOST </dev/null` is cut where the same with `-noservername` is not.",
    fix: "Allow the host name in the firewall or TLS filter (`pullprobe hosts IMAGE` lists all that a pull needs), or go through \
          the proxy that the network provides: `HTTPS_PROXY` in `/etc/systemd/system/containerd.service.d/http-proxy.conf`.",
};

pub const TLS_PLAIN_HTTP: Text = Text {
    summary: "The registry speaks plain HTTP, and containerd is told to use HTTPS.",
    evidence: "The answer to the first message of the TLS handshake is plain text.",
    confirm: "`curl -v http://HOST:PORT/v2/` answers where `curl -v https://HOST:PORT/v2/` fails.",
    fix: "Give the registry a certificate; or, on a network that you trust, write the host as `[host.\"http://HOST:PORT\"]` in \
          `/etc/containerd/certs.d/REGISTRY/hosts.toml`.",
};

pub const HTTP_TO_TLS_PORT: Text = Text {
    summary: "containerd is told to use plain HTTP, and the registry speaks HTTPS on this port.",
    evidence: "The plain request was answered with a TLS alert or with a 400 that says so.",
    confirm: "`curl -v https://HOST:PORT/v2/` answers where `curl -v http://HOST:PORT/v2/` does not.",
    fix: "Write the host with `https://` in `/etc/containerd/certs.d/REGISTRY/hosts.toml`, with its authority as `ca` if it is a \
          private one.",
};

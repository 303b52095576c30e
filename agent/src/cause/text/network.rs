//! Words for connections that do not come about, direct or through a proxy.

use super::Text;

pub const TCP_REFUSED: Text = Text {
    summary: "The host is there, but nothing accepts connections on this port.",
    evidence: "Every address of the host answered the connection attempt with a refusal, at once.",
    confirm: "`nc -vz -w 5 HOST PORT` prints `Connection refused`.",
    fix: "Start the registry or correct the port, in the image or in `/etc/containerd/certs.d/REGISTRY/hosts.toml`. If it runs, a \
          firewall rejects the node: look at its rules for this address and port.",
};

pub const TCP_TIMEOUT: Text = Text {
    summary: "Nothing answers the node's attempts to connect: most often a firewall drops them.",
    evidence: "No address of the host answered the connection attempt for as long as pullprobe waits (5 seconds, \
               `probe.timeouts.tcp`). containerd waits 30 seconds, the lookup of the name included, or `dial_timeout` of \
               hosts.toml: a host that answers in between is slow, not silent.",
    confirm: "`nc -vz -w 5 HOST PORT` hangs; from a network that may connect it does not.",
    fix: "Let the node out to the host and port (`pullprobe hosts IMAGE` lists all that a pull needs). If the way out is a proxy, \
          set `HTTPS_PROXY` in `/etc/systemd/system/containerd.service.d/http-proxy.conf`, then `systemctl daemon-reload` and \
          `systemctl restart containerd`.",
};

pub const TCP_UNREACHABLE: Text = Text {
    summary: "The node has no way to this address.",
    evidence: "The connection attempt failed with `network is unreachable`, `no route to host` or an ICMP answer of a router.",
    confirm: "`ip route get ADDRESS` prints the missing or wrong route; `ping -c 3 ADDRESS` names the router that refuses.",
    fix: "Repair the route or the NAT of the node's subnet (`ip route`). If only IPv6 fails, remove the AAAA record or give the \
          node an IPv6 route; an entry in `/etc/hosts` with the IPv4 address helps at once.",
};

pub const TCP_RESET: Text = Text {
    summary: "Something cuts the connection as soon as it is opened.",
    evidence: "The connection was reset during or right after it was made, before any byte of TLS or HTTP was exchanged.",
    confirm: "`curl -v --connect-timeout 5 https://HOST:PORT/v2/` prints `Connection reset by peer`.",
    fix: "Look for a firewall or load balancer without a healthy backend between node and registry; on the registry's side \
          `kubectl get endpoints NAME` or `systemctl status docker-registry` shows whether a server stands behind the address.",
};

pub const PROXY_UNREACHABLE: Text = Text {
    summary: "containerd is told to use a proxy, and that proxy cannot be reached.",
    evidence: "The name or the port of the proxy in containerd's environment failed; the detail has the stage. The registry \
               itself was not asked.",
    confirm: "`systemctl show containerd --property=Environment` names the proxy; `curl -v -x PROXY https://REGISTRY/v2/` fails \
              to connect to it.",
    fix: "Correct `HTTPS_PROXY` in `/etc/systemd/system/containerd.service.d/http-proxy.conf`, or exempt the registry there with \
          `NO_PROXY`; then `systemctl daemon-reload` and `systemctl restart containerd`.",
};

pub const PROXY_AUTH_REQUIRED: Text = Text {
    summary: "The proxy wants a user name and password that containerd does not send.",
    evidence: "The proxy answered 407 to the request for a tunnel, or to a request for a plain-HTTP registry, which it passes on \
               without one; containerd words it `Proxy Authentication Required`.",
    confirm: "`curl -v -x PROXY https://REGISTRY/v2/` prints `407` (`http://` for a plain-HTTP registry).",
    fix: "Put the proxy's account into the URL of `HTTPS_PROXY` (`HTTP_PROXY` for a plain-HTTP registry) in \
          `/etc/systemd/system/containerd.service.d/http-proxy.conf` (mode 0600), or have the proxy let the node's address pass; then `systemctl daemon-reload` and `systemctl restart \
          containerd`.",
};

pub const PROXY_DENIED: Text = Text {
    summary: "The proxy does not connect the node to this host: it refuses to, or cannot reach it.",
    evidence: "The proxy answered the request for a tunnel with another status than 200 and 407, of which containerd prints only \
               the words, such as `Forbidden`; or it answered a request for a plain-HTTP registry itself, as headers such as \
               `X-Squid-Error` say. 4xx: it refuses. 5xx (`Service Unavailable`, `Bad Gateway`): it cannot reach the host, or not \
               resolve its name. The detail says which.",
    confirm: "`curl -v -x PROXY https://HOST/v2/` prints the proxy's status line (`http://` for a plain-HTTP registry).",
    fix: "Where it refuses (4xx), allow the host and port in the proxy's rules (`pullprobe hosts IMAGE` lists all that a pull \
          needs, token and blob hosts too). Where it cannot reach the host (5xx), see to DNS and the way out on the proxy \
          itself: `curl -v https://HOST/v2/` there. Or exempt the host with `NO_PROXY` in \
          `/etc/systemd/system/containerd.service.d/http-proxy.conf`.",
};

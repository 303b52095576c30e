//! Words for names that do not resolve.

use super::Text;

pub const DNS_NXDOMAIN: Text = Text {
    summary: "The node's nameserver says that this host name does not exist.",
    evidence: "NXDOMAIN from a nameserver of the node; it is final, containerd does not ask the next one.",
    confirm: "`dig @SERVER HOST` prints `status: NXDOMAIN`; compare the nameservers of `/etc/resolv.conf` with one another.",
    fix: "Correct the host name in the image or in `/etc/containerd/certs.d/REGISTRY/hosts.toml`; if only one nameserver does not \
          know a private zone, add the zone there or take that server out of `/etc/resolv.conf`.",
};

pub const DNS_NO_ADDRESS: Text = Text {
    summary: "The host name exists, but has no IPv4 and no IPv6 address.",
    evidence: "The nameserver answered without error to the A and the AAAA query, with no address in either.",
    confirm: "`dig @SERVER HOST A` and `dig @SERVER HOST AAAA` print `status: NOERROR` and an empty answer.",
    fix: "Add the address record in the zone of the host, or the host's line in `/etc/hosts`. A private endpoint often lacks the \
          records of its data host.",
};

pub const DNS_SERVFAIL: Text = Text {
    summary: "The node's nameserver tried to look the name up and failed.",
    evidence: "SERVFAIL from every nameserver of the node; containerd words it `server misbehaving`.",
    confirm: "`dig @SERVER HOST` prints `status: SERVFAIL`; if `dig +cd @SERVER HOST` answers, DNSSEC validation is what fails.",
    fix: "Look at the resolver's log and its upstreams (`journalctl -u systemd-resolved` for a local stub); until it is repaired \
          name another server in `/etc/resolv.conf`.",
};

pub const DNS_REFUSED: Text = Text {
    summary: "The node's nameserver refuses to answer this node.",
    evidence: "REFUSED from every nameserver of the node: they are reached and do not serve this client or this name.",
    confirm: "`dig @SERVER HOST` prints `status: REFUSED`.",
    fix: "Allow the node's address in the nameserver's access list (`allow-recursion` of BIND, `access-control` of unbound), or \
          name a resolver that serves this network in `/etc/resolv.conf`.",
};

pub const DNS_TIMEOUT: Text = Text {
    summary: "The node's nameservers do not answer in time.",
    evidence: "Queries were sent and nothing came back, from any of the first three nameservers; or one answers, and the waiting \
               for the others, for each search suffix and for AAAA records, uses up the 30 s (`dial_timeout` in hosts.toml) that \
               containerd has for looking up and connecting.",
    confirm: "`dig @SERVER HOST A +tries=1 +time=5`, or the same with `AAAA`, times out at one of the nameservers; if \
              `dig +tcp @SERVER HOST` answers, UDP port 53 is dropped.",
    fix: "Let UDP and TCP port 53 through to the nameservers of `/etc/resolv.conf`, or name only ones that answer; for a local \
          stub (127.0.0.53) `systemctl restart systemd-resolved`.",
};

pub const DNS_UNREACHABLE: Text = Text {
    summary: "The node cannot reach its nameserver at all.",
    evidence: "The query was refused on the spot: nothing listens on port 53 there, or the node has no route to it.",
    confirm: "`dig @SERVER HOST +tries=1` prints `connection refused` or `network unreachable`; `ip route get ADDRESS` shows the \
              route.",
    fix: "Start the resolver (`systemctl restart systemd-resolved` for 127.0.0.53), repair the route, or name reachable servers \
          in `/etc/resolv.conf`.",
};

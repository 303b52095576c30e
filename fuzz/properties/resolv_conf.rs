//! resolv.conf: bounded as the resolver bounds it, whatever is written.

use std::thread_local;

use pullprobe::host::resolv::Names;

use super::node::{Node, check_findings};

const FILE: &str = "/etc/resolv.conf";

thread_local! {
    static NODE: Node = Node::new().with(FILE, b"");
}

pub fn holds(data: &[u8]) {
    NODE.with(|node| {
        node.write(FILE, data);
        let names = Names::load(&node.root);
        assert!((1..=3).contains(&names.resolv.servers.len()), "{:?}", names.resolv);
        assert!(names.resolv.search.len() <= 32 && names.resolv.search.iter().all(|suffix| suffix.ends_with('.')));
        assert!(names.resolv.attempts >= 1 && !names.resolv.timeout.is_zero(), "{:?}", names.resolv);
        check_findings(&names.findings, FILE, data);
    });
}

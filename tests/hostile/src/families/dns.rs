//! Name servers: silent, lying, endless, in circles, or no name servers.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::each;
use crate::attack::{Attack, node};
use crate::dns::{A, AAAA, ASKED, CNAME, Message, NameServer, Query, Reply, labels, right};
use crate::peer::Spec;
use crate::scene::NAME;
use crate::script::{Script, raw};

const FAMILY: &str = "dns";

pub fn attacks() -> Vec<Attack> {
    [floods(), lies(), garbage(), over_tcp(), files()].into_iter().flatten().collect()
}

/// The only name server of the node answers so.
fn says(name: &str, answers: impl Fn(&Query) -> Reply + Send + Sync + Clone + 'static) -> Attack {
    node(FAMILY, name, move |scene| {
        let server = NameServer::start(answers.clone())?;
        scene.node.resolv_conf(&[server.ip], "")?;
        scene.name_servers.push(server);
        scene.named(Spec::default()).map(drop)
    })
    .requests(200)
}

/// Bytes in place of a message.
fn bytes(name: &str, bytes: impl Fn(&Query) -> Vec<u8> + Send + Sync + Clone + 'static) -> Attack {
    says(name, move |query| Reply { messages: vec![bytes(query)], script: None })
}

/// This for A, nothing for other types.
fn for_a(name: &str, message: impl Fn(Message) -> Message + Send + Sync + Clone + 'static) -> Attack {
    says(name, move |query| {
        let to = Message::to(query);
        if query.record_type == A { message(to).into() } else { to.into() }
    })
}

fn addresses(message: Message, count: u8) -> Message {
    (0..count).fold(message, |message, nth| message.a([127, 66, 0, nth]))
}

fn floods() -> Vec<Attack> {
    vec![
        for_a("17 dead addresses before the right one", |to| addresses(to, 17).a([127, 0, 0, 1])),
        for_a("200 addresses", |to| addresses(to, 200)),
        for_a("the right address 100 times", |to| (0..100).fold(to, |to, _| to.a([127, 0, 0, 1]))),
        for_a("100 aliases in a row", |to| {
            (0..100).fold(to, |to, nth| {
                to.record(&labels(&format!("a{nth}.example")), CNAME, &labels(&format!("a{}.example", nth + 1)))
            })
        }),
        for_a("an alias of itself", |to| to.record(ASKED, CNAME, ASKED)),
        for_a("two aliases in a circle", |to| {
            to.record(ASKED, CNAME, &labels("b.example")).record(&labels("b.example"), CNAME, ASKED)
        }),
        for_a("an alias, and no address", |to| to.record(ASKED, CNAME, &labels("nowhere.example"))),
        for_a("an alias that steers", |to| {
            to.record(ASKED, CNAME, b"\x08\x1b[31m\x07\x0d\x0a\0\x07example\0").a([127, 66, 0, 1])
        }),
        for_a("records of other types", |to| {
            (0..50).fold(to, |to, nth| to.record(ASKED, 16 + nth, b"\x03abc")).a([127, 0, 0, 1])
        }),
        says("three answers to a question", |query| {
            let one = right(query).messages;
            Reply { messages: one.iter().chain(&one).chain(&one).cloned().collect(), script: None }
        }),
    ]
}

fn lies() -> Vec<Attack> {
    vec![
        for_a("the unspecified address", |to| to.a([0, 0, 0, 0])),
        for_a("a broadcast address", |to| to.a([255, 255, 255, 255])),
        for_a("a multicast address", |to| to.a([224, 0, 0, 1])),
        for_a("the metadata service", |to| to.a([169, 254, 169, 254])),
        for_a("the address of another name", |to| to.record(&labels("evil.example"), A, &[127, 0, 0, 1])),
        for_a("an address of three bytes", |to| to.record(ASKED, A, &[127, 0, 0])),
        for_a("an address of 200 bytes", |to| to.record(ASKED, A, &[127; 200])),
        for_a("an IPv6 address as an A record", |to| to.record(ASKED, A, &[0; 16])),
        says("a mapped address as AAAA", |query| {
            let to = Message::to(query);
            let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1];
            if query.record_type == AAAA { to.record(ASKED, AAAA, &mapped).into() } else { to.into() }
        }),
        says("an answer to another question", |query| {
            let other = Query { question: [&labels("other.example")[..], &[0, 1, 0, 1]].concat(), ..query.clone() };
            Message::to(&other).a([127, 66, 0, 1]).into()
        }),
        says("another identifier", |query| {
            let other = Query { id: [query.id[0] ^ 1, query.id[1]], ..query.clone() };
            Message::to(&other).a([127, 66, 0, 1]).into()
        })
        .slow(),
        says("no such name", |query| Message::to(query).flags(0x8183).into()),
        says("refused", |query| Message::to(query).flags(0x8185).into()),
        says("a code that nobody knows", |query| Message::to(query).flags(0x818f).into()),
        says("a question in place of an answer", |query| Message::to(query).flags(0x0100).into()).slow(),
        says("an address and an error", |query| Message::to(query).flags(0x8182).a([127, 66, 0, 1]).into()),
        says("the right answer for A, an error for AAAA", |query| {
            if query.record_type == A { right(query) } else { Message::to(query).flags(0x8182).into() }
        }),
    ]
}

fn garbage() -> Vec<Attack> {
    let with_id = |query: &Query, rest: &[u8]| [&query.id[..], rest].concat();
    vec![
        bytes("an empty packet", |_| Vec::new()).slow(),
        bytes("two bytes", |query| query.id.to_vec()).slow(),
        bytes("a head only", move |query| with_id(query, &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])),
        bytes("4,000 zeros", move |query| with_id(query, &[0; 4_000])).slow(),
        bytes("4,000 times 0xff", move |query| with_id(query, &[0xff; 4_000])).slow(),
        for_a("65,535 answers announced", |to| to.counts([1, 65_535, 65_535, 65_535])),
        for_a("a name that points to itself", |to| to.counts([1, 1, 0, 0]).and(&[0xc0, 0x1e, 0xc0, 0x1e])),
        for_a("a name that points behind the end", |to| to.counts([1, 1, 0, 0]).and(&[0xff, 0xff, 0, 1, 0, 1])),
        for_a("a name of 4,000 labels", |to| to.counts([1, 1, 0, 0]).and(&[1, b'a'].repeat(2_000))),
        for_a("a label of a reserved kind", |to| to.counts([1, 1, 0, 0]).and(&[0x80, 1, 0, 0, 1, 0, 1])),
        for_a("a record cut off", |to| to.counts([1, 1, 0, 0]).and(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127])),
        for_a("bytes behind the answer", |to| to.a([127, 0, 0, 1]).and(&[0xee; 300])),
        bytes("HTTP", |_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).slow(),
    ]
}

/// Over UDP the answer is cut; over TCP this comes.
fn then(name: &str, script: Script) -> Attack {
    says(name, move |query| {
        let cut = Message::to(query).flags(0x8380).bytes();
        Reply { messages: vec![cut], script: query.tcp.then(|| script.clone()) }
    })
}

fn over_tcp() -> Vec<Attack> {
    vec![
        says("cut over UDP, right over TCP", |query| {
            if query.tcp { right(query) } else { Message::to(query).flags(0x8380).into() }
        }),
        says("cut for ever", |query| Message::to(query).flags(0x8380).into()),
        then("the end over TCP", Script::default()),
        then("a reset over TCP", Script::default().reset()),
        then("a length of 65,535 and nothing", raw([0xff, 0xff])),
        then("zeros without end over TCP", Script::default().endless([0])),
        then("a length of zero without end", raw([0, 0]).endless([0, 0])),
        then("silence over TCP", Script::default().stall()).slow(),
        then("a drip over TCP", raw([1, 0]).drip([0], 300)).slow(),
        says("silence", |_| Reply::default()).slow(),
        says("an answer after two seconds", |query| {
            std::thread::sleep(Duration::from_secs(2));
            right(query)
        })
        .slow(),
    ]
}

/// The resolver's files, whatever they say; the hosts file knows the registry.
fn file(name: &str, path: &'static str, text: impl Into<Vec<u8>>) -> Attack {
    let text = text.into();
    node(FAMILY, name, move |scene| {
        scene.known(Spec::default())?;
        scene.node.write(path, &text)
    })
}

fn files() -> Vec<Attack> {
    let (resolv, hosts) = ("/etc/resolv.conf", "/etc/hosts");
    let known = format!("127.0.0.1 {NAME}\n");
    vec![
        file("100,000 name servers", resolv, "nameserver 127.0.0.1\n".repeat(100_000)),
        file("a search list of 1 MB", resolv, format!("search {}\n", "a.example ".repeat(100_000))),
        file(
            "options without measure",
            resolv,
            format!(
                "options ndots:99999999999 attempts:99999999999 timeout:99999999999 {}\n",
                "rotate ".repeat(10_000)
            ),
        ),
        file("name servers that steer", resolv, "nameserver \u{1b}[2J\u{202e}\nsearch \u{9b}2J.example\n"),
        file("a resolv.conf of zeros", resolv, vec![0; 1 << 20]),
        file("a resolv.conf of one line", resolv, "nameserver ".repeat(300_000)),
        file(
            "an nsswitch.conf of nonsense",
            "/etc/nsswitch.conf",
            "hosts: \u{1b}[2J [!UNAVAIL=return] mdns4_minimal dns files files files\n",
        ),
        file("a hosts file of 3 MB", hosts, format!("{}{known}", "192.0.2.1 somebody.example\n".repeat(110_000))),
        file("a hosts file of 5 MB", hosts, format!("{}{known}", "192.0.2.1 somebody.example\n".repeat(190_000))),
        file("a hosts file of one line", hosts, format!("127.0.0.1 {} {NAME}\n", "a.example ".repeat(100_000))),
        file(
            "3,900 addresses for a name",
            hosts,
            each(0..3_900, |nth| format!("127.9.{}.{} {NAME}\n", nth / 256, nth % 256)),
        ),
        file("a hosts file that steers", hosts, format!("\u{1b}[2J {NAME}\n127.0.0.1 {NAME} \u{202e}\u{2028}\n")),
        file("a hosts file of zeros", hosts, [vec![0; 1 << 20], known.into_bytes()].concat()),
        node(FAMILY, "an address of nowhere", |scene| {
            scene.named(Spec::default())?;
            scene.node.hosts_file(&[(IpAddr::V4(Ipv4Addr::UNSPECIFIED), NAME)])
        }),
    ]
}

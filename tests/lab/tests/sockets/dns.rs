//! The name server over UDP and TCP.

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use pullprobe_lab::dns::{At, Config, Failure, Fault, NameServer, Records, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::client::{PATIENCE, SILENCE};

fn server() -> NameServer {
    let text = r#"
        [records]
        "registry.test" = { a = ["127.0.0.1", "127.0.0.2"], aaaa = ["::1"] }
        "alias.test" = { cname = "registry.test" }
        "broken.test" = { cname = "nowhere.test" }
        "empty.test" = {}
    "#;
    NameServer::start(toml::from_str::<Config>(text).unwrap(), At::AnyPort).unwrap()
}

fn query(name: &str, record_type: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), record_type));
    message
}

async fn ask_bytes(server: &NameServer, query: &Message, time: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&query.to_vec().unwrap(), server.address()).await.unwrap();
    let mut packet = vec![0; 4096];
    let length = timeout(time, socket.recv(&mut packet)).await.ok()?.unwrap();
    packet.truncate(length);
    Some(packet)
}

async fn ask(server: &NameServer, name: &str, record_type: RecordType) -> Option<Message> {
    let bytes = ask_bytes(server, &query(name, record_type), PATIENCE).await?;
    Some(Message::from_vec(&bytes).unwrap())
}

async fn is_silent(server: &NameServer, name: &str, record_type: RecordType) -> bool {
    ask_bytes(server, &query(name, record_type), SILENCE).await.is_none()
        && server.queries().last().is_some_and(|query| query.name == name)
}

async fn ask_tcp(server: &NameServer, name: &str) -> Message {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let query = query(name, RecordType::A).to_vec().unwrap();
    stream.write_u16(query.len().try_into().unwrap()).await.unwrap();
    stream.write_all(&query).await.unwrap();
    let mut answer = vec![0; stream.read_u16().await.unwrap().into()];
    stream.read_exact(&mut answer).await.unwrap();
    Message::from_vec(&answer).unwrap()
}

fn addresses(message: &Message) -> Vec<IpAddr> {
    let data = message.answers.iter().filter_map(|record| match record.data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    });
    data.collect()
}

#[tokio::test]
async fn names_have_records_or_do_not_exist() {
    let server = server();
    let a = ask(&server, "Registry.Test", RecordType::A).await.unwrap();
    assert_eq!(addresses(&a), ["127.0.0.1", "127.0.0.2"].map(|text| text.parse::<IpAddr>().unwrap()));
    let aaaa = ask(&server, "alias.test", RecordType::AAAA).await.unwrap();
    assert_eq!((aaaa.answers.len(), addresses(&aaaa).len()), (2, 1));
    let rcode = async |name| {
        let answer = ask(&server, name, RecordType::A).await.unwrap();
        (answer.metadata.response_code, addresses(&answer).len())
    };
    assert_eq!(rcode("empty.test").await, (ResponseCode::NoError, 0));
    assert_eq!(rcode("broken.test").await, (ResponseCode::NXDomain, 0));
    assert_eq!(rcode("other.test").await, (ResponseCode::NXDomain, 0));
    server.add("other.test", "127.0.0.3".parse().unwrap());
    assert_eq!(rcode("other.test").await, (ResponseCode::NoError, 1));
    let first = &server.queries()[0];
    assert_eq!((&*first.name, &*first.record_type, first.transport), ("registry.test", "A", Transport::Udp));
}

#[tokio::test]
async fn failures_are_by_name_type_and_count() {
    let server = server();
    server.add_fault(Fault::of_type("AAAA", Failure::Drop));
    server.add_fault(Fault { count: Some(1), ..Fault::of_name("*.test", Failure::Servfail) });
    assert!(is_silent(&server, "registry.test", RecordType::AAAA).await);
    // The rule for the name has counted the query that the rule for the type decided.
    let answer = ask(&server, "registry.test", RecordType::A).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
    server.add_fault(Fault { count: Some(1), ..Fault::of_name("registry.test", Failure::Refused) });
    let answer = ask(&server, "registry.test", RecordType::A).await.unwrap();
    assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn answers_are_truncated_late_or_not_for_us() {
    let with = |failure| {
        let server = server();
        server.add_fault(Fault::always(failure));
        server
    };
    let truncating = with(Failure::Truncate);
    let answer = ask(&truncating, "registry.test", RecordType::A).await.unwrap();
    assert!(answer.metadata.truncation && answer.answers.is_empty());
    assert_eq!(addresses(&ask_tcp(&truncating, "registry.test").await).len(), 2);
    assert_eq!(truncating.queries()[1].transport, Transport::Tcp);
    let question = query("registry.test", RecordType::A);
    let wrong = ask_bytes(&with(Failure::WrongId), &question, PATIENCE).await.unwrap();
    assert_ne!(Message::from_vec(&wrong).unwrap().metadata.id, question.metadata.id);
    let garbage = ask_bytes(&with(Failure::Garbage), &question, PATIENCE).await.unwrap();
    assert!(Message::from_vec(&garbage).is_err());
    assert!(is_silent(&with(Failure::Drop), "registry.test", RecordType::A).await);
    let asked = std::time::Instant::now();
    assert!(ask(&with(Failure::Delay(100)), "registry.test", RecordType::A).await.is_some());
    assert!(asked.elapsed().as_millis() >= 100);
}

#[tokio::test]
async fn name_servers_share_port_53_on_addresses_of_their_own() {
    let config = || {
        let records = Records { a: vec!["127.0.0.1".parse().unwrap()], ..Records::default() };
        Config { records: [("registry.test".to_owned(), records)].into(), ..Config::default() }
    };
    let one = NameServer::start(config(), At::Port53).unwrap();
    let two = NameServer::start(config(), At::Port53).unwrap();
    assert_ne!(one.ip(), two.ip());
    for server in [one, two] {
        assert_eq!(server.address().port(), 53);
        assert_eq!(addresses(&ask(&server, "registry.test", RecordType::A).await.unwrap()).len(), 1);
    }
}

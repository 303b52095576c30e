//! Messages that a nameserver may send, and what each means.

use std::net::Ipv6Addr;

use hickory_proto::rr::rdata::{A, AAAA, CNAME};

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn ask(kind: RecordType) -> Question {
    Question::new("r.example.", kind, false, true).unwrap()
}

/// An answer of a recursive server to the question, without records.
fn reply(question: &Question) -> Message {
    let mut message = Message::response(question.id, OpCode::Query);
    message.metadata.recursion_available = true;
    message.add_query(Query::query(name("R.Example."), question.kind));
    message
}

fn v4(owner: &str, last: u8) -> Record {
    Record::from_rdata(name(owner), 1, RData::A(A([192, 0, 2, last].into())))
}

fn v6(owner: &str) -> Record {
    Record::from_rdata(name(owner), 1, RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)))
}

fn judge(question: &Question, message: &Message) -> Result<Vec<String>, (Cause, String)> {
    let answer = question.answer(&message.to_vec().unwrap()).unwrap();
    let texts = |addresses: Vec<IpAddr>| addresses.iter().map(ToString::to_string).collect();
    answer.result.map(texts).map_err(|trouble| (trouble.cause, trouble.words))
}

#[test]
fn a_question_is_recursive_and_offers_edns() {
    let question = Question::new("r.example.", RecordType::AAAA, true, true).unwrap();
    let message = Message::from_vec(&question.bytes).unwrap();
    assert!(message.metadata.recursion_desired && message.metadata.authentic_data);
    assert_eq!(message.edns.unwrap().max_payload(), UDP_SIZE);
    assert_eq!(message.queries, [Query::query(name("r.example."), RecordType::AAAA)]);
    let question = Question::new("r.example.", RecordType::AAAA, true, false).unwrap();
    assert!(Message::from_vec(&question.bytes).unwrap().edns.is_none());
}

#[test]
fn what_answers_another_question_is_not_heard() {
    let question = ask(RecordType::A);
    let hears = |message: &Message| question.answer(&message.to_vec().unwrap()).is_some();
    assert!(hears(&reply(&question)));
    let other = |change: fn(&mut Message)| {
        let mut message = reply(&question);
        change(&mut message);
        hears(&message)
    };
    assert!(!other(|message| message.metadata.id ^= 1));
    assert!(!other(|message| message.metadata.message_type = MessageType::Query));
    assert!(!other(|message| message.queries = vec![Query::query(name("x.example."), RecordType::A)]));
    assert!(!other(|message| message.queries = vec![Query::query(name("r.example."), RecordType::AAAA)]));
    assert!(!other(|message| message.queries.clear()));
    assert!(question.answer(&question.id.to_be_bytes()).is_none());
    // The bytes of the question are there, and are not said to be one.
    let mut bytes = reply(&question).to_vec().unwrap();
    bytes[4..6].fill(0);
    assert!(question.answer(&bytes).is_none());
}

#[test]
fn the_code_decides_and_then_the_records() {
    let question = ask(RecordType::A);
    let with = |rcode: ResponseCode| {
        let mut message = reply(&question);
        message.metadata.response_code = rcode;
        message.add_answer(v4("r.example.", 1));
        judge(&question, &message)
    };
    assert_eq!(with(ResponseCode::NoError), Ok(vec!["192.0.2.1".to_owned()]));
    let fails = |cause, words: &str| Err((cause, words.to_owned()));
    assert_eq!(with(ResponseCode::NXDomain), fails(Cause::DnsNxdomain, "no such host"));
    assert_eq!(with(ResponseCode::ServFail), fails(Cause::DnsServfail, "server misbehaving"));
    assert_eq!(with(ResponseCode::Refused), fails(Cause::DnsRefused, "server misbehaving"));
    assert_eq!(with(ResponseCode::FormErr), fails(Cause::DnsServfail, "server misbehaving"));
    assert_eq!(judge(&question, &reply(&question)), fails(Cause::DnsNoAddress, "no such host"));
}

#[test]
fn an_extended_code_is_put_together() {
    let question = ask(RecordType::A);
    let mut message = reply(&question);
    message.metadata.response_code = ResponseCode::BADVERS;
    message.set_edns(Edns::new());
    let answer = question.answer(&message.to_vec().unwrap()).unwrap();
    assert_eq!(u16::from(answer.rcode), 16);
    assert_eq!(answer.result.unwrap_err().cause, Cause::DnsServfail);
}

#[test]
fn aliases_are_read_over_and_both_families_taken_from_the_first_that_fits() {
    let question = ask(RecordType::AAAA);
    let mut message = reply(&question);
    message.add_answer(Record::from_rdata(name("r.example."), 1, RData::CNAME(CNAME(name("x.example.")))));
    message.add_answer(v4("x.example.", 1));
    message.add_answer(v6("x.example."));
    message.add_answer(v4("x.example.", 2));
    assert_eq!(judge(&question, &message), Ok(vec!["::1".to_owned(), "192.0.2.2".to_owned()]));
}

#[test]
fn an_empty_answer_of_a_server_without_recursion_is_lame() {
    let question = ask(RecordType::A);
    let mut message = reply(&question);
    message.metadata.recursion_available = false;
    let lame = Err((Cause::DnsServfail, "lame referral".to_owned()));
    assert_eq!(judge(&question, &message), lame);
    message.metadata.authoritative = true;
    assert_eq!(judge(&question, &message).unwrap_err().0, Cause::DnsNoAddress);
    message.metadata.authoritative = false;
    message.set_edns(Edns::new());
    assert_eq!(judge(&question, &message).unwrap_err().0, Cause::DnsNoAddress, "as Go since 1.22");
    let older = Question { reads_additionals: false, ..question };
    assert_eq!(judge(&older, &message), lame);
}

#[test]
fn a_message_cut_in_its_answers_is_told_from_one_cut_behind_them() {
    let question = ask(RecordType::A);
    let mut message = reply(&question);
    message.add_answer(v4("r.example.", 1));
    let answers_end = message.to_vec().unwrap().len();
    message.add_authority(v4("ns.example.", 2));
    let bytes = message.to_vec().unwrap();
    let words = question.answer(&bytes[..answers_end - 1]).unwrap().result.unwrap_err().words;
    assert_eq!(words, "cannot unmarshal DNS message");
    assert!(question.answer(&bytes[..bytes.len() - 1]).unwrap().result.is_ok());
    let mut twice = reply(&question);
    twice.add_query(twice.queries[0].clone());
    assert_eq!(judge(&question, &twice).unwrap_err().1, "invalid DNS response");
}

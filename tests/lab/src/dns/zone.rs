//! What a name server knows: records by name, and the rules by which it fails.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message, Query as Question, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serde::Deserialize;

use crate::pattern::fits;

/// A chain of aliases longer than this is a loop.
const MAX_ALIASES: usize = 8;

/// Records and faults; the default knows no name and answers NXDOMAIN to all.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// By name, without the final dot; a name without any address answers NODATA.
    pub records: BTreeMap<String, Records>,
    /// Rules; the first that applies to a query decides.
    pub faults: Vec<Fault>,
}

/// The records of one name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Records {
    /// IPv4 addresses.
    pub a: Vec<Ipv4Addr>,
    /// IPv6 addresses.
    pub aaaa: Vec<Ipv6Addr>,
    /// The name is an alias of this one; then it has no addresses of its own.
    pub cname: Option<String>,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only this name; `*` stands for any text. `None` = all.
    #[serde(default)]
    pub name: Option<String>,
    /// Only this record type, as `AAAA`. `None` = all.
    #[serde(default, rename = "type")]
    pub record_type: Option<String>,
    /// Only this transport. `None` = both.
    #[serde(default)]
    pub transport: Option<Transport>,
    /// Only the first so many. `None` = all.
    #[serde(default)]
    pub count: Option<u32>,
    /// What happens.
    pub then: Failure,
}

impl Fault {
    /// This failure for every query.
    pub fn always(then: Failure) -> Self {
        Self { name: None, record_type: None, transport: None, count: None, then }
    }

    /// This failure for queries of one name; `*` stands for any text.
    pub fn of_name(name: &str, then: Failure) -> Self {
        Self { name: Some(name.to_owned()), ..Self::always(then) }
    }

    /// This failure for queries of one record type, as `AAAA`.
    pub fn of_type(record_type: &str, then: Failure) -> Self {
        Self { record_type: Some(record_type.to_owned()), ..Self::always(then) }
    }

    fn meets(&self, query: &Query) -> bool {
        self.name.as_ref().is_none_or(|pattern| fits(&pattern.to_lowercase(), &query.name))
            && self.record_type.as_ref().is_none_or(|wanted| *wanted == query.record_type)
            && self.transport.is_none_or(|wanted| wanted == query.transport)
    }
}

/// How a query fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// SERVFAIL.
    Servfail,
    /// FORMERR, as servers say that do not know EDNS.
    FormatError,
    /// REFUSED.
    Refused,
    /// NOTIMP.
    NotImplemented,
    /// NXDOMAIN, also for a name that exists.
    Nxdomain,
    /// NOERROR without records.
    NoData,
    /// NOERROR without records of a server that is no authority for the name and does not recurse.
    Lame,
    /// The same with an OPT record.
    LameWithOpt,
    /// No answer; over TCP the connection closes.
    Drop,
    /// Over UDP an empty answer with the TC bit, over TCP the whole one.
    Truncate,
    /// The same over UDP; over TCP the whole one, with the TC bit too.
    TruncateAlways,
    /// The right answer under another identifier.
    WrongId,
    /// The right identifier, then bytes that are no message.
    Garbage,
    /// The right answer after so many milliseconds.
    Delay(u64),
}

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// A query that the name server received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// In lower case, without the final dot.
    pub name: String,
    /// As `A`.
    pub record_type: String,
    /// How it came.
    pub transport: Transport,
}

impl Query {
    pub(super) fn new(question: &Question, transport: Transport) -> Self {
        Self { name: key(&question.name), record_type: question.query_type.to_string(), transport }
    }
}

/// The state of a name server.
#[derive(Debug)]
pub(super) struct Zone {
    records: BTreeMap<String, Records>,
    faults: Vec<(Fault, u32)>,
}

impl Zone {
    pub(super) fn new(config: Config) -> Self {
        let records = config.records.into_iter();
        Self {
            records: records.map(|(name, records)| (name.to_lowercase(), records)).collect(),
            faults: config.faults.into_iter().map(|fault| (fault, 0)).collect(),
        }
    }

    pub(super) fn add(&mut self, name: &str, address: IpAddr) {
        let records = self.records.entry(name.to_lowercase()).or_default();
        match address {
            IpAddr::V4(address) => records.a.push(address),
            IpAddr::V6(address) => records.aaaa.push(address),
        }
    }

    pub(super) fn add_fault(&mut self, fault: Fault) {
        self.faults.push((fault, 0));
    }

    /// The first rule in force; every rule counts what meets it.
    pub(super) fn pick(&mut self, query: &Query) -> Option<Failure> {
        let mut picked = None;
        for (fault, seen) in &mut self.faults {
            if fault.meets(query) {
                *seen += 1;
                if picked.is_none() && fault.count.is_none_or(|count| *seen <= count) {
                    picked = Some(fault.then);
                }
            }
        }
        picked
    }

    /// Adds the records that answer `question`, through aliases, or says NXDOMAIN.
    pub(super) fn fill(&self, question: &Question, answer: &mut Message) {
        let mut name = question.name.clone();
        for _ in 0..MAX_ALIASES {
            let Some(records) = self.records.get(&key(&name)) else {
                answer.metadata.response_code = ResponseCode::NXDomain;
                return;
            };
            let Some(target) = records.cname.as_ref().and_then(|text| fqdn(text)) else {
                add_addresses(&name, question.query_type, records, answer);
                return;
            };
            let alias = RData::CNAME(CNAME(target.clone()));
            answer.add_answer(Record::from_rdata(name, 1, alias));
            name = target;
        }
    }
}

fn add_addresses(name: &Name, wanted: RecordType, records: &Records, answer: &mut Message) {
    let data: Vec<RData> = match wanted {
        RecordType::A => records.a.iter().map(|address| RData::A(A(*address))).collect(),
        RecordType::AAAA => records.aaaa.iter().map(|address| RData::AAAA(AAAA(*address))).collect(),
        _ => Vec::new(),
    };
    for data in data {
        answer.add_answer(Record::from_rdata(name.clone(), 1, data));
    }
}

fn key(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_lowercase()
}

fn fqdn(text: &str) -> Option<Name> {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).ok()
}

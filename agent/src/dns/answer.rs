//! What a nameserver's message means to Go's resolver. Pure.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::cause::Cause;

/// How much Go accepts over UDP: the common EDNS size.
pub const UDP_SIZE: u16 = 1232;

/// Why an exchange gave no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    pub cause: Cause,
    /// Go's.
    pub words: String,
    /// The time for the question ran out.
    pub in_vain: bool,
}

impl QueryError {
    pub fn new(cause: Cause, words: impl Into<String>) -> Self {
        Self { cause, words: words.into(), in_vain: false }
    }

    pub fn silence(words: impl Into<String>) -> Self {
        Self { in_vain: true, ..Self::new(Cause::DnsTimeout, words) }
    }

    /// The name is as the server says: no other server is asked.
    pub const fn is_final(&self) -> bool {
        matches!(self.cause, Cause::DnsNxdomain | Cause::DnsNoAddress)
    }
}

/// A question, encoded once for each transport's use.
pub struct Question {
    pub id: u16,
    pub kind: RecordType,
    pub bytes: Vec<u8>,
    /// The additional records of its answer count, as in newer Go.
    pub reads_additionals: bool,
    pub name: Name,
}

/// An answer that belongs to the question.
pub struct DnsAnswer {
    pub rcode: ResponseCode,
    pub truncated: bool,
    /// Not empty.
    pub result: Result<Vec<IpAddr>, QueryError>,
}

impl DnsAnswer {
    /// Go did not accept this answer and waited on. Its response code still says why.
    pub fn ignored(rcode: ResponseCode, cause: Cause, words: String) -> Self {
        Self { rcode, truncated: false, result: Err(QueryError { cause, ..QueryError::silence(words) }) }
    }
}

impl Question {
    pub fn new(fqdn: &str, kind: RecordType, trust_ad: bool, edns: bool) -> Result<Self, QueryError> {
        let unfit = || QueryError::new(Cause::DnsNxdomain, "cannot marshal DNS message");
        let name = Name::from_ascii(fqdn).map_err(|_| unfit())?;
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.metadata.authentic_data = trust_ad;
        message.add_query(Query::query(name.clone(), kind));
        if edns {
            let mut record = Edns::new();
            record.set_max_payload(UDP_SIZE);
            message.set_edns(record);
        }
        let bytes = message.to_vec().map_err(|_| unfit())?;
        Ok(Self { id: message.metadata.id, kind, bytes, reads_additionals: true, name })
    }

    /// `None` for what answers another question: over UDP, where anyone may send, it is not heard.
    pub fn answer(&self, bytes: &[u8]) -> Option<DnsAnswer> {
        let mut decoder = BinDecoder::new(bytes);
        let header = Header::read(&mut decoder).ok()?;
        let query = Query::read(&mut decoder).ok()?;
        let meta = header.metadata;
        // Without a question in it, it answers none: what stands there is something else.
        let matches = header.counts.queries > 0
            && meta.id == self.id
            && meta.message_type == MessageType::Response
            && query.query_type() == self.kind
            && query.query_class() == DNSClass::IN
            && *query.name() == self.name;
        matches.then(|| self.read(&header, &mut decoder))
    }

    /// A header and nothing else, as some servers refuse: without the question it is no answer to Go,
    /// which goes on waiting.
    pub fn bare_refusal(&self, bytes: &[u8]) -> Option<(ResponseCode, Cause)> {
        let header = Header::read(&mut BinDecoder::new(bytes)).ok()?;
        let meta = header.metadata;
        let mine = meta.id == self.id && meta.message_type == MessageType::Response && header.counts.queries == 0;
        match meta.response_code {
            code @ ResponseCode::Refused if mine => Some((code, Cause::DnsRefused)),
            code @ (ResponseCode::ServFail | ResponseCode::FormErr | ResponseCode::NotImp) if mine => {
                Some((code, Cause::DnsServfail))
            }
            _ => None,
        }
    }

    /// As Go, records count up to where the message is cut, and the sections behind the answers are looked
    /// at only for the extended response code.
    fn read(&self, header: &Header, decoder: &mut BinDecoder<'_>) -> DnsAnswer {
        let meta = header.metadata;
        let fails = |words: &str| DnsAnswer {
            rcode: meta.response_code,
            truncated: meta.truncation,
            result: Err(QueryError::new(Cause::DnsServfail, words)),
        };
        if header.counts.queries != 1 {
            return fails("invalid DNS response");
        }
        let section = |decoder: &mut BinDecoder<'_>, count: u16, additional: bool| {
            Message::read_records(decoder, usize::from(count), additional, OpCode::Query).ok()
        };
        let wanted = usize::from(header.counts.answers);
        let answers: Vec<Record> = (0..wanted).map_while(|_| Record::read(decoder).ok()).collect();
        let whole = answers.len() == wanted;
        if !whole && !answers.iter().any(|record| record.record_type() == self.kind) {
            return fails("cannot unmarshal DNS message");
        }
        let additional = Some(())
            .filter(|()| whole && self.reads_additionals)
            .and_then(|()| section(decoder, header.counts.authorities, false))
            .and_then(|_| section(decoder, header.counts.additionals, true));
        let high = additional.as_ref().and_then(|(_, edns, _)| edns.as_ref()).map_or(0, Edns::rcode_high);
        let rcode = ResponseCode::from(high, meta.response_code.low());
        let is_alone = header.counts.additionals == 0 || !self.reads_additionals;
        let lame = answers.is_empty() && is_alone && !meta.authoritative && !meta.recursion_available;
        DnsAnswer { rcode, truncated: meta.truncation, result: self.judge(rcode, lame, &answers) }
    }

    fn judge(&self, rcode: ResponseCode, lame: bool, answers: &[Record]) -> Result<Vec<IpAddr>, QueryError> {
        match rcode {
            ResponseCode::NXDomain => return Err(QueryError::new(Cause::DnsNxdomain, "no such host")),
            ResponseCode::NoError if lame => return Err(QueryError::new(Cause::DnsServfail, "lame referral")),
            ResponseCode::NoError => {}
            ResponseCode::Refused => return Err(QueryError::new(Cause::DnsRefused, "server misbehaving")),
            _ => return Err(QueryError::new(Cause::DnsServfail, "server misbehaving")),
        }
        let from_first = answers.iter().skip_while(|record| record.record_type() != self.kind);
        let addresses: Vec<IpAddr> = from_first.filter_map(address).collect();
        if addresses.is_empty() { Err(QueryError::new(Cause::DnsNoAddress, "no such host")) } else { Ok(addresses) }
    }
}

/// Whatever its owner: a recursive server puts the whole chain of aliases into one answer.
fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

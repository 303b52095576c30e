//! A nameserver's message: it answers the question or it is not heard, and no name resolves to nothing.

use std::thread_local;

use hickory_proto::rr::RecordType;
use pullprobe::cause::Cause;
use pullprobe::dns::answer::Question;

thread_local! {
    static QUESTIONS: Vec<Question> = questions();
}

fn questions() -> Vec<Question> {
    let kinds = [RecordType::A, RecordType::AAAA].into_iter();
    let of = |(kind, reads_additionals)| {
        let question = Question::new("registry.example.", kind, true, true).unwrap();
        Question { reads_additionals, ..question }
    };
    kinds.flat_map(|kind| [(kind, true), (kind, false)]).map(of).collect()
}

pub fn holds(data: &[u8]) {
    QUESTIONS.with(|questions| questions.iter().for_each(|question| check(question, data)));
}

fn check(question: &Question, data: &[u8]) {
    let numbered = |id: u16| [&id.to_be_bytes()[..], data].concat();
    let mine = numbered(question.id);
    let other = numbered(!question.id);
    assert!(question.answer(&other).is_none() && question.bare_refusal(&other).is_none(), "heard by another's number");
    let refused = question.bare_refusal(&mine);
    let Some(answer) = question.answer(&mine) else {
        assert!(refused.is_none_or(|(_, cause)| matches!(cause, Cause::DnsRefused | Cause::DnsServfail)));
        return;
    };
    assert!(refused.is_none(), "both an answer and none");
    match &answer.result {
        // A record takes 11 bytes besides the address.
        Ok(addresses) => assert!(!addresses.is_empty() && addresses.len() * 15 <= data.len(), "{addresses:?}"),
        Err(error) => {
            assert!(!error.words.is_empty() && error.words.len() <= 64, "{error:?}");
            let dns = [Cause::DnsNxdomain, Cause::DnsNoAddress, Cause::DnsServfail, Cause::DnsRefused];
            assert!(dns.contains(&error.cause) && !error.in_vain, "{error:?}");
        }
    }
    // The questions were repeated, or it would not have been heard.
    assert!(data.len() >= question.bytes.len() - 2 - 11, "{} bytes answer the question", data.len());
}

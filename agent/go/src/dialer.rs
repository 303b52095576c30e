//! Go's dialer, played on measured times: which address of several it would have used.
//!
//! The addresses of the first one's family go first, one after the other, each with an equal share of
//! the time that is left. The other family starts 300 ms later, or as soon as the first has failed.

use std::time::Duration;

use crate::address::Address;

/// When the second family starts.
const FALLBACK_DELAY: Duration = Duration::from_millis(300);
/// No address gets less, at the cost of those behind it.
const LEAST_SHARE: Duration = Duration::from_secs(2);

/// What became of connecting to an address, from the start of the connecting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt<E> {
    ipv4: bool,
    end: End<E>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum End<E> {
    Connected(Duration),
    Failed(E, Duration),
    /// As long as anyone waited.
    Silent,
}

/// By index into the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Connected(usize),
    /// Whose error Go reports.
    Failed(usize),
    /// There was no address.
    Nothing,
}

impl<E: Copy> Attempt<E> {
    pub const fn silent(ipv4: bool) -> Self {
        Self { ipv4, end: End::Silent }
    }

    pub fn connects(&mut self, after: Duration) {
        self.end = End::Connected(after);
    }

    pub fn fails(&mut self, error: E, after: Duration) {
        self.end = End::Failed(error, after);
    }

    /// `None` when it connected; for one that stayed silent what is given.
    pub const fn error(&self, silence: E) -> Option<E> {
        match self.end {
            End::Connected(_) => None,
            End::Failed(error, _) => Some(error),
            End::Silent => Some(silence),
        }
    }

    /// `None` while it is silent.
    pub const fn duration(&self) -> Option<Duration> {
        match self.end {
            End::Connected(after) | End::Failed(_, after) => Some(after),
            End::Silent => None,
        }
    }
}

/// At most `limit` addresses, in their order, with room for the second family.
pub fn select(addresses: &[Address], limit: usize) -> Vec<Address> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let of_other = addresses.iter().filter(|address| address.ip.is_ipv4() != first.ip.is_ipv4()).count().min(limit / 2);
    let mut room = [limit - of_other, of_other];
    let mut take = |address: &&Address| {
        let room = &mut room[usize::from(address.ip.is_ipv4() != first.ip.is_ipv4())];
        let fits = *room > 0;
        *room = room.saturating_sub(1);
        fits
    };
    addresses.iter().filter(|address| take(address)).copied().collect()
}

/// Plays the dialer with `budget` as its whole time.
pub fn play<E: Copy>(attempts: &[Attempt<E>], budget: Duration) -> Outcome {
    let Some(first) = attempts.first() else { return Outcome::Nothing };
    let (primaries, fallbacks): (Vec<_>, Vec<_>) =
        attempts.iter().enumerate().partition(|(_, attempt)| attempt.ipv4 == first.ipv4);
    let primary = serial(&primaries, Duration::ZERO, budget);
    let start = match primary {
        Run::Failed(at) => FALLBACK_DELAY.min(at),
        Run::Connected(..) => FALLBACK_DELAY,
    };
    match (primary, serial(&fallbacks, start, budget)) {
        (Run::Connected(one, at), Run::Connected(_, other_at)) if at <= other_at => Outcome::Connected(one),
        (_, Run::Connected(other, _)) => Outcome::Connected(other),
        (Run::Connected(one, _), Run::Failed(_)) => Outcome::Connected(one),
        (Run::Failed(_), Run::Failed(_)) => Outcome::Failed(0),
    }
}

/// How one family ended, and when.
#[derive(Clone, Copy, Debug)]
enum Run {
    Connected(usize, Duration),
    Failed(Duration),
}

/// One address after the other from `start` on.
fn serial<E: Copy>(family: &[(usize, &Attempt<E>)], start: Duration, budget: Duration) -> Run {
    let mut now = start;
    for (tried, (index, attempt)) in family.iter().enumerate() {
        let left = budget.saturating_sub(now);
        if left.is_zero() {
            break;
        }
        let untried = u32::try_from(family.len() - tried).unwrap_or(u32::MAX);
        let share = (left / untried).max(LEAST_SHARE).min(left);
        match attempt.end {
            End::Connected(after) if after <= share => return Run::Connected(*index, now + after),
            End::Failed(_, after) if after <= share => now += after,
            End::Connected(_) | End::Failed(..) | End::Silent => now += share,
        }
    }
    Run::Failed(now)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const BUDGET: Duration = Duration::from_secs(30);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// `6:20` connects over IPv6 after 20 ms, `4!5` is refused over IPv4 after 5 ms, `6` stays silent.
    fn attempts(words: &str) -> Vec<Attempt<&'static str>> {
        let one = |word: &str| {
            let mut attempt = Attempt::silent(word.starts_with('4'));
            if let Some((_, after)) = word.split_once(':') {
                attempt.connects(ms(after.parse().unwrap()));
            } else if let Some((_, after)) = word.split_once('!') {
                attempt.fails("refused", ms(after.parse().unwrap()));
            }
            attempt
        };
        words.split_whitespace().map(one).collect()
    }

    #[test]
    fn the_dialer_uses_the_address_that_gos_would() {
        use Outcome::{Connected, Failed, Nothing};
        let table = [
            ("", Nothing),
            ("4:1", Connected(0)),
            ("6:20 4:1", Connected(0)),
            ("6:250 4:1", Connected(0)),
            ("6:301 4:1", Connected(0)),
            ("6:350 4:1", Connected(1)),
            ("6 4:1", Connected(1)),
            ("6!5 4:1", Connected(1)),
            ("6!5 6!5 4!3 4:1", Connected(3)),
            ("6 6:1 4", Connected(1)),
            ("4!5 4:5 6", Connected(1)),
            ("4 4:5", Connected(1)),
            ("6!5 4!5", Failed(0)),
            ("6 4!5", Failed(0)),
            ("4 6", Failed(0)),
            ("4:16000 4:5", Connected(1)),
        ];
        for (words, expected) in table {
            assert_eq!(play(&attempts(words), BUDGET), expected, "{words}");
        }
    }

    #[test]
    fn a_silent_first_address_eats_a_short_dial_timeout() {
        assert_eq!(play(&attempts("4 4:5"), ms(1500)), Outcome::Failed(0));
        assert_eq!(play(&attempts("4 4:5"), ms(2500)), Outcome::Connected(1));
        assert_eq!(play(&attempts("6 4:5"), ms(1500)), Outcome::Connected(1));
        assert_eq!(play(&attempts("6 4:5"), ms(250)), Outcome::Failed(0));
    }

    #[test]
    fn a_long_list_keeps_its_order_and_both_families() {
        let six: Vec<Address> = (0..40u16).map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]).into()).collect();
        let four: Vec<Address> = (0..40u8).map(|n| IpAddr::from([192, 0, 2, n]).into()).collect();
        let both = [six.clone(), four.clone()].concat();
        assert_eq!(select(&both, 16), [&six[..8], &four[..8]].concat());
        assert_eq!(select(&six, 16), six[..16]);
        assert_eq!(select(&[&six[..], &four[..1]].concat(), 16), [&six[..15], &four[..1]].concat());
        assert_eq!(select(&[], 16), []);
    }
}

use super::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// What the sample of every room shows.
pub fn of_a_provider() -> CredentialExpiry {
    let at = |second| Timestamp::from_second(second).unwrap();
    CredentialExpiry {
        source: CredentialSource::Provider("ecr-credential-provider".into()),
        registry: "000000000000.dkr.ecr.eu-west-1.amazonaws.com".into(),
        file: None,
        position: None,
        lifetime: Lifetime { form: Form::Ecr, begins: Some(at(1_795_146_800)), ends: at(1_795_190_000) },
        renews: Some(at(1_795_168_400)),
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

/// Ends so many seconds from now, and began so many before that.
fn lifetime(left: i64, whole: Option<i64>) -> Lifetime {
    let at = |seconds: i64| Timestamp::from_second(now().as_second() + seconds).unwrap();
    Lifetime { form: Form::Jwt, begins: whole.map(|whole| at(left - whole)), ends: at(left) }
}

fn held(source: CredentialSource, lifetime: Lifetime, renews_in: Option<i64>) -> CredentialExpiry {
    CredentialExpiry {
        source,
        registry: "r.example".into(),
        file: Some("/var/lib/kubelet/config.json".into()),
        position: Some(Position::of_line(3)),
        lifetime,
        renews: renews_in.map(|seconds| Timestamp::from_second(now().as_second() + seconds).unwrap()),
    }
}

fn code(one: &CredentialExpiry) -> Option<&'static str> {
    one.finding(now()).map(|finding| finding.code)
}

#[test]
fn what_nobody_renews_is_told_of_a_day_or_a_tenth_of_its_life_before_its_end() {
    let (soon, expired) = (Some(CREDENTIAL_EXPIRES_SOON), Some(CREDENTIAL_EXPIRED));
    for (left, whole, expected) in [
        (DAY + 1, None, None),
        (DAY, None, soon),
        (DAY, Some(365 * DAY), soon),
        (DAY + 1, Some(365 * DAY), None),
        // ECR's: 1.2 h.
        (72 * MINUTE + 1, Some(12 * HOUR), None),
        (72 * MINUTE, Some(12 * HOUR), soon),
        (1, Some(12 * HOUR), soon),
        (0, Some(12 * HOUR), expired),
        (-DAY, None, expired),
    ] {
        let one = held(CredentialSource::KubeletConfigJson, lifetime(left, whole), None);
        assert_eq!(code(&one), expected, "{left} s of {whole:?}");
    }
}

#[test]
fn what_a_provider_renews_in_time_is_not_told_of() {
    let provider = || CredentialSource::Provider("ecr-credential-provider".into());
    for (left, renews_in, expected) in [
        (12 * HOUR, 6 * HOUR, None),
        (10 * MINUTE, 5 * MINUTE, None),
        (10 * MINUTE, 0, None),
        (12 * HOUR, 12 * HOUR + MINUTE, None),
        (12 * HOUR, 24 * HOUR, Some(CREDENTIAL_EXPIRES_SOON)),
        (-1, 0, Some(CREDENTIAL_EXPIRED)),
    ] {
        let one = held(provider(), lifetime(left, Some(12 * HOUR)), Some(renews_in));
        assert_eq!(code(&one), expected, "{left} s, renewed in {renews_in} s");
    }
    let told = held(provider(), lifetime(12 * HOUR, None), Some(24 * HOUR)).finding(now()).unwrap();
    assert!(told.message.ends_with("kubelet keeps it for 12 h longer, and pulls fail meanwhile"), "{}", told.message);
    assert!(told.fix.contains("`cacheDuration`"), "{}", told.fix);
}

#[test]
fn a_finding_names_source_key_place_time_and_the_way_to_renew() {
    let ecr = Lifetime { form: Form::Ecr, ..lifetime(-2 * DAY, None) };
    let told = held(CredentialSource::PullSecret("team".into(), "regcred".into()), ecr, None).finding(now()).unwrap();
    assert_eq!(
        (told.severity, told.file.as_deref(), told.line()),
        (Severity::Error, Some("/var/lib/kubelet/config.json"), Some(3))
    );
    assert_eq!(
        told.message,
        "the ECR password for `r.example` from pull-secret:team/regcred expired 2 days ago by this node's clock, at \
         2026-11-16T11:06:40Z: a registry that checks it refuses every pull"
    );
    for needed in ["12 hours", "ecr-credential-provider", "kubectl create secret docker-registry regcred -n team"] {
        assert!(told.fix.contains(needed), "{}", told.fix);
    }
}

#[test]
fn times_are_said_to_the_second_largest_unit() {
    for (left, words) in [
        (40, "expires in 40 s"),
        (119, "expires in 119 s"),
        (12 * MINUTE + 59, "expires in 12 min"),
        (HOUR, "expires in 1 h"),
        (3 * HOUR + 10 * MINUTE, "expires in 3 h 10 min"),
        (2 * DAY, "expires in 2 days"),
        (0, "expired 0 s ago"),
        (-3 * DAY, "expired 3 days ago"),
    ] {
        assert_eq!(lifetime(left, None).words(now()), words);
    }
}

#[test]
fn of_each_source_and_registry_the_first_end_counts_and_a_flood_is_cut_to_those_that_end_first() {
    let static_one = |left| held(CredentialSource::KubeletConfigJson, lifetime(left, None), None);
    let all = [static_one(DAY), static_one(HOUR), held(CredentialSource::ContainerdConfig, lifetime(DAY, None), None)];
    let ends: Vec<i64> = earliest(&all).iter().map(|one| one.lifetime.ends.as_second() - now().as_second()).collect();
    assert_eq!(ends, [DAY, HOUR], "containerd-config, kubelet-config-json");
    let flood: Vec<CredentialExpiry> = (0..1_000)
        .map(|nth| CredentialExpiry { registry: format!("r{nth}.example").into(), ..static_one(-nth) })
        .collect();
    let kept = earliest(&flood);
    assert_eq!(kept.len(), LIMIT);
    assert!(kept.iter().all(|one| one.lifetime.ends <= lifetime(-900, None).ends), "{kept:?}");
    assert_eq!(findings(flood.iter().map(|one| (one, now()))).len(), LIMIT);
    assert_eq!(findings([(&all[1], now()), (&all[1], now())]).len(), 1, "told once");
}

#[test]
fn every_code_has_its_paragraph() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/findings.md")).unwrap();
    for code in [CREDENTIAL_EXPIRED, CREDENTIAL_EXPIRES_SOON] {
        assert!(text.contains(&format!("\n**`{code}`**")), "docs/findings.md does not tell of {code}");
    }
}

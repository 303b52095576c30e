//! Indexes, manifests and configurations: floods, depth, fan-out, circles, and values that are none.

use crate::attack::{Attack, peer};
use crate::peer::{BLOB, GET, MANIFEST, Spec, has, on};
use crate::script::answer;
use crate::shelf::{CONFIG, INDEX, LAYER, Shelf, config, listed};

mod values;

pub const FAMILY: &str = "documents";

/// The most of a manifest that containerd reads, but for a little.
const LONG: usize = 4_300_000;

pub fn attacks() -> Vec<Attack> {
    [floods(), depth(), fan_out(), digests(), configs(), values::attacks()].into_iter().flatten().collect()
}

pub fn document(name: &str, media_type: &str, body: impl Into<Vec<u8>>) -> Attack {
    peer(FAMILY, name, has(Shelf::of(media_type, body)))
}

fn index(name: &str, body: impl Into<Vec<u8>>) -> Attack {
    document(name, INDEX, body)
}

fn manifest(name: &str, body: impl Into<Vec<u8>>) -> Attack {
    document(name, crate::shelf::MANIFEST, body)
}

fn floods() -> Vec<Attack> {
    let text = |unit: &str| format!("{{\"mediaType\":\"{}\"}}", unit.repeat((LONG - 40) / unit.len()));
    let key = [b"{\"", &vec![0xff; LONG - 20][..], b"\":0}"].concat();
    let fill = |before: &str, item: &[u8], after: &str| listed(before, item, LONG / (item.len() + 1), after);
    let annotated = fill("{\"annotations\":{", b"\"k\":\"v\"", "}}");
    let platform = br#"{"platform":{"os":"linux","architecture":"s390x","os.features":["a","b"]}}"#;
    vec![
        index("a million empty entries", fill("{\"manifests\":[", b"{}", "]}")),
        index("270,000 empty platforms", fill("{\"manifests\":[", b"{\"platform\":{}}", "]}")),
        index("entries that are null", fill("{\"manifests\":[", b"null", "]}")),
        index("entries that are numbers", fill("{\"manifests\":[", b"1", "]}")),
        index("8,000 platforms of others", listed("{\"manifests\":[", platform, 8_000, "]}")),
        index("a million features", fill("{\"manifests\":[{\"platform\":{\"os.features\":[", b"\"\"", "]}}]}")),
        index("half a million annotations", annotated),
        index("a million URLs", fill("{\"manifests\":[{\"urls\":[", b"\"\"", "]}]}")),
        index("one text of 4 MB", text("x")),
        index("one text of 4 MB of escapes", text("\\u0000")),
        index("one text of 4 MB of half surrogates", text("\\ud800")),
        manifest("one key of 4 MB that is no text", key),
        manifest("a million empty layers", fill("{\"layers\":[", b"{}", "]}")),
        manifest("a million unknown fields", fill("{", b"\"x\":0", "}")),
        index("4 MB of spaces", " ".repeat(LONG)),
        index("documents without end", fill("", b"{}", "")),
        index(
            "3 MB of content in an entry",
            format!("{{\"manifests\":[{{\"data\":\"{}\"}}]}}", "QUFB".repeat(750_000)),
        ),
    ]
}

fn depth() -> Vec<Attack> {
    let deep = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    let nested = |levels: usize| {
        let mut shelf = Shelf::default();
        let mut digest = shelf.image();
        for _ in 0..levels {
            let entry = shelf.entry(&digest);
            digest = shelf.add(INDEX, format!("{{\"schemaVersion\":2,\"manifests\":[{entry}]}}"));
        }
        has(shelf.tagged(&digest))
    };
    vec![
        index("lists in lists without end", "[".repeat(LONG)),
        index("objects in objects, 9,999 deep", format!("{{\"x\":{}}}", deep("{\"a\":", "}", 9_998))),
        index("objects in objects, 10,001 deep", format!("{{\"x\":{}}}", deep("{\"a\":", "}", 10_001))),
        index("half a million levels in an unknown field", format!("{{\"x\":{}}}", deep("[", "]", 500_000))),
        peer(FAMILY, "an index in an index, three deep", nested(3)),
        peer(FAMILY, "an index in an index, a thousand deep", nested(1_000)),
    ]
}

fn fan_out() -> Vec<Attack> {
    let mut shelf = Shelf::default();
    let mut level = vec![shelf.image()];
    for depth in 0..4 {
        let below = level.iter().map(|digest| shelf.entry(digest)).collect::<Vec<_>>().join(",");
        level = (0..30)
            .map(|nth| {
                shelf.add(INDEX, format!("{{\"manifests\":[{below}],\"annotations\":{{\"n\":\"{depth}/{nth}\"}}}}"))
            })
            .collect();
    }
    let top = level.iter().map(|digest| shelf.entry(digest)).collect::<Vec<_>>().join(",");
    let top = shelf.add(INDEX, format!("{{\"manifests\":[{top}]}}"));

    let mut same = Shelf::default();
    let image = same.image();
    let entry = same.entry(&image);
    let root = same.add(INDEX, listed("{\"schemaVersion\":2,\"manifests\":[", entry.as_bytes(), 1_000, "]}"));

    let missing = |nth: usize| format!(r#"{{"mediaType":"{INDEX}","digest":"sha256:{nth:064x}","size":100}}"#);
    let missing: Vec<String> = (0..2_000).map(missing).collect();
    let mut itself = Shelf::default();
    let circle = format!(r#"{{"manifests":[{{"mediaType":"{INDEX}","digest":"sha256:{:064x}","size":131}}]}}"#, 0);
    let tagged = itself.add(INDEX, circle.clone());
    vec![
        peer(FAMILY, "30 indexes a level, four levels", has(shelf.tagged(&top))),
        peer(FAMILY, "1,000 entries of one digest", has(same.tagged(&root))),
        index("2,000 indexes that nobody has", format!("{{\"manifests\":[{}]}}", missing.join(","))),
        peer(
            FAMILY,
            "an index that names itself",
            has(itself.tagged(&tagged)).on(
                |asked| asked.path.contains("0000000000"),
                answer("200 OK", &[&format!("Content-Type: {INDEX}")], circle),
            ),
        ),
        peer(FAMILY, "300 layers", layers(300, 300)).requests(500),
        peer(FAMILY, "200 layers", layers(200, 200)).requests(500),
        peer(FAMILY, "3,000 layers of one digest", layers(1, 3_000)),
        peer(
            FAMILY,
            "more layers than the configuration knows",
            layers(3, 3).on(
                |asked| asked.path.contains("/blobs/") && asked.field("range").is_empty(),
                answer("200 OK", &[], config(1)),
            ),
        ),
    ]
}

/// An image of so many different layers, listed so often together.
fn layers(different: usize, listed_times: usize) -> Spec {
    let mut shelf = Shelf::default();
    let layers: Vec<String> = (0..different).map(|nth| shelf.add(LAYER, format!("layer {nth}"))).collect();
    let config = shelf.add(CONFIG, config(listed_times));
    let entries: Vec<String> = layers.iter().cycle().take(listed_times).map(|layer| shelf.entry(layer)).collect();
    let text =
        format!("{{\"schemaVersion\":2,\"config\":{},\"layers\":[{}]}}", shelf.entry(&config), entries.join(","));
    let manifest = shelf.add(crate::shelf::MANIFEST, text);
    has(shelf.tagged(&manifest))
}

fn digests() -> Vec<Attack> {
    let entry = |name: &str, digest: &str| {
        let body =
            format!(r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{INDEX}","digest":"{digest}","size":2}}]}}"#);
        index(name, body)
    };
    let said = |digest: &str| {
        answer("200 OK", &[&format!("Content-Type: {INDEX}"), &format!("Docker-Content-Digest: {digest}")], "{}")
    };
    vec![
        entry("a digest of nothing", ""),
        entry("a digest that is a path", "../../../../etc/passwd"),
        entry(
            "a digest that is a path behind its algorithm",
            "sha256:../../../../../../../../../../../../../etc/passwd",
        ),
        entry("a digest with a query", "sha256:0000000000000000000000000000000000000000000000000000000000000000?x=y"),
        entry("a digest in capitals", "SHA256:0000000000000000000000000000000000000000000000000000000000000000"),
        entry("a digest too short", "sha256:00"),
        entry("a digest of SHA-512", &format!("sha512:{}", "0".repeat(128))),
        entry("a digest of 1 MB", &format!("sha256:{}", "0".repeat(1_000_000))),
        entry("a digest that steers", "sha256:\\u001b[2J\\u202e\\r\\n"),
        peer(
            FAMILY,
            "another document than its digest",
            on(GET, answer("200 OK", &[&format!("Content-Type: {INDEX}")], "{\"x\":1}")),
        ),
        peer(
            FAMILY,
            "another digest each time",
            on(MANIFEST, said("sha256:${n}000000000000000000000000000000000000000000000000000000000000000")),
        ),
        peer(FAMILY, "a digest of 64 zeros for all", on(MANIFEST, said(&format!("sha256:{}", "0".repeat(64))))),
        peer(FAMILY, "a configuration of other bytes", on(BLOB, answer("200 OK", &[], config(1) + " "))),
    ]
}

fn configs() -> Vec<Attack> {
    let with = |name: &str, body: Vec<u8>| peer(FAMILY, name, has(Shelf::with_config(body)));
    let base = |more: &str| {
        format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["sha256:a"]}},{more}}}"#
        )
        .into_bytes()
    };
    let before = r#"{"architecture":"amd64","os":"linux","rootfs":{"diff_ids":["sha256:a"]},"history":["#;
    let ids = |times| listed(r#"{"architecture":"amd64","os":"linux","rootfs":{"diff_ids":["#, b"\"\"", times, "]}}");
    vec![
        with("a configuration of nothing", Vec::new()),
        with("a configuration that is null", b"null".to_vec()),
        with("a configuration of a million steps", listed(before, b"{}", 1_000_000, "]}")),
        with("a configuration of 9 MB", listed(before, b"{\"comment\":\"aaaaaaaaaaaaaaaaaaaa\"}", 270_000, "]}")),
        with("a configuration of a million layers", ids(1_000_000)),
        with("a configuration of no layer", ids(0)),
        with(
            "a configuration half a million deep",
            base(&format!("\"x\":{}{}", "[".repeat(500_000), "]".repeat(500_000))),
        ),
        with("a configuration with a text of 6 MB", base(&format!("\"author\":\"{}\"", "x".repeat(6_000_000)))),
        with(
            "a configuration of another system",
            br#"{"architecture":"\u001b[2J","os":"\u202eswodniw","rootfs":{"diff_ids":["sha256:a"]}}"#.to_vec(),
        ),
        with("a configuration of bytes that are no text", vec![0xff; 10_000]),
    ]
}

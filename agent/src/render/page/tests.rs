//! The page as a browser would get it.

use super::*;
use crate::model::sample;

fn rich() -> String {
    html(&sample::rich(), sample::now())
}

/// Every opening tag of the page, without its attributes; a void one closes itself.
fn tags(page: &str) -> Vec<&str> {
    let pieces = page.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
    pieces.map(|(tag, _)| tag.split(' ').next().unwrap()).collect()
}

#[test]
fn every_element_that_is_opened_is_closed_in_order() {
    let page = rich();
    let mut open = Vec::new();
    for tag in tags(&page) {
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if ["!doctype", "meta"].contains(&tag) => {}
            None => open.push(tag),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn what_a_registry_writes_is_text_and_never_markup() {
    let page = rich();
    assert!(page.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#39;"));
    assert!(!page.contains(sample::MARKUP) && !page.contains("<script"));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = rich();
    for loader in ["src=", "@import", "url(", "<link", "<script", "<iframe", "http-equiv=\"set"] {
        assert!(!page.contains(loader), "{loader}");
    }
    let links: Vec<&str> = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.iter().all(|link| link.starts_with('/')), "{links:?}");
}

#[test]
fn a_failing_image_stands_before_a_good_one_with_its_cause_its_fix_and_kubelets_words() {
    let page = rich();
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(at("ghcr.io/example/private:1") < at("docker.io/library/busybox:1.36"));
    for text in [
        "credentials_rejected",
        "Log in anew and replace the entry",
        "kubelet would say",
        "failed to pull and unpack image &quot;ghcr.io/example/private:1&quot;",
        "does not run here",
        "could not be told",
    ] {
        at(text);
    }
}

#[test]
fn a_dead_mirror_shows_where_it_died_and_what_it_costs() {
    let page = rich();
    for text in [
        "https://mirror.example:5000",
        "tcp_timeout",
        "each request loses 30 s to dead hosts",
        "not since the start",
        "42 of 100 left in 6 h",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn a_host_that_others_send_to_stands_below_them_with_what_it_is_needed_for() {
    let page = rich();
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    assert!(at("https://registry.k8s.io") < at("https://europe-west4-docker.pkg.dev"));
    assert!(at("https://europe-west4-docker.pkg.dev") < at("manifest, blob"));
}

#[test]
fn before_the_first_cycle_there_is_a_page_too() {
    let page = html(&sample::empty(), sample::now());
    assert!(page.contains("the first cycle is running") && page.contains("No image is a target."));
}

#[test]
fn characters_that_turn_text_around_are_replaced() {
    let mut page = Html::default();
    page.text("a\u{202e}b\u{1b}[31m");
    assert_eq!(page.into_string(), "a\u{fffd}b\u{fffd}[31m");
}

//! The envelope on small scenarios: each reason where it holds, and right beside it where it does not.

use super::*;
use std::path::Path;

/// The default topology with one reading and writing load, `more` besides.
fn of(more: &str) -> Vec<Reason> {
    reasons(&drawn(more))
}

fn drawn(more: &str) -> Scenario {
    let text = format!(
        "[scenario]\ntitle = \"t\"\nduration = \"3s\"\n{more}\n[[workload]]\nspan = \"1MiB\"\n"
    );
    crate::scenario::parse(&text, Path::new("t.toml"), "t", &[]).unwrap_or_else(|e| panic!("{e:?}"))
}

fn fault(rest: &str) -> String {
    format!("[[fault]]\nat = \"1s\"\nfor = \"400ms\"\n{rest}\n")
}

const SHORT: &str = "[datapath]\nno_path = { queue_for = \"700ms\" }\n";

#[test]
fn without_faults_no_error_is_legitimate() {
    assert_eq!(of(""), []);
    assert_eq!(of(SHORT), []);
}

#[test]
fn all_paths_must_be_down_together_and_for_longer_than_they_are_waited_for() {
    for kind in ["reset", "drop", "drop_answers", "remove_path"] {
        let all = fault(&format!("on = \"all\"\ndo = \"{kind}\""));
        let one = fault(&format!("on = \"controller:A\"\ndo = \"{kind}\""));
        assert_eq!(of(&all), [], "{kind}: shorter than queue_for");
        assert_eq!(of(&format!("{SHORT}{all}")), [Reason::NoPath], "{kind}");
        assert_eq!(of(&format!("{SHORT}{one}")), [], "{kind}: B is left");
    }
    let a = fault("on = \"controller:A\"\ndo = \"drop\"");
    let b = fault("on = \"controller:B\"\ndo = \"reset\"");
    assert_eq!(of(&format!("{SHORT}{a}{b}")), [Reason::NoPath]);
    let later = b.replace("1s", "2.2s");
    assert_eq!(of(&format!("{SHORT}{a}{later}")), []);
    let when = a.replace("at = \"1s\"", "on_event = \"lost\"");
    let either = of(&format!("{SHORT}{when}{later}"));
    assert_eq!(either, [Reason::NoPath], "it may come at any time");
}

#[test]
fn commands_that_are_held_are_missed_for_longer_than_the_fault() {
    let late = |after: &str| {
        fault(&format!("on = \"all\"\ndo = \"late\"\nafter = \"{after}\"")).replace("400ms", "10ms")
    };
    assert_eq!(of(&format!("{SHORT}{}", late("50ms"))), []);
    assert_eq!(of(&format!("{SHORT}{}", late("1s"))), [Reason::NoPath]);
}

#[test]
fn what_is_held_to_the_end_excuses_that_nothing_completes() {
    let stands_still = |after: &str| {
        let late = fault(&format!(
            "on = \"path:h0-A0\"\ndo = \"late\"\nafter = \"1ms..{after}\""
        ));
        echoes_to_the_end(&drawn(&late))
    };
    // 1.4 s, the hold, 0.6 s; the run ends at 3 s.
    assert!(!stands_still("1s"));
    assert!(stands_still("1001ms"));
    assert!(!echoes_to_the_end(&drawn(&fault(
        "on = \"all\"\ndo = \"drop\""
    ))));
}

#[test]
fn a_daemon_that_is_dead_or_not_scheduled_has_no_path() {
    for (on, kind) in [("datapath", "kill"), ("shard:0", "lag")] {
        let f = fault(&format!("on = \"{on}\"\ndo = \"{kind}\""));
        assert_eq!(of(&format!("{SHORT}{f}")), [Reason::NoPath]);
        assert_eq!(of(&f), []);
    }
}

#[test]
fn a_volume_is_gone_when_every_path_says_so_or_cannot_be_asked() {
    for gone in ["do = \"unmap\"", "do = \"access\"\nstate = \"lost\""] {
        let all = of(&fault(&format!("on = \"all\"\n{gone}")));
        assert_eq!(all, [Reason::Gone]);
        let half = fault(&format!("on = \"controller:A\"\n{gone}"));
        assert_eq!(of(&half), []);
        let cut = fault("on = \"controller:B\"\ndo = \"drop\"").replace("1s", "2.5s");
        let both = of(&format!("{half}{cut}"));
        assert_eq!(both, [Reason::Gone], "it was believed long before");
    }
}

#[test]
fn refusals_are_legitimate_only_when_they_outlast_the_patience() {
    let patience = "[datapath]\nio_timeout = \"300ms\"\nno_path = { queue_for = \"300ms\" }\n";
    for what in [
        "do = \"busy\"",
        "do = \"error\"\nstatus = \"nvme:0x360\"\nshare = 10",
    ] {
        let f = fault(&format!("on = \"path:h0-A0\"\n{what}"));
        assert_eq!(of(&f), []);
        assert_eq!(of(&format!("{patience}{f}")), [Reason::Refused]);
    }
}

#[test]
fn a_status_of_the_path_or_the_volume_must_be_everywhere() {
    let eio = "do = \"error\"\nstatus = \"errno:EIO\"";
    assert_eq!(of(&fault(&format!("on = \"port:A0\"\n{eio}"))), []);
    let all = of(&fault(&format!("on = \"all\"\n{eio}")));
    assert_eq!(all, [Reason::Ambiguous]);
}

#[test]
fn a_final_status_needs_no_company() {
    let f = fault("on = \"path:h0-A0\"\ndo = \"error\"\nstatus = \"nvme:0x281\"\nshare = 1");
    assert_eq!(of(&f), [Reason::Fatal]);
}

#[test]
fn the_medium_must_be_bad_where_somebody_reads() {
    let bad = |lba: u64| {
        fault(&format!(
            "on = \"volume:vol0\"\ndo = \"medium\"\nlba = {lba}\nblocks = 8"
        ))
    };
    assert_eq!(of(&bad(2040)), [Reason::Medium]);
    assert_eq!(of(&bad(2048)), [], "right behind the span");
}

#[test]
fn a_volume_must_shrink_below_what_is_used() {
    let size = |size: &str| {
        fault(&format!(
            "on = \"volume:vol0\"\ndo = \"resize\"\nsize = \"{size}\""
        ))
    };
    assert_eq!(of(&size("512KiB")), [Reason::BeyondEnd]);
    assert_eq!(of(&size("1MiB")), []);
    assert_eq!(of(&size("128GiB")), []);
}

#[test]
fn what_is_removed_for_good_need_not_drain() {
    let drains = |f: &str| {
        let text = format!(
            "[scenario]\ntitle = \"t\"\n{f}on = \"all\"\ndo = \"remove_path\"\n[[workload]]\ndepth = 1\n"
        );
        must_drain(&crate::scenario::parse(&text, Path::new("t.toml"), "t", &[]).unwrap())
    };
    assert!(drains("[[fault]]\nat = \"1s\"\nfor = \"1ms\"\n"));
    assert!(!drains("[[fault]]\nat = \"1s\"\n"));
    assert!(!drains("[[fault]]\non_event = \"lost\"\nfor = \"1ms\"\n"));
}

#[test]
fn a_lost_cache_excuses_flushes_only() {
    let crash = fault("on = \"controller:A\"\ndo = \"crash\"");
    assert_eq!(of(&crash), []);
    let found = of(&format!("[array]\ncache = \"volatile\"\n{crash}"));
    assert_eq!(found, [Reason::CacheLost]);
    assert!(flush_may_fail(&found) && !io_may_fail(&found));
}

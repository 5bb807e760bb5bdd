//! Everything that is refused, with its place and its words.

use super::{TEN_LINES, read};
use crate::scenario::Diagnostic;

/// What is wrong with a text.
fn findings(text: &str) -> Vec<Diagnostic> {
    match read(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(findings) => findings,
    }
}

/// A valid scenario with `extra` after it.
fn with(extra: &str) -> String {
    format!("[scenario]\ntitle = \"t\"\n[[workload]]\nname = \"w\"\n{extra}")
}

#[test]
fn each_refusal_says_what_would_be_right() {
    let fault = "[[fault]]\nat = \"1s\"\non = \"path:h0-A0\"\n";
    let array = "[array]\n";
    let two = "[[volume]]\nname = \"a\"\nsize = \"1GiB\"\n[[volume]]\nname = \"b\"\n";
    let expect = "[[expect]]\nmetric = ";
    for (extra, said) in [
        // Keys, tables, types.
        (
            "[datapth]\n".to_string(),
            "x.toml:5:2: unknown table 'datapth'; did you mean 'datapath'? allowed: scenario,",
        ),
        (
            "[datapath]\npolcy = 1".into(),
            "x.toml:6:1: unknown key 'polcy' in [datapath]; did you mean 'policy'? allowed: policy, io_timeout",
        ),
        (
            "dept = 3".into(),
            "x.toml:5:1: unknown key 'dept' in [[workload]]; did you mean 'depth'?",
        ),
        (
            "[array]\nservice = { raed = \"1us\" }".into(),
            "unknown key 'raed' in [array] service; did you mean 'read'?",
        ),
        (
            "[datapath]\nno_path = { queue_fr = \"1s\" }".into(),
            "unknown key 'queue_fr' in [datapath] no_path",
        ),
        ("array = 3".into(), "unknown key 'array' in [[workload]]"),
        (
            "[datapath]\nno_path = 3".into(),
            "[datapath] no_path must be a table, found 3",
        ),
        (
            "[fault]\nat = \"1s\"".into(),
            "expected one or more [[fault]], found a table",
        ),
        (
            "[[path]]\nname = true".into(),
            "name must be a text in quotes, found true",
        ),
        (
            "[[path]]\nname = \"h0-A0\"\npresent = 1".into(),
            "present must be true or false, found 1",
        ),
        // Quantities.
        (
            "start = 3".into(),
            "start: expected a time with its unit such as \"30ms\", in quotes, found 3",
        ),
        ("start = \"3\"".into(), "the unit is missing, found \"3\""),
        (
            "start = \"3MS\"".into(),
            "unknown unit 'MS', expected a time with its unit such as \"30ms\", found \"3MS\"; did you mean 'ms'? allowed: ns, us, ms, s, m, h",
        ),
        ("start = \"9999999999h\"".into(), "too large"),
        ("start = \"2s..1s\"".into(), "the range runs backwards"),
        ("read = 101".into(), "read must be 0 to 100, found 101"),
        (
            "read = -1".into(),
            "expected a percentage, a whole number of 0 to 100, found -1",
        ),
        ("read = 70.5".into(), "found 70.5"),
        (
            "depth = \"32\"".into(),
            "depth: expected a whole number, found \"32\"",
        ),
        ("depth = 0".into(), "depth must be 1 to 65536, found 0"),
        ("rate = \"20k\"".into(), "unknown unit 'k'"),
        ("rate = \"0/s\"".into(), "rate must be 0.001/s to"),
        (
            "[array]\ncontrollers = \"1..3\"".into(),
            "controllers cannot be a range",
        ),
        (
            "[array]\ncontrollers = 27".into(),
            "controllers must be 1 to 26, found 27",
        ),
        (
            "[array]\nblock = 1024".into(),
            "unknown block, found 1024; allowed: 512, 4096",
        ),
        (
            "[host]\nports = 32\ncount = 64\n[array]\ncontrollers = 26\nports = 32".into(),
            "at most 16384",
        ),
        (
            "[link]\nrate = \"1bit/s\"".into(),
            "rate must be 1kbit/s to",
        ),
        // Words.
        (
            format!("{array}access = \"asymetric\""),
            "unknown access, found \"asymetric\"; did you mean 'asymmetric'? allowed: asymmetric, symmetric",
        ),
        (
            format!("{array}cache = \"x\""),
            "allowed: mirrored, volatile, none",
        ),
        (
            format!("{array}service = {{ tail = \"normal\" }}"),
            "did you mean 'lognormal'?",
        ),
        (format!("{array}fence = \"CCR\""), "did you mean 'ccr'?"),
        (
            "[datapath]\npolicy = \"roundrobin\"".into(),
            "did you mean 'round_robin'?",
        ),
        (
            "[datapath]\nfence = \"shadows\"".into(),
            "did you mean 'shadow'? allowed: in_doubt, hold, shadow, none",
        ),
        (
            "[datapath]\nfence = \"shadow\"\nshadow = \"700B\"".into(),
            "shadow must be a multiple of the array's block, 512B",
        ),
        (
            "[datapath]\npolicy = \"static 1/x\"".into(),
            "'static 1/x': a split needs a weight of 0 to 65535",
        ),
        // Volumes and workloads.
        (
            format!("{two}owner = \"C\""),
            "unknown owner, found \"C\"; did you mean 'A'? allowed: A, B",
        ),
        (
            "[[volume]]\nsize = \"1000B\"".into(),
            "size must be a multiple of the array's block, 512B, found \"1000B\"",
        ),
        (
            "[[volume]]\nname = \"a b\"".into(),
            "a name has 1 to 64 letters",
        ),
        (
            "[[volume]]\nname = \"a\"\n[[volume]]\nname = \"a\"".into(),
            "x.toml:8:8: a second volume 'a'",
        ),
        (
            "volume = \"vol1\"".into(),
            "unknown volume, found \"vol1\"; did you mean 'vol0'? allowed: vol0",
        ),
        ("host = 1".into(), "host must be 0 to 0, found 1"),
        ("[[workload]]\nname = \"w\"".into(), "a second workload 'w'"),
        (
            "span = \"65GiB\"".into(),
            "offset + span exceed the volume's size, 64GiB",
        ),
        (
            "span = \"1GiB..33GiB\"\noffset = \"0B..32GiB\"".into(),
            "offset + span exceed",
        ),
        (
            "offset = \"64GiB\"".into(),
            "offset lies beyond the volume's end (64GiB)",
        ),
        (
            "block = \"1000B\"".into(),
            "block must be a multiple of the array's block",
        ),
        (
            "block = \"4KiB..100MiB\"".into(),
            "block must be 512B to 64MiB",
        ),
        (
            "block = \"8KiB\"\nspan = \"4KiB\"".into(),
            "block is larger than the span, 4KiB",
        ),
        (
            "depth = 1\nrate = \"1/s\"".into(),
            "x.toml:6:1: depth (closed loop) and rate (open loop) exclude each other",
        ),
        (
            "discard = 40".into(),
            "read + discard + write_zeroes are 110 percent of the operations, at most 100 (read is 70 unless given)",
        ),
        (
            "start = \"2s\"\nstop = \"1s\"".into(),
            "stop must be later than start",
        ),
        (
            "speed = 2".into(),
            "speed has a meaning only for kind = \"replay\"",
        ),
        ("kind = \"replay\"".into(), "a replay needs its trace"),
        (
            "kind = \"replay\"\nfile = \"f\"\nread = 3".into(),
            "read has no meaning for kind = \"replay\"",
        ),
        (
            "kind = \"replay\"\nfile = \"f\"\ndepth = 3".into(),
            "depth has a meaning in a replay only with pace = \"asap\"",
        ),
        (
            "kind = \"replay\"\nfile = \"f\"\nspeed = 0".into(),
            "speed must be a factor of 0.001 to 1000000, found 0",
        ),
        (
            "kind = \"replay\"\nfile = \"f\"\nspeed = nan".into(),
            "speed must be a factor",
        ),
        (
            "kind = \"replay\"\nfile = \"f\"\nformat = \"vscsicsv\"".into(),
            "did you mean 'vscsi-csv'?",
        ),
        // Paths.
        (
            "[[path]]\nlatency = \"1ms\"".into(),
            "[[path]] needs a name; allowed: h0-A0, h0-B0, h1-A1, h1-B1",
        ),
        (
            "[[path]]\nname = \"h0-A1\"".into(),
            "no path 'h0-A1' in this scenario; did you mean 'h0-A0'?",
        ),
        (
            "[[path]]\nname = \"h0-A0\"\n[[path]]\nname = \"h0-A0\"".into(),
            "a second [[path]] for 'h0-A0'",
        ),
        // Faults.
        (
            "[[fault]]\non = \"all\"\ndo = \"drop\"".into(),
            "a fault needs at = \"1s\" or on_event",
        ),
        (
            format!("{fault}do = \"drop\"\non_event = \"lost\""),
            "at and on_event exclude each other",
        ),
        (
            format!("{fault}do = \"drop\"\nnth = 2"),
            "nth needs on_event",
        ),
        (
            "[[fault]]\non_event = \"failver\"\non = \"all\"\ndo = \"drop\"".into(),
            "unknown on_event, found \"failver\"; did you mean 'failover'?",
        ),
        (
            "[[fault]]\nat = \"1s..3s\"\non = \"all\"\ndo = \"drop\"".into(),
            "x.toml:6:6: the fault starts when the run is over (its duration is 3s)",
        ),
        (
            "start = \"3s\"".into(),
            "the workload starts when the run is over (its duration is 3s)",
        ),
        (
            format!(
                "{fault}for = \"1s\"\ndo = \"drop\"\n{expect}\"app.errors == 0\"\nwindow = \"healed\""
            ),
            "the window is empty: healed is from 1s after the last fault's end, the run is over at 3s",
        ),
        (
            fault.to_string(),
            "a fault needs do = \"…\"; allowed: reset, drop",
        ),
        (
            format!("{fault}do = \"dorp\""),
            "unknown do, found \"dorp\"; did you mean 'drop'?",
        ),
        (
            "[[fault]]\nat = \"1s\"\ndo = \"drop\"".into(),
            "a fault needs on = \"path:h0-A0\"",
        ),
        (
            format!("{fault}do = \"reset\"\nshare = 3"),
            "'share' is no parameter of do = \"reset\", which has no parameters",
        ),
        (
            format!("{fault}do = \"late\"\nadd = \"1s\""),
            "'add' is no parameter of do = \"late\", which has after, share, beyond_fence",
        ),
        (
            format!("{fault}do = \"late\"\naftr = \"1s\""),
            "unknown key 'aftr' in [[fault]]; did you mean 'after'?",
        ),
        (
            format!("{fault}do = \"delay\""),
            "do = \"delay\" needs add = \"5ms\"",
        ),
        (format!("{fault}do = \"throttle\""), "needs rate"),
        (
            format!("{fault}do = \"throttle\"\nrate = \"1GiB\""),
            "unknown unit 'GiB', expected a rate",
        ),
        (format!("{fault}do = \"error\""), "needs status"),
        (
            format!("{fault}do = \"error\"\nstatus = \"errno:EOI\""),
            "status: unknown errno, found \"errno:EOI\"; did you mean 'EIO'?",
        ),
        (format!("{fault}do = \"flap\""), "needs period"),
        (
            format!("{fault}do = \"flap\"\nperiod = \"0s\""),
            "period must be 1ns to",
        ),
        (format!("{fault}do = \"access\""), "needs state"),
        (
            format!("{fault}do = \"lag\""),
            "do = \"lag\" makes no sense on this target; allowed: shard, datapath, host",
        ),
        (format!("{fault}do = \"kill\""), "allowed: datapath, host"),
        (
            format!("{fault}do = \"crash\""),
            "allowed: controller, array, any",
        ),
        (
            format!("{fault}do = \"stall\""),
            "allowed: controller, array, all, any",
        ),
        (
            "[[fault]]\nat = \"1s\"\non = \"any 1 of paths\"\ndo = \"crash\"".into(),
            "makes no sense on this target",
        ),
        (
            "[[fault]]\nat = \"1s\"\non = \"volume:vol0\"\ndo = \"drop\"".into(),
            "makes no sense on this target",
        ),
        (
            "[[fault]]\nat = \"1s\"\non = \"shard:0\"\ndo = \"add_path\"".into(),
            "makes no sense on this target",
        ),
        (
            "[[fault]]\nat = \"1s\"\non = \"array\"\ndo = \"resize\"".into(),
            "needs size",
        ),
        (
            "[[fault]]\nat = \"1s\"\non = \"array\"\ndo = \"swap\"".into(),
            "needs with",
        ),
        (
            "[[fault]]\nat = \"1s\"\non = \"array\"\ndo = \"swap\"\nwith = \"vol0\"".into(),
            "cannot be swapped with itself",
        ),
        (
            "[[fault]]\nat = \"1s\"\non = \"array\"\ndo = \"medium\"\nlba = 134217728\nblocks = 1"
                .into(),
            "lba + blocks exceed the volume's 134217728 blocks",
        ),
        (
            format!("{two}[[fault]]\nat = \"1s\"\non = \"all\"\ndo = \"unmap\""),
            "needs volume = \"…\", there are several; allowed: a, b",
        ),
        (
            format!(
                "{two}[[fault]]\nat = \"1s\"\non = \"volume:a\"\ndo = \"unmap\"\nvolume = \"b\""
            ),
            "volume names another volume than on",
        ),
        // Expectations.
        (
            "[[expect]]\nwindow = \"whole\"".into(),
            "[[expect]] needs metric",
        ),
        (
            format!("{expect}\"app.errors == 0\"\nsometimes = \"app.errors == 1\""),
            "metric and sometimes exclude each other",
        ),
        (
            format!("{expect}\"app.errors\""),
            "expected METRIC COMPARISON VALUE",
        ),
        (
            format!("{expect}\"app.errors = 0\""),
            "expected METRIC COMPARISON VALUE",
        ),
        (
            format!("{expect}\"app.erors == 0\""),
            "x.toml:6:10: unknown metric 'app.erors'; did you mean 'app.errors'? allowed: app.ios",
        ),
        (
            format!("{expect}\"path.h0-A9.ios == 0\""),
            "unknown metric 'path.h0-A9.ios'; did you mean 'path.h0-A0.ios'?",
        ),
        (
            format!("{expect}\"rules.ghost_writes == 0\""),
            "did you mean 'rules.ghost_write'?",
        ),
        (
            format!("{expect}\"zzzzzzzz == 0\""),
            "allowed: app.…, path.…",
        ),
        (
            format!("{expect}\"app.read.p99 < 120\""),
            "app.read.p99: expected a time with its unit, such as 120ms, found \"120\"",
        ),
        (
            format!("{expect}\"app.errors < 1ms\""),
            "app.errors: expected a number without a unit, found \"1ms\"",
        ),
        (
            format!("{expect}\"balance.jain > nan\""),
            "expected a number",
        ),
        (
            format!("{expect}\"app.errors == 0\"\nwindow = \"faults\""),
            "unknown window, found \"faults\"; did you mean 'fault'?",
        ),
        (
            format!("{expect}\"app.errors == 0\"\nwindow = \"fault\""),
            "this window needs a [[fault]]; allowed: whole, steady",
        ),
    ] {
        let text = with(&extra);
        let all: Vec<String> = findings(&text).iter().map(ToString::to_string).collect();
        assert!(
            all.iter().any(|d| d.contains(said)),
            "expected: {said}\nof:\n{text}\ngot: {all:#?}"
        );
        assert_eq!(
            all.len(),
            1,
            "one finding for one mistake:\n{text}\n{all:#?}"
        );
    }
}

#[test]
fn targets_name_what_there_is() {
    for (on, said) in [
        (
            "path:h0-A1",
            "no path 'h0-A1' in this scenario; did you mean 'h0-A0'? allowed: h0-A0, h0-B0",
        ),
        ("path:host1.h0-A0", "no path 'host1.h0-A0'"),
        (
            "port:C0",
            "no port 'C0' in this scenario; did you mean 'A0'? allowed: A0, A1, B0, B1",
        ),
        (
            "host_port:h2",
            "no host port 'h2' in this scenario; did you mean 'h0'? allowed: h0, h1",
        ),
        (
            "controller:C",
            "no controller 'C' in this scenario; did you mean 'A'? allowed: A, B",
        ),
        (
            "fabric:rde",
            "no fabric 'rde' in this scenario; did you mean 'red'? allowed: red, blue",
        ),
        ("fabric:green", "no fabric 'green'"),
        (
            "volume:vol1",
            "no volume 'vol1' in this scenario; did you mean 'vol0'?",
        ),
        ("host:1", "no host '1'"),
        ("shard:2", "no shard '2' in this scenario"),
        ("datapath:1", "no datapath '1'"),
        ("controler:A", "unknown target; did you mean 'controller:'?"),
        ("arry", "unknown target; did you mean 'array'?"),
        ("", "unknown target; allowed: path:"),
        ("any two of paths", "expected \"any N of GROUP\""),
        (
            "any 2 of pathes",
            "unknown group 'pathes'; did you mean 'paths'?",
        ),
        (
            "any 5 of paths",
            "\"any 5 of paths\": this scenario has 4 paths",
        ),
        ("any 0 of paths", "this scenario has 4 paths"),
        ("any 3 of optimized", "this scenario has 2 optimized"),
    ] {
        let text = with(&format!(
            "[[fault]]\nat = \"1s\"\ndo = \"drop\"\non = \"{on}\""
        ));
        let all = findings(&text);
        assert_eq!(all.len(), 1, "{all:#?}");
        assert!(
            all[0].to_string().contains(said),
            "expected: {said}\ngot: {}",
            all[0]
        );
        assert_eq!((all[0].line, all[0].column), (8, 6));
    }
}

#[test]
fn the_required_parts_are_named() {
    let said =
        |text: &str| -> Vec<String> { findings(text).iter().map(ToString::to_string).collect() };
    assert_eq!(
        said(""),
        [
            "x.toml:1:1: [scenario] needs a title",
            "x.toml:1:1: a scenario needs at least one [[workload]]"
        ]
    );
    assert_eq!(
        said("[scenario]\ntitle = \" \"\n[[workload]]\n"),
        ["x.toml:2:9: the title is empty"]
    );
    assert_eq!(
        said(
            "[scenario]\ntitle = \"t\"\nfidelity = \"wire\"\nrequires = [\"inject.dorp\", 3]\nexpect_fail = \"\"\nseed = -1\n[[workload]]"
        ),
        [
            "x.toml:3:12: fidelity \"wire\" is not built yet; allowed: model".to_string(),
            said("[scenario]\ntitle = \"t\"\n\nrequires = [\"inject.dorp\"]\n[[workload]]")[0]
                .clone(),
            "x.toml:4:28: requires must be a list of texts, found 3".into(),
            "x.toml:5:15: expect_fail must say why".into(),
            "x.toml:6:8: seed must be a whole number of 64 bits, found -1".into(),
        ]
    );
}

#[test]
fn all_findings_come_together_in_the_order_of_the_text() {
    let text = "[[workload]]\ndept = 3\nblock = \"7KiB\"\n[scenario]\ntitel = \"x\"\n[[fault]]\ndo = \"dorp\"\n[array]\nblock = 4096\n";
    let all = findings(text);
    let lines: Vec<usize> = all.iter().map(|d| d.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 6, 7], "{all:#?}");
}

#[test]
fn toml_itself_is_explained_with_its_place() {
    let d = findings("[scenario]\ntitle = \"unclosed\nseed = 1");
    assert_eq!((d.len(), d[0].line), (1, 2));
    assert!(d[0].message.starts_with("not valid TOML: "), "{}", d[0]);
    let d = findings("[scenario]\ntitle = \"a\"\ntitle = \"b\"");
    assert_eq!(d[0].line, 3, "{}", d[0]);
    // Columns count characters.
    let d = findings("# é\n[scenario]\ntitle = \"é\" ; x");
    assert_eq!((d[0].line, d[0].column), (3, 13), "{}", d[0]);
}

#[test]
fn a_misspelt_ten_line_scenario_has_one_finding_for_each_slip() {
    let text = TEN_LINES
        .replace("depth", "dept")
        .replace("controller:A", "controler:A")
        .replace("[[fault]]", "[[falt]]");
    let all = findings(&text);
    assert_eq!(all.len(), 2, "{all:#?}");
    assert_eq!(all[1].nearest.as_deref(), Some("fault"));
}

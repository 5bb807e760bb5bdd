//! `--set`, and files and folders as the command line names them.

use super::{EVERYTHING, TEN_LINES};
use crate::scenario::model::*;
use crate::scenario::{Diagnostic, Scenario, find, load, name_of, parse};
use std::fs;
use std::path::{Path, PathBuf};

fn set(text: &str, sets: &[(&str, &str)]) -> Result<Scenario, Vec<Diagnostic>> {
    let sets: Vec<(String, String)> = sets
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_string()))
        .collect();
    parse(text, Path::new("x.toml"), "x", &sets)
}

#[test]
fn sets_reach_every_place() {
    let s = set(
        TEN_LINES,
        &[
            ("datapath.policy", "\"numa\""),
            ("workload.0.depth", "64"),
            ("datapath.no_path.queue_for", "\"7s\""),
            ("array.service", "{ read = \"1ms\" }"),
            ("volume.0.size", "\"1GiB\""),
            ("workload.1.name", "\"second\""),
            ("workload.second.rate", "\"1k/s\""),
            ("fault.0.on", "[\"path:h0-A0\", \"path:h1-A1\"]"),
            ("scenario.duration", "\"2s\""),
        ],
    )
    .unwrap_or_else(|e| panic!("{e:#?}"));
    assert_eq!(s.datapath.policy, Policy::Numa);
    assert_eq!(s.workloads[0].load, Load::Depth(64));
    assert_eq!(s.workloads[1].load, Load::RateMilli(1_000_000));
    assert_eq!(s.datapath.queue_for.nanos(), 7_000_000_000);
    assert_eq!(s.array.service_read.nanos(), 1_000_000);
    assert_eq!((s.volumes.len(), s.volumes[0].bytes), (1, 1 << 30));
    assert_eq!(
        s.faults[0].on,
        Target::Several(vec![
            Target::Path("h0-A0".into()),
            Target::Path("h1-A1".into())
        ])
    );
}

#[test]
fn a_set_replaces_what_it_excludes() {
    let s = set(
        TEN_LINES,
        &[
            ("workload.0.rate", "\"20k/s\""),
            ("fault.0.on_event", "\"failover\""),
        ],
    )
    .unwrap();
    assert_eq!(s.workloads[0].load, Load::RateMilli(20_000_000));
    assert!(matches!(s.faults[0].when, When::OnEvent { .. }));
    let s = set(EVERYTHING, &[("workload.1.depth", "3")]).unwrap();
    assert_eq!(s.workloads[1].load, Load::Depth(3));
}

#[test]
fn a_wrong_set_is_named() {
    for (key, value, said) in [
        (
            "datapath.polcy",
            "\"numa\"",
            "x.toml: --set datapath.polcy=\"numa\": unknown key 'polcy' in [datapath]; did you mean 'policy'?",
        ),
        (
            "datapath.policy",
            "numa",
            "a text needs quotes within quotes: --set datapath.policy='\"numa\"'",
        ),
        ("datapath.policy", "", "the value is not TOML"),
        (
            "datapath.policy",
            "\"num\"",
            "--set datapath.policy=\"num\": unknown policy, found \"num\"; did you mean 'numa'?",
        ),
        ("", "1", "expected a dotted key"),
        ("a..b", "1", "expected a dotted key"),
        (
            "workload.depth",
            "1",
            "'depth' is neither an index nor a name",
        ),
        (
            "workload.7.depth",
            "1",
            "'workload' has 1 entries, counted from 0",
        ),
        (
            "workload.0.depth.x",
            "1",
            "'depth' is a value, it has no 'x'",
        ),
        ("workload.0", "1", "[[workload]] must be a table, found 1"),
        (
            "workload",
            "1",
            "expected one or more [[workload]], found 1",
        ),
        ("x.y", "1", "unknown table 'x'"),
        ("a.b.c.d.e.f.g.h.i", "1", "too many parts"),
    ] {
        let all = set(TEN_LINES, &[(key, value)]).unwrap_err();
        assert_eq!(all.len(), 1, "{key}={value}: {all:#?}");
        assert!(
            all[0].to_string().contains(said),
            "{key}={value}: {}",
            all[0]
        );
        assert_eq!((all[0].line, all[0].set.is_some()), (0, true), "{key}");
    }
}

#[test]
fn a_file_is_named_by_its_place_in_the_catalogue() {
    assert_eq!(
        name_of(Path::new("scenarios/failover/controller-loss.toml")),
        "failover/controller-loss"
    );
    assert_eq!(
        name_of(Path::new("/a/scenarios/b/scenarios/c/d.toml")),
        "c/d"
    );
    assert_eq!(name_of(Path::new("/a/b/one.two.toml")), "one.two");
    assert_eq!(name_of(Path::new("scenarios.toml")), "scenarios");
}

#[test]
fn files_of_any_kind_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let said = |name: &str| {
        load(&at(name), &[])
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    fs::write(at("good.toml"), TEN_LINES).unwrap();
    assert_eq!(load(&at("good.toml"), &[]).unwrap().name, "good");
    fs::write(at("empty.toml"), " \n").unwrap();
    assert!(
        said("empty.toml").contains("the file is empty; a scenario needs [scenario] with a title")
    );
    fs::write(at("binary.toml"), b"[scenario]\nti\xff\xfe\0").unwrap();
    assert!(said("binary.toml").ends_with("binary.toml:2:3: not a text in UTF-8: byte 13"));
    fs::File::create(at("huge.toml"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    assert!(said("huge.toml").contains("larger than 4MiB"));
    fs::write(at("cut.toml"), &TEN_LINES[..TEN_LINES.len() - 4]).unwrap();
    assert!(said("cut.toml").contains("cut.toml:11:"));
    assert!(said("absent.toml").contains("absent.toml: cannot be read: "));
    fs::create_dir(at("folder.toml")).unwrap();
    assert!(said("folder.toml").contains("a folder, not a scenario file"));
    fs::write(
        at("replay.toml"),
        "[scenario]\ntitle = \"r\"\n[[workload]]\nkind = \"replay\"\nfile = \"no.fio\"",
    )
    .unwrap();
    assert!(said("replay.toml").contains("replay.toml:5:8: no trace at "));
    fs::write(at("no.fio"), "").unwrap();
    assert!(load(&at("replay.toml"), &[]).is_ok());
}

#[test]
fn folders_are_searched_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("b/c")).unwrap();
    fs::create_dir(at(".git")).unwrap();
    for name in [
        "z.toml",
        "b/y.toml",
        "b/c/x.toml",
        "a.toml",
        "README.md",
        ".git/hidden.toml",
    ] {
        fs::write(at(name), "").unwrap();
    }
    let found = find(&[folder.path().to_path_buf()]).unwrap();
    let expected: Vec<PathBuf> = ["a.toml", "b/c/x.toml", "b/y.toml", "z.toml"]
        .map(at)
        .to_vec();
    assert_eq!(found, expected);
    assert_eq!(
        find(&[at("z.toml"), at("b"), at("z.toml")]).unwrap(),
        [at("z.toml"), at("b/c/x.toml"), at("b/y.toml")]
    );
    let missing = find(&[at("nowhere")]).unwrap_err();
    assert!(
        missing
            .to_string()
            .ends_with("nowhere: no such file or folder")
    );
}

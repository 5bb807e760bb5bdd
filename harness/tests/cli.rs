//! The binary, as a user or a CI job calls it: usage, bad input, exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

struct Home(tempfile::TempDir);

impl Home {
    fn new(files: &[(&str, &str)]) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        for (name, text) in files {
            home.write(name, text.as_bytes());
        }
        home
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let file = self.0.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_harness"))
            .args(args)
            .current_dir(self.path())
            .env_remove("GITHUB_STEP_SUMMARY")
            .output()
            .unwrap()
    }

    /// The exit code and what was said on standard error.
    fn refused(&self, args: &[&str]) -> (i32, String) {
        let output = self.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("panicked"), "{args:?}: {said}");
        (output.status.code().unwrap(), said)
    }
}

const SMALL: &str =
    "[scenario]\ntitle = \"Small\"\nduration = \"20ms\"\n\n[[workload]]\ndepth = 4\n";

fn home() -> Home {
    Home::new(&[
        ("scenarios/a/one.toml", SMALL),
        ("scenarios/two.toml", SMALL),
    ])
}

#[test]
fn usage_errors_are_exit_2_and_say_what_is_right() {
    let home = home();
    for (args, said) in [
        (&[][..], "Usage: harness <COMMAND>"),
        (&["rnu"], "unrecognized subcommand 'rnu'"),
        (&["run", "--sed", "1"], "unexpected argument '--sed'"),
        (
            &["run", "--seeds", "3..1"],
            "3 is larger than 1: did you mean 1..3?",
        ),
        (&["run", "--seeds", "x"], "expected A..B"),
        (&["run", "--seed", "-1"], "unexpected argument '-1'"),
        (
            &["run", "--seed", "1", "--seeds", "1..2"],
            "cannot be used with",
        ),
        (&["run", "--jobs", "0"], "0 is not in 1..=1024"),
        (&["run", "--set", "depth"], "expected KEY=VALUE"),
        (
            &["run", "--set", "workload.0.dept=3"],
            "did you mean 'depth'?",
        ),
        (
            &["run", "--set", "datapath.policy=numa"],
            "a text needs quotes within quotes",
        ),
        (
            &["run", "--policy", "nuna"],
            "unknown policy 'nuna'; did you mean 'numa'?",
        ),
        (
            &["run", "--policy", "static"],
            "'static': a split needs a weight",
        ),
        (
            &["run", "--fidelity", "wire"],
            "--fidelity wire is not built yet",
        ),
        (
            &["run", "--target", "/dev/ublkb0"],
            "/dev/ublkb0: No such file or directory (os error 2) (no such device: is the daemon running?)",
        ),
        (&["run", "--target", "mpio:x"], "--target mpio:x: "),
        (
            &["run", "--target", "moon"],
            "unknown --target 'moon'; allowed: sim,",
        ),
        (&["run", "--events", "all"], "possible values: io"),
        (
            &["run", "--baseline", "nowhere"],
            "--baseline nowhere: no such folder",
        ),
        (&["compare"], "--policies"),
        (&["compare", "--policies", "numa,,"], "a name is empty"),
        (&["compare", "--policies", "best"], "best of what?"),
        (
            &["compare", "--policies", "worst"],
            "unknown policy 'worst'",
        ),
        (&["compare", "--bounds", "none.toml"], "cannot read it"),
        (&["fuzz", "--seeds", "9..1"], "did you mean 1..9?"),
        (&["fuzz", "--shard", "2/2"], "the last of 2 is 1/2"),
        (
            &["shrink", "nowhere"],
            "nowhere/scenario.toml: cannot be read",
        ),
        (&["merge", "nowhere"], "nowhere: cannot be read"),
        (
            &["fault", "list", "--socket", "nowhere.sock"],
            "nowhere.sock: No such file or directory (os error 2) (is harness serve running?",
        ),
        (
            &["fault", "clear", "x"],
            "'x' is no fault; right would be its number, or all",
        ),
        (&["report", "x"], "harness report is not built yet"),
    ] {
        let (code, err) = home.refused(args);
        assert_eq!(code, 2, "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
        assert!(
            !home.path().join("results").exists(),
            "{args:?} ran something"
        );
    }
}

#[test]
fn a_wrong_set_is_said_once() {
    let (code, said) = home().refused(&["run", "--set", "workload.0.dept=3"]);
    assert_eq!(code, 2);
    assert_eq!(said.matches("unknown key 'dept'").count(), 1, "{said}");
    assert!(said.contains("(and in 1 more)"), "{said}");
}

#[test]
fn nothing_to_run_is_exit_4_and_a_missing_file_is_exit_2() {
    let home = home();
    fs::create_dir(home.path().join("empty")).unwrap();
    for command in ["run", "check"] {
        let (code, said) = home.refused(&[command, "empty"]);
        assert_eq!(code, 4);
        assert!(said.contains("no scenario (*.toml) in empty"), "{said}");
        let (code, said) = home.refused(&[command, "nowhere.toml", "gone", "empty"]);
        assert_eq!(code, 2);
        assert!(
            said.contains("nowhere.toml: no such file or folder"),
            "{said}"
        );
        assert!(
            said.contains("gone: no such file or folder"),
            "all at once: {said}"
        );
    }
}

#[test]
fn all_errors_of_all_files_come_at_once_and_nothing_runs() {
    let home = home();
    home.write(
        "scenarios/b/key.toml",
        SMALL.replace("depth", "deptth").as_bytes(),
    );
    home.write(
        "scenarios/b/many.toml",
        b"[scenario]\ntitle = 1\ndurration = \"1s\"\n[[workload]]\nread = 101\n",
    );
    for command in ["run", "check"] {
        let (code, said) = home.refused(&[command]);
        assert_eq!(code, 2);
        assert!(
            said.contains("scenarios/b/key.toml:6:1: unknown key 'deptth'")
                && said.contains("did you mean 'depth'?"),
            "{said}"
        );
        assert_eq!(said.matches("many.toml:").count(), 3, "{said}");
        assert!(said.contains("4 errors: nothing was run"), "{said}");
    }
    assert!(!home.path().join("results").exists());
    let output = home.run(&["run", "--github"]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(
        out.starts_with("::error file=scenarios/b/key.toml,line=6,title=invalid scenario::"),
        "{out}"
    );
}

#[test]
fn garbage_of_every_kind_is_refused_by_its_name() {
    let home = Home::new(&[("g/empty.toml", "")]);
    home.write(
        "g/binary.toml",
        &(0..=255u8).cycle().take(5000).collect::<Vec<_>>(),
    );
    home.write("g/zeroes.toml", &[0; 4096]);
    home.write("g/cut.toml", &SMALL.as_bytes()[..40]);
    home.write("g/deep.toml", "[".repeat(100_000).as_bytes());
    home.write("g/not-a-scenario.txt", b"ignored");
    fs::File::create(home.path().join("g/huge.toml"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    fs::create_dir(home.path().join("g/folder.toml")).unwrap();
    for command in [
        &["run", "g"][..],
        &["check", "g"],
        &["compare", "g", "--policies", "all"],
    ] {
        let (code, said) = home.refused(command);
        assert_eq!(code, 2, "{said}");
        for name in ["empty", "binary", "zeroes", "cut", "deep", "huge"] {
            assert!(said.contains(&format!("g/{name}.toml")), "{name}: {said}");
        }
    }
}

#[test]
fn check_names_what_is_valid() {
    let output = home().run(&["check"]);
    assert_eq!(output.status.code(), Some(0));
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        out,
        " ok  a/one  Small\n ok  two    Small\n 2 scenarios are valid\n"
    );
}

const REPLAY: &str =
    "[scenario]\ntitle = \"Replay\"\n\n[[workload]]\nkind = \"replay\"\nfile = \"t.fio\"\n";
const GOOD_TRACE: &str =
    "fio version 3 iolog\n0 d add\n0 d open\n1 d read 0 4096\n2 d write 4096 4096\n";

#[test]
fn check_reads_the_traces_to_their_end() {
    let home = Home::new(&[("s/one.toml", REPLAY), ("s/t.fio", GOOD_TRACE)]);
    assert_eq!(home.run(&["check", "s"]).status.code(), Some(0));
    // The fourth line is good, the sixth is not.
    home.write(
        "s/t.fio",
        format!("{GOOD_TRACE}3 d read x 4096\n").as_bytes(),
    );
    let (code, said) = home.refused(&["check", "s"]);
    assert_eq!(code, 2, "{said}");
    for what in ["s/one.toml", "t.fio", ":6"] {
        assert!(said.contains(what), "{what}: {said}");
    }
    // What the scenario does not replay is not its concern.
    home.write("s/one.toml", format!("{REPLAY}limit = 2\n").as_bytes());
    assert_eq!(home.run(&["check", "s"]).status.code(), Some(0));
    home.write("s/t.fio", GOOD_TRACE.as_bytes());
    home.write("s/one.toml", format!("{REPLAY}device = \"e\"\n").as_bytes());
    let (code, said) = home.refused(&["check", "s"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("'d'"), "which devices there are: {said}");
}

#[test]
fn help_is_exit_0_and_tells_the_exit_codes() {
    let home = home();
    for args in [
        &["--help"][..],
        &["run", "--help"],
        &["compare", "-h"],
        &["--version"],
    ] {
        let output = home.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty());
    }
    let out = String::from_utf8(home.run(&["run", "--help"]).stdout).unwrap();
    for line in ["10  a safety rule is broken", "77  all skipped", "--twice"] {
        assert!(out.contains(line), "{out}");
    }
}

const IOLOG: &str =
    "fio version 2 iolog\nd add\nd open\nd write 0 4096\nd read 4096 8192\nd close\n";

#[test]
fn traces_are_shown_and_converted() {
    let home = Home::new(&[
        ("t/a.log", IOLOG),
        (
            "t/bad.log",
            "fio version 2 iolog\nd add\nd open\nd wrte 0 4096\n",
        ),
    ]);
    let said = |args: &[&str]| {
        let output = home.run(args);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said(&["trace", "info", "t/a.log"]).contains("fio"));
    assert_eq!(
        said(&["trace", "head", "t/a.log", "-n", "1"])
            .lines()
            .count(),
        2
    );
    let told = said(&["trace", "convert", "t/a.log", "--to", "fio"]);
    assert_eq!(told, " a.fio: 2 I/Os written, 3 entries were no I/O\n");
    let (code, err) = home.refused(&["trace", "convert", "t/a.log", "--to", "fio"]);
    assert!(
        code == 2 && err.contains("a.fio: is there already"),
        "{err}"
    );
    said(&[
        "trace", "convert", "t/a.log", "--to", "fio", "--out", "a.fio",
    ]);
    for (args, expected) in [
        (&["trace", "info", "nowhere"][..], "nowhere"),
        (&["trace", "head", "t"], "t"),
        (&["trace", "info", "t/bad.log"], "t/bad.log:4:"),
        (&["trace", "info", "t/a.log", "--format", "msrr"], "msr"),
        (
            &["trace", "convert", "t/a.log", "--to", "../../x"],
            "cannot convert to",
        ),
        (
            &[
                "trace", "convert", "t/a.log", "--to", "fio", "-o", "t/a.log",
            ],
            "is the trace itself",
        ),
        (
            &["trace", "convert", "t/a.log", "--to", "fio", "-o", "x.zst"],
            "zstd is read, not written",
        ),
        (&["trace"], "Usage"),
    ] {
        let (code, err) = home.refused(args);
        assert_eq!(code, 2, "{args:?}: {err}");
        assert!(err.contains(expected), "{args:?}: {err}");
    }
    assert_eq!(
        fs::read_to_string(home.path().join("t/a.log")).unwrap(),
        IOLOG
    );
}

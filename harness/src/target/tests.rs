//! Runs on a file that stands for a device: the whole way from a scenario to its report.

use super::*;
use crate::cli::Runner as _;
use std::path::Path;

struct Place {
    dir: tempfile::TempDir,
    device: PathBuf,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("disk");
        let file = std::fs::File::create(&device).unwrap();
        file.set_len(4 << 20).unwrap();
        Place { dir, device }
    }

    fn real(&self, injectors: &str) -> Real {
        let file = self.dir.path().join("inject.toml");
        std::fs::write(&file, injectors).unwrap();
        Real::new(
            &self.device,
            Injectors::read(&file).unwrap(),
            false,
            Arc::default(),
        )
        .unwrap()
    }
}

fn scenario(text: &str) -> Scenario {
    let text = format!("[scenario]\ntitle = \"t\"\nduration = \"400ms\"\n{text}");
    crate::scenario::parse(&text, Path::new("x.toml"), "x", &[]).unwrap()
}

fn run(real: &Real, s: &Scenario) -> RunReport {
    assert_eq!(real.lacks(s), None);
    real.run(s, 1, Options::default(), &mut |_| {}).unwrap()
}

#[test]
fn a_sound_device_breaks_no_rule_and_shows_what_the_application_saw() {
    let place = Place::new();
    let s = scenario(
        "[[workload]]\nread = 60\nfua = 10\ndiscard = 5\nwrite_zeroes = 5\nspan = \"1MiB\"\ndepth = 8\nflush_every = 20\ncount = 2000\n\
         [[expect]]\nmetric = \"app.errors == 0\"\n[[expect]]\nmetric = \"app.ios == 2000\"\n[[expect]]\nmetric = \"path.h0-A0.ios > 0\"\n",
    );
    let report = run(&place.real(""), &s);
    assert_eq!(report.first_violation.map(|v| v.text), None);
    assert!(
        report.expectations.iter().all(|e| e.ok),
        "{:?}",
        report.expectations
    );
    assert_eq!(report.expectations.len(), 2);
    assert_eq!(report.not_judged, ["path.h0-A0.ios > 0"]);
    assert_eq!(report.workloads[0].ios, 2000);
    assert!(report.metrics.contains_key("app.read.p99_ns"));
    assert!(
        !report.metrics.contains_key("failover.count"),
        "nobody saw it"
    );
    // A second run begins on what the first one left.
    assert_eq!(
        run(&place.real(""), &s).first_violation.map(|v| v.text),
        None
    );
}

#[test]
fn a_device_that_loses_what_was_written_is_found_out() {
    let place = Place::new();
    let wipe = format!(
        "[[injector]]\non = \"array\"\ncommand = {{ start = \"dd if=/dev/zero of={} bs=64k count=4 conv=notrunc 2>/dev/null\" }}\n",
        place.device.display()
    );
    let s = scenario(
        "[[workload]]\nread = 0\nspan = \"256KiB\"\ndepth = 1\nstop = \"150ms\"\n[[fault]]\nat = \"200ms\"\non = \"array\"\ndo = \"stall\"\n",
    );
    let report = run(&place.real(&wipe), &s);
    assert!(report.rules["lost_write"] > 0);
    assert!(
        report
            .first_violation
            .is_some_and(|v| v.text.contains("zeroes"))
    );
    let kinds: Vec<&str> = report.events.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds.iter().filter(|k| k.starts_with("fault_")).count(), 2);
}

#[test]
fn an_injector_that_fails_ends_the_run_with_what_it_said() {
    let place = Place::new();
    let real = place.real(
        "[[injector]]\non = \"array\"\ncommand = { start = \"echo nothing to stall >&2; exit 9\" }\n",
    );
    let s = scenario(
        "[[workload]]\nspan = \"256KiB\"\ndepth = 1\n[[fault]]\nat = \"50ms\"\non = \"array\"\ndo = \"stall\"\n",
    );
    let said = real
        .run(&s, 1, Options::default(), &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(said.contains("nothing to stall"), "{said}");
}

#[test]
fn what_a_device_cannot_do_is_named() {
    let real = Place::new().real("");
    let lacks = |text: &str| real.lacks(&scenario(text)).unwrap_or_default();
    assert!(lacks("requires = [\"media_log\"]\n[[workload]]\n").contains("media_log"));
    assert!(lacks("[host]\ncount = 2\n[[workload]]\n").contains("multi_host"));
    assert!(lacks("[[workload]]\noffset = \"8MiB\"\n").contains("larger device"));
    assert!(
        lacks("[[workload]]\n[[fault]]\nat = \"100ms\"\non = \"path:h0-A0\"\ndo = \"drop\"\n")
            .contains("inject.drop on path:h0-A0")
    );
}

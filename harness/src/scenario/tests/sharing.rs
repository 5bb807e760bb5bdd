//! Hosts that share a volume: which scenarios are refused, with the place and the way out.

use super::read;

/// Two hosts with a load each; `first` and `second` are what their tables say besides, `more` comes last.
fn two(first: &str, second: &str, more: &str) -> String {
    format!(
        "[scenario]\ntitle = \"t\"\n[host]\ncount = 2\n[[workload]]\nname = \"a\"\n{first}\n[[workload]]\nname = \"b\"\nhost = 1\n{second}\n{more}"
    )
}

fn refusal(text: &str) -> String {
    let findings = read(text).expect_err("two hosts write the same blocks");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings[0].to_string()
}

#[test]
fn hosts_that_write_the_same_blocks_are_refused_with_the_reason() {
    assert_eq!(
        refusal(&two(
            "span = \"8KiB\"",
            "offset = \"4KiB\"\nspan = \"1MiB\"",
            ""
        )),
        "x.toml:11:10: offset: workload 'a' of host 0 and workload 'b' of host 1 may both write 4KiB to 8KiB of volume 'vol0': a write \
         that one host has lost may land on what the other has written since, and neither knows of the other's losses; give each a part \
         of its own (offset, span), or set fence = \"hold\" in [datapath]"
    );
    // Whatever key says it, a seed may draw it, a trace may write it.
    for (first, second, place) in [
        ("", "", "x.toml:10:8: host: "),
        ("", "span = \"1MiB\"", "x.toml:11:8: span: "),
        (
            "span = \"4KiB..64KiB\"",
            "offset = \"32KiB\"",
            "x.toml:11:10: offset: ",
        ),
        (
            "offset = \"1GiB\"",
            "offset = \"0B..512MiB\"\nspan = \"513MiB\"",
            "x.toml:11:10: offset: ",
        ),
        ("read = \"98..100\"", "discard = 30", "x.toml:10:8: host: "),
        (
            "",
            "kind = \"replay\"\nfile = \"t.csv\"\nformat = \"msr\"",
            "x.toml:10:8: host: ",
        ),
    ] {
        let said = refusal(&two(first, second, ""));
        assert!(said.starts_with(place), "{said}");
    }
    let said = refusal(&two("", "", "[datapath]\nfence = \"none\""));
    assert!(said.contains("set fence = \"hold\""), "{said}");
}

#[test]
fn what_hosts_may_share_is_not_refused() {
    let volumes = "[[volume]]\nname = \"x\"\n[[volume]]\nname = \"y\"";
    for (first, second, more) in [
        ("", "", "[datapath]\nfence = \"hold\""),
        ("read = 100", "", ""),
        ("", "read = 100", ""),
        ("span = \"1GiB\"", "offset = \"1GiB\"", ""),
        ("volume = \"x\"", "volume = \"y\"", volumes),
    ] {
        let text = two(first, second, more);
        assert!(read(&text).is_ok(), "{text}\n{:#?}", read(&text));
    }
    // One host's own workloads may meet.
    let one = "[scenario]\ntitle = \"t\"\n[[workload]]\nname = \"a\"\n[[workload]]\nname = \"b\"\n";
    assert!(read(one).is_ok());
}

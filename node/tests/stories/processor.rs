//! A processor without the instructions that RocksDB is compiled with, emulated by `qemu-x86_64`.

use std::process::{Command, Output};

fn on(processor: &str) -> Output {
    Command::new("qemu-x86_64")
        .args([
            "-cpu",
            processor,
            env!("CARGO_BIN_EXE_tidegate"),
            "--version",
        ])
        .output()
        .expect("`scripts/setup.sh --tests` installs qemu-user")
}

#[test]
fn a_processor_that_lacks_an_instruction_is_told_so_in_one_sentence() {
    for (processor, lacks) in [
        ("core2duo", "SSE4.2"),
        ("Penryn", "SSE4.2"),
        ("Nehalem", "PCLMULQDQ"),
    ] {
        let ended = on(processor);
        assert_eq!(ended.status.code(), Some(69), "{processor}: {ended:?}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(
            said.starts_with(&format!("tidegate: this processor lacks {lacks}, which")),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_processor_that_has_them_runs_it() {
    let ended = on("Westmere");
    assert!(ended.status.success(), "{ended:?}");
}

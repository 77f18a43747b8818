//! What the processor must be able to do. RocksDB is compiled with these instructions (`scripts/rocksdb.sh`): without
//! them it would end in an illegal instruction somewhere, with nothing to read.

use super::Failed;

/// Refuses a processor without the instructions that the build takes for granted.
pub(super) fn check() -> Result<(), Failed> {
    match refusal(&instructions()) {
        Some(sentence) => Err(Failed::running(sentence)),
        None => Ok(()),
    }
}

/// Each instruction set that the build uses, and whether this processor has it.
#[cfg(target_arch = "x86_64")]
fn instructions() -> [(&'static str, bool); 2] {
    [
        ("SSE4.2", std::arch::is_x86_feature_detected!("sse4.2")),
        (
            "PCLMULQDQ",
            std::arch::is_x86_feature_detected!("pclmulqdq"),
        ),
    ]
}

#[cfg(target_arch = "aarch64")]
fn instructions() -> [(&'static str, bool); 2] {
    [
        ("CRC32", std::arch::is_aarch64_feature_detected!("crc")),
        ("PMULL", std::arch::is_aarch64_feature_detected!("pmull")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn instructions() -> [(&'static str, bool); 0] {
    []
}

fn refusal(instructions: &[(&str, bool)]) -> Option<String> {
    let missing: Vec<&str> = instructions
        .iter()
        .filter(|(_, present)| !present)
        .map(|(name, _)| *name)
        .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "this processor lacks {}, which checksums need; run on one that has it (x86-64-v2 with PCLMULQDQ, or Armv8 with CRC and crypto)",
            missing.join(" and ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_that_lacks_an_instruction_is_named_in_one_sentence() {
        let sentence = refusal(&[("SSE4.2", false), ("PCLMULQDQ", true)]).expect("refused");
        assert!(sentence.starts_with("this processor lacks SSE4.2, which"));
        assert!(!sentence.contains('\n'));
        let both = refusal(&[("SSE4.2", false), ("PCLMULQDQ", false)]).expect("refused");
        assert!(both.contains("SSE4.2 and PCLMULQDQ"), "{both}");
    }

    #[test]
    fn a_processor_that_has_all_is_taken() {
        assert_eq!(refusal(&[("SSE4.2", true), ("PCLMULQDQ", true)]), None);
        assert!(check().is_ok(), "the one that runs the tests has them");
    }
}

// Ends the program on a processor without the instructions that RocksDB is compiled with (scripts/rocksdb.sh), in one
// sentence. It runs before the first static initialiser of RocksDB, which may already hold one of them: so it stands in
// the library, not in `main`.

#include <string.h>
#include <unistd.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace {

void Say(const char* text) {
  // Nothing else can be done about a closed standard error.
  if (write(STDERR_FILENO, text, strlen(text)) < 0) return;
}

// Of the priorities that programs may use, the first.
__attribute__((constructor(101))) void DemandInstructions() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const char* lacks = !__builtin_cpu_supports("sse4.2") ? "SSE4.2" : !__builtin_cpu_supports("pclmul") ? "PCLMULQDQ" : nullptr;
  const char* has = "x86-64-v2 with PCLMULQDQ";
#elif defined(__aarch64__)
  unsigned long known = getauxval(AT_HWCAP);
  const char* lacks = !(known & HWCAP_CRC32) ? "CRC32" : !(known & HWCAP_PMULL) ? "PMULL" : nullptr;
  const char* has = "Armv8 with CRC and crypto";
#endif
  if (lacks == nullptr) return;
  Say("tidegate: this processor lacks ");
  Say(lacks);
  Say(", which checksums need; run on one that has it (");
  Say(has);
  Say(")\n");
  _exit(69);  // EX_UNAVAILABLE of sysexits.h
}

}  // namespace

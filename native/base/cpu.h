// What this processor can do, asked once at run time.
#ifndef REPBNN_BASE_CPU_H_
#define REPBNN_BASE_CPU_H_

namespace repbnn {

// The instruction sets that kernels are written for. The order is the order of preference: later is faster.
//
// kSme2 stays in streaming mode for everything, kSme2Neon counts there and does the rest by NEON: a streaming unit is
// made for outer products, its other instructions are slow on the processors whose figures are published.
enum class Isa { kScalar, kNeon, kSme2, kSme2Neon, kAvx2, kAvx512Vpopcntdq };

// The name that options, files and messages use: "scalar", "neon", "sme2", "sme2_neon", "avx2", "avx512_vpopcntdq".
const char* isa_name(Isa isa);

// True when the processor AND the operating system (which must save the wide registers) support `isa`.
bool cpu_supports(Isa isa);

// The best set that this processor supports.
Isa best_isa();

// Sets *isa to the set called `name` ("auto" is the best one). False when no set is called so. A known set that this
// processor lacks, or that this build does not hold, still returns true: ask cpu_supports and isa_built.
bool isa_from_name(const char* name, Isa* isa);

// True when kernels for `isa` were compiled into this library: NEON is not in an x86 build, SME2 not where the compiler
// does not know it.
bool isa_built(Isa isa);

}  // namespace repbnn

#endif  // REPBNN_BASE_CPU_H_

#include "base/cpu.h"

#include <cstdint>
#include <cstring>
#include <initializer_list>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace repbnn {
namespace {

struct Name {
  Isa isa;
  const char* name;
};
constexpr Name kNames[] = {{Isa::kScalar, "scalar"}, {Isa::kNeon, "neon"},
                           {Isa::kSme2, "sme2"},     {Isa::kSme2Neon, "sme2_neon"},
                           {Isa::kAvx2, "avx2"},     {Isa::kAvx512Vpopcntdq, "avx512_vpopcntdq"}};

bool is_sme2(Isa isa) { return isa == Isa::kSme2 || isa == Isa::kSme2Neon; }

#if defined(__x86_64__)
uint64_t enabled_register_state() {
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return 0;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool detect(Isa isa) {
  constexpr uint64_t kYmm = 0x6, kZmm = 0xe6;
  const uint64_t state = enabled_register_state();
  unsigned eax, ebx, ecx, edx;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  if (isa == Isa::kAvx2) return (state & kYmm) == kYmm && (ebx & bit_AVX2);
  if (isa == Isa::kAvx512Vpopcntdq) {
    const unsigned wanted = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    return (state & kZmm) == kZmm && (ebx & wanted) == wanted && (ecx & bit_AVX512VPOPCNTDQ);
  }
  return false;
}
#elif defined(__aarch64__)
// Only what the operating system reports: it must save the vectors, the predicates and ZA.
bool has_sme2() {
#if defined(__linux__)
  constexpr unsigned long kHwcap2 = 26, kSme = 1ul << 23, kSme2 = 1ul << 37;  // AT_HWCAP2; BMOPA is part of SME2
  const unsigned long wanted = kSme | kSme2;
  return (getauxval(kHwcap2) & wanted) == wanted;
#elif defined(__APPLE__)
  int value = 0;
  size_t size = sizeof(value);
  return sysctlbyname("hw.optional.arm.FEAT_SME2", &value, &size, nullptr, 0) == 0 && value != 0;
#else
  return false;
#endif
}

bool detect(Isa isa) {
  if (is_sme2(isa)) return has_sme2();
  return isa == Isa::kNeon;  // part of every armv8-a
}
#else
bool detect(Isa) { return false; }
#endif

}  // namespace

const char* isa_name(Isa isa) {
  for (const Name& entry : kNames) {
    if (entry.isa == isa) return entry.name;
  }
  return "unknown";
}

bool cpu_supports(Isa isa) { return isa == Isa::kScalar || detect(isa); }

Isa best_isa() {
  for (Isa isa : {Isa::kAvx512Vpopcntdq, Isa::kAvx2, Isa::kSme2Neon, Isa::kSme2, Isa::kNeon}) {
    if (isa_built(isa) && cpu_supports(isa)) return isa;
  }
  return Isa::kScalar;
}

bool isa_from_name(const char* name, Isa* isa) {
  if (std::strcmp(name, "auto") == 0) {
    *isa = best_isa();
    return true;
  }
  for (const Name& entry : kNames) {
    if (std::strcmp(name, entry.name) == 0) {
      *isa = entry.isa;
      return true;
    }
  }
  return false;
}

bool isa_built(Isa isa) {
#if defined(__x86_64__)
  return isa != Isa::kNeon && !is_sme2(isa);
#elif defined(__aarch64__)
#if defined(REPBNN_SME2)
  if (is_sme2(isa)) return true;
#endif
  return isa == Isa::kScalar || isa == Isa::kNeon;
#else
  return isa == Isa::kScalar;
#endif
}

}  // namespace repbnn

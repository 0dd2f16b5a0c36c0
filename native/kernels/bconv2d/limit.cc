#include "kernels/bconv2d/limit.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/cpu.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace repbnn {
#if defined(__x86_64__)
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

constexpr int kRounds = 20000, kAccumulators = 12;

__attribute__((target("avx512f,avx512vpopcntdq"))) double popcount_seconds() {
  __m512i sum[kAccumulators], value = _mm512_set1_epi64(0x123456789abcdef), weight = _mm512_set1_epi64(0x5555);
  for (int i = 0; i < kAccumulators; ++i) sum[i] = _mm512_set1_epi64(i);
  const double start = now();
  for (int round = 0; round < kRounds; ++round) {
    _Pragma("GCC unroll 12") for (int i = 0; i < kAccumulators; ++i) {
      __asm__ volatile("" : "+v"(value));  // or the compiler takes the popcount out of the loop
      sum[i] = _mm512_add_epi64(sum[i], _mm512_popcnt_epi64(_mm512_xor_si512(value, weight)));
    }
  }
  const double seconds = now() - start;
  for (int i = 0; i < kAccumulators; ++i) __asm__ volatile("" ::"v"(sum[i]));
  return seconds;
}

// One addition a cycle: the clock.
double chain_seconds(int additions) {
  uint64_t x = 1, y = 3;
  const double start = now();
  for (int i = 0; i < additions / 10; ++i) {
    _Pragma("GCC unroll 10") for (int k = 0; k < 10; ++k) __asm__ volatile("add %1, %0" : "+r"(x) : "r"(y));
  }
  return now() - start;
}

}  // namespace

PopcountLimit measure_popcount_limit() {
  PopcountLimit limit;
  if (!cpu_supports(Isa::kAvx512Vpopcntdq)) return limit;
  constexpr int kAdditions = 1000000;
  double popcounts = 1e9, chain = 1e9;
  for (int i = 0; i < 50; ++i) {
    popcounts = std::min(popcounts, popcount_seconds());
    chain = std::min(chain, chain_seconds(kAdditions));
  }
  limit.macs_per_second = 512.0 * kRounds * kAccumulators / popcounts;
  limit.hertz = kAdditions / chain;
  const double ratio = limit.macs_per_second / limit.hertz / (512 / 1.5);
  limit.valid = ratio > 0.95 && ratio < 1.05;
  return limit;
}
#else
PopcountLimit measure_popcount_limit() { return {}; }
#endif

}  // namespace repbnn

#include "runner/roofline.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/cpu.h"
#include "base/pool.h"
#include "runner/timing.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace repbnn {
namespace {

constexpr int kRounds = 100000, kAccumulators = 12;
constexpr int kPasses = 20;
constexpr size_t kCopyBytes = size_t{32} << 20;

// One pass of a popcount loop; gives the bits that it counted. The empty assembly keeps each value in its register and
// out of the compiler's sight.
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vpopcntdq"))) double count_avx512() {
  __m512i sum[kAccumulators], value = _mm512_set1_epi64(0x123456789abcdef), weight = _mm512_set1_epi64(0x5555);
  for (int i = 0; i < kAccumulators; ++i) sum[i] = _mm512_set1_epi64(i);
  for (int round = 0; round < kRounds; ++round) {
    _Pragma("GCC unroll 12") for (int i = 0; i < kAccumulators; ++i) {
      __asm__ volatile("" : "+v"(value));
      sum[i] = _mm512_add_epi64(sum[i], _mm512_popcnt_epi64(_mm512_xor_si512(value, weight)));
    }
  }
  for (int i = 0; i < kAccumulators; ++i) __asm__ volatile("" ::"v"(sum[i]));
  return 512.0 * kRounds * kAccumulators;
}

__attribute__((target("popcnt"))) double count_words() {
  uint64_t sum[4] = {}, value = 0x123456789abcdef;
  for (int round = 0; round < kRounds; ++round) {
    _Pragma("GCC unroll 4") for (int i = 0; i < 4; ++i) {
      __asm__ volatile("" : "+r"(value));
      sum[i] += static_cast<uint64_t>(__builtin_popcountll(value ^ 0x5555));
    }
  }
  for (uint64_t& one : sum) __asm__ volatile("" : "+r"(one));
  return 64.0 * kRounds * 4;
}

double count_bits() { return cpu_supports(Isa::kAvx512Vpopcntdq) ? count_avx512() : count_words(); }
#elif defined(__aarch64__)
double count_bits() {
  uint8x16_t sum[kAccumulators], value = vdupq_n_u8(0x5a), weight = vdupq_n_u8(0x33);
  for (int i = 0; i < kAccumulators; ++i) sum[i] = vdupq_n_u8(static_cast<uint8_t>(i));
  for (int round = 0; round < kRounds; ++round) {
    _Pragma("GCC unroll 12") for (int i = 0; i < kAccumulators; ++i) {
      __asm__ volatile("" : "+w"(value));
      sum[i] = vaddq_u8(sum[i], vcntq_u8(veorq_u8(value, weight)));
    }
  }
  for (int i = 0; i < kAccumulators; ++i) __asm__ volatile("" ::"w"(sum[i]));
  return 128.0 * kRounds * kAccumulators;
}
#else
double count_bits() {
  uint64_t sum = 0, value = 0x123456789abcdef;
  for (int round = 0; round < kRounds; ++round) {
    __asm__ volatile("" : "+r"(value));
    sum += static_cast<uint64_t>(__builtin_popcountll(value ^ 0x5555));
  }
  __asm__ volatile("" : "+r"(sum));
  return 64.0 * kRounds;
}
#endif

// The best of some passes of work on every thread at once, as amount per second.
template <typename Work>
double best_rate(ThreadPool& pool, Work work) {
  double best = 0;
  std::vector<double> amounts(pool.size());
  for (int pass = 0; pass < kPasses; ++pass) {
    const int64_t start = monotonic_nanoseconds();
    pool.run(pool.size(), [&](int piece, int) { amounts[piece] = work(piece); });
    const double seconds = double(monotonic_nanoseconds() - start) / 1e9;
    double amount = 0;
    for (double one : amounts) amount += one;
    best = std::max(best, amount / seconds);
  }
  return best;
}

}  // namespace

Roofline measure_roofline(int threads) {
  ThreadPool pool(threads);
  const size_t share = kCopyBytes / static_cast<size_t>(pool.size());
  std::vector<char> from(share * pool.size(), 1), to(share * pool.size(), 2);
  Roofline roofline;
  roofline.popcount_per_s = best_rate(pool, [](int) { return count_bits(); });
  roofline.bytes_per_s = best_rate(pool, [&](int piece) {
    std::memcpy(to.data() + share * piece, from.data() + share * piece, share);
    return 2.0 * double(share);
  });
  return roofline;
}

}  // namespace repbnn

// Repeatable random cases: the generator is written out so that every platform draws the same ones.
#ifndef REPBNN_KERNELS_TESTING_RANDOM_H_
#define REPBNN_KERNELS_TESTING_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

namespace repbnn {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

  uint32_t word() {  // splitmix64
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
  }
  int in(int lo, int hi) { return lo + static_cast<int>(word() % static_cast<uint32_t>(hi - lo + 1)); }
  bool one_in(int n) { return in(1, n) == 1; }
  float real(float lo, float hi) { return lo + (hi - lo) * static_cast<float>(word() >> 8) / 16777216.0f; }

  template <int N>
  int of(const int (&values)[N]) {
    return values[in(0, N - 1)];
  }

  // Mostly ordinary values, now and then one that a comparison or a maximum may treat differently.
  float special() {
    if (!one_in(6)) return real(-4, 4);
    static const float kSpecial[] = {0.0f,
                                     -0.0f,
                                     std::numeric_limits<float>::infinity(),
                                     -std::numeric_limits<float>::infinity(),
                                     std::numeric_limits<float>::quiet_NaN(),
                                     -std::numeric_limits<float>::quiet_NaN(),
                                     std::numeric_limits<float>::denorm_min(),
                                     -std::numeric_limits<float>::denorm_min(),
                                     std::numeric_limits<float>::max(),
                                     std::numeric_limits<float>::lowest(),
                                     std::numeric_limits<float>::min(),
                                     1.0f,
                                     -1.0f};
    return kSpecial[in(0, sizeof(kSpecial) / sizeof(kSpecial[0]) - 1)];
  }

 private:
  uint64_t state_;
};

// How many random cases a test runs: REPBNN_KERNEL_CASES, or the short form of continuous integration.
inline int case_count(int short_form) {
  const char* wanted = std::getenv("REPBNN_KERNEL_CASES");
  return wanted != nullptr ? std::atoi(wanted) : short_form;
}

}  // namespace repbnn

#endif  // REPBNN_KERNELS_TESTING_RANDOM_H_

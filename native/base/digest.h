// 128 bits that stand for any number of bytes, within one process.
#ifndef REPBNN_BASE_DIGEST_H_
#define REPBNN_BASE_DIGEST_H_

#include <cstddef>
#include <cstdint>

namespace repbnn {

struct Digest {
  uint64_t low = 0, high = 0;
  bool operator==(const Digest& other) const { return low == other.low && high == other.high; }
};

// SipHash-2-4 with 128 bits of result (Aumasson and Bernstein, 2012), keyed by a secret that each process draws for
// itself: whoever makes a file cannot make two of its weights look alike.
class Digester {
 public:
  Digester();
  explicit Digester(const uint64_t (&key)[2]);

  void add(const void* bytes, size_t count);
  template <typename T>
  void add_value(const T& value) {
    add(&value, sizeof value);
  }
  Digest finish();

 private:
  void absorb(uint64_t word);

  uint64_t v_[4];
  uint64_t pending_ = 0;
  uint64_t total_ = 0;
};

}  // namespace repbnn

#endif  // REPBNN_BASE_DIGEST_H_

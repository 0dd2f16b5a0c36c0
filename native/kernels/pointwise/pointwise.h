// Programs of per-channel steps that run on a tile of values while it is in registers: the epilogue of a binary
// convolution, and by itself everything element-wise between two convolutions.
//
// A program says what happens to each value of channel c, in the file's order, one IEEE float32 operation a step,
// nothing contracted, nothing reordered, nothing left out: its result equals, bit for bit, the operators it stands for
// run one after another. The processor's rounding and denormal modes are the caller's and are never touched.
#ifndef REPBNN_KERNELS_POINTWISE_POINTWISE_H_
#define REPBNN_KERNELS_POINTWISE_POINTWISE_H_

#include <cstdint>
#include <vector>

#include "base/aligned.h"
#include "base/cpu.h"
#include "base/maps.h"

namespace repbnn {

constexpr int kLanes = 16;   // channels a step handles at once, in every implementation but SME2's
constexpr int kMaxMaps = 8;  // of each kind, a program can name
constexpr int kMaxSteps = 32;

enum class StepKind : uint8_t {
  kMul,         // v = v * vector[c]
  kAdd,         // v = v + vector[c]            (x - b is the same as x + (-b), bit for bit)
  kPrelu,       // v = v >= 0 ? v : v * vector[c]   (NaN takes the second branch, as the builtin kernel)
  kClamp,       // v = v < lo ? lo : v, then v = hi < v ? hi : v   (NaN and -0.0 pass, as the builtin kernels)
  kAddMap,      // v = v + floats[map](y, x, c)
  kMulMap,      // v = v * floats[map](y, x, c)
  kLoad,        // v = floats[map](y, x, c)      (a second chain over another map in the same pass)
  kStore,       // floats[map](y, x, c) = v
  kStoreInt8,   // int8s[map](y, x, c) = saturate(round half away from zero(v))
  kSign,        // bits[map](y, x, c) = v < 0; v is unchanged
  kSignAdd,     // bits[map](y, x, c) = v + vector[c] < 0; v is unchanged
  kSignMulAdd,  // bits[map](y, x, c) = v * vector[c] + vector2[c] < 0; v is unchanged
};

// Steps over `channels` channels. Vectors hold `channels` floats and are copied.
class Program {
 public:
  explicit Program(int channels) : channels_(channels) {}

  Program& mul(const float* vector) { return push(StepKind::kMul, vector, nullptr, 0); }
  Program& add(const float* vector) { return push(StepKind::kAdd, vector, nullptr, 0); }
  Program& prelu(const float* slopes) { return push(StepKind::kPrelu, slopes, nullptr, 0); }
  Program& clamp(float lo, float hi);
  Program& add_map(int map) { return push(StepKind::kAddMap, nullptr, nullptr, map); }
  Program& mul_map(int map) { return push(StepKind::kMulMap, nullptr, nullptr, map); }
  Program& load(int map) { return push(StepKind::kLoad, nullptr, nullptr, map); }
  Program& store(int map) { return push(StepKind::kStore, nullptr, nullptr, map); }
  Program& store_int8(int map) { return push(StepKind::kStoreInt8, nullptr, nullptr, map); }
  Program& sign(int map) { return push(StepKind::kSign, nullptr, nullptr, map); }
  Program& sign_add(const float* shift, int map) { return push(StepKind::kSignAdd, shift, nullptr, map); }
  Program& sign_mul_add(const float* scale, const float* shift, int map) {
    return push(StepKind::kSignMulAdd, scale, shift, map);
  }

  struct Step {
    StepKind kind;
    int map;
    float lo, hi;
    std::vector<float> vector, vector2;
  };
  int channels() const { return channels_; }
  const std::vector<Step>& steps() const { return steps_; }

 private:
  Program& push(StepKind kind, const float* vector, const float* vector2, int map);
  int channels_;
  std::vector<Step> steps_;
};

// The maps that a program's indices mean in one call.
struct Bindings {
  FloatMap floats[kMaxMaps];
  BitMap bits[kMaxMaps];
  Int8Map int8s[kMaxMaps];
};

// Channels a step handles at once, by which a program is packed: kLanes, or four of SME2's vectors, whatever their
// length.
int pointwise_width(Isa isa);

// A program laid out for reading in order: for each group of `width` lanes, for each copy, the vectors of its steps.
// Copy j of lane f is channel j * lanes_total + f (RepConv tiles its blocks). Immutable, shareable between threads.
class PackedProgram {
 public:
  PackedProgram() = default;
  // `copies` divides program.channels(). Throws std::bad_alloc. nullptr is never dereferenced later: check valid().
  PackedProgram(const Program& program, int copies, int width = kLanes);

  // False for more than kMaxSteps steps, a map index out of range, copies that do not divide channels.
  bool valid() const { return valid_; }
  // The line of chains.inc that this program equals, or -1.
  REPBNN_INLINE int chain() const { return chain_; }
  REPBNN_INLINE int copies() const { return copies_; }
  REPBNN_INLINE int lanes_total() const { return lanes_total_; }
  int channels() const { return copies_ * lanes_total_; }
  size_t packed_bytes() const { return vectors_.size() * sizeof(float); }

  struct Op {
    StepKind kind;
    uint8_t map;
    float lo, hi;
  };
  REPBNN_INLINE const Op* ops() const { return ops_; }
  REPBNN_INLINE int op_count() const { return op_count_; }
  // The vectors of lanes [width * group, ..) of copy `copy`: `width` floats a vector, in the order the steps use them.
  REPBNN_INLINE const float* vectors(int group, int copy) const {
    return vectors_.data() + (static_cast<size_t>(group) * copies_ + copy) * vector_count_ * width_;
  }

 private:
  void find_chain();
  Op ops_[kMaxSteps] = {};
  int op_count_ = 0, vector_count_ = 0, copies_ = 0, lanes_total_ = 0, width_ = kLanes, chain_ = -1;
  bool valid_ = false;
  AlignedBuffer<float> vectors_;
};

// Runs `program`, packed by pointwise_width(isa) (copies may exceed 1: each value then feeds every copy), on rows [y0,
// y1) x columns [x0, x1) of `source`, which is read as channel f of program.lanes_total(). In place is allowed: a
// stored map may be the source or an added map with the same strides. Never reads or writes a byte outside the pixels
// and channels named.
void run_pointwise(Isa isa, const PackedProgram& program, const FloatMap& source, const Bindings& bindings, int y0,
                   int y1, int x0, int x1);

}  // namespace repbnn

#endif  // REPBNN_KERNELS_POINTWISE_POINTWISE_H_

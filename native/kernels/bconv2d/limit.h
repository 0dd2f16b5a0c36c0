// The rate of xor, popcount, add out of registers: what no binary convolution of plain operations can pass.
#ifndef REPBNN_KERNELS_BCONV2D_LIMIT_H_
#define REPBNN_KERNELS_BCONV2D_LIMIT_H_

namespace repbnn {

struct PopcountLimit {
  double macs_per_second = 0;  // 0: this processor has no such loop here
  double hertz = 0;            // the clock while it ran, from a chain of dependent additions
  bool valid = false;          // within 5% of two 512-bit operations a cycle for three operations: 341 MAC a cycle
};

PopcountLimit measure_popcount_limit();

}  // namespace repbnn

#endif  // REPBNN_KERNELS_BCONV2D_LIMIT_H_

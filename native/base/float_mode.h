// The processor's floating-point mode: rounding, and whether denormals are flushed. It belongs to each thread. TFLite
// sets flushing around Invoke, so a thread that helps must take over the caller's mode, or bits would depend on the
// thread.
#ifndef REPBNN_BASE_FLOAT_MODE_H_
#define REPBNN_BASE_FLOAT_MODE_H_

#include <cstdint>

namespace repbnn {

#if defined(__x86_64__)
inline uint64_t float_mode() { return __builtin_ia32_stmxcsr() & ~0x3fu; }  // without the sticky exception flags
inline void set_float_mode(uint64_t mode) { __builtin_ia32_ldmxcsr(static_cast<unsigned>(mode)); }
constexpr uint64_t kFlushDenormals = 0x8040;  // FTZ and DAZ
#elif defined(__aarch64__)
inline uint64_t float_mode() {
  uint64_t mode;
  __asm__ volatile("mrs %0, S3_3_C4_C4_0" : "=r"(mode));  // FPCR, also for files that use general registers alone
  return mode;
}
inline void set_float_mode(uint64_t mode) { __asm__ volatile("msr S3_3_C4_C4_0, %0" ::"r"(mode)); }
constexpr uint64_t kFlushDenormals = 1u << 24;  // FZ
#else
inline uint64_t float_mode() { return 0; }
inline void set_float_mode(uint64_t) {}
constexpr uint64_t kFlushDenormals = 0;
#endif

}  // namespace repbnn

#endif  // REPBNN_BASE_FLOAT_MODE_H_

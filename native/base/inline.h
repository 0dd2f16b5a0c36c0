// Functions that files compiled for different instruction sets include. A copy that the compiler did not inline would
// be a weak symbol, and the linker could hand the AVX-512 copy to a processor without it: so they are always inlined.
#ifndef REPBNN_BASE_INLINE_H_
#define REPBNN_BASE_INLINE_H_

#define REPBNN_INLINE inline __attribute__((always_inline))

#endif  // REPBNN_BASE_INLINE_H_

// Streaming mode: where SME2's instructions run, and NEON's do not. Every change of mode throws all vector registers
// away, so it is entered around as much work as possible.
#ifndef REPBNN_BASE_STREAMING_H_
#define REPBNN_BASE_STREAMING_H_

namespace repbnn {

// Compiled for streaming mode, or nothing but general registers. A function of the first kind is made one by a cast,
// which its callers, in other files, cannot see through: the compiler would change the mode by itself around each call.
using StreamingWork = void (*)(void* context);

#if defined(REPBNN_SME2)
// 32-bit lanes of a streaming vector: 4, 8, 16, 32 or 64. Only where the processor has SME. Layers are packed for it,
// so it must not be changed (by prctl) afterwards.
int streaming_lanes();

// Calls work(context) in streaming mode with ZA enabled, its content zero or anything. `work` is compiled for that
// mode, or holds nothing in vector registers. Obeys the calling convention: a caller's lazily saved ZA is saved first,
// d8 to d15, FPCR and FPSR come back as they were, streaming mode and ZA are off at the end.
void in_streaming_mode(StreamingWork work, void* context);

// From inside in_streaming_mode: calls ordinary code, with the mode and ZA off meanwhile. Their content is lost.
void out_of_streaming_mode(StreamingWork work, void* context);
#else
inline int streaming_lanes() { return 0; }
inline void in_streaming_mode(StreamingWork work, void* context) { work(context); }
inline void out_of_streaming_mode(StreamingWork work, void* context) { work(context); }
#endif

}  // namespace repbnn

#endif  // REPBNN_BASE_STREAMING_H_

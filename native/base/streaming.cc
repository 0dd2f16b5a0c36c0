// Compiled only where the compiler knows SME2. The two changes of mode are written out: in the compiler's own form they
// want routines of its run-time library (__arm_tpidr2_save) that not every linker brings.
#include "base/streaming.h"

#include <cstdint>

// void repbnn_enter_streaming(StreamingWork work, void* context)
//
// TPIDR2_EL0 names the block of a caller, somewhere up the stack, whose ZA is still in the registers: its first
// doubleword says where it wants the slices, the halfword behind how many, the rest is reserved and zero.
__asm__(R"(
  .text
  .p2align 4
  .hidden repbnn_enter_streaming
  .globl repbnn_enter_streaming
  .type repbnn_enter_streaming, %function
repbnn_enter_streaming:
  .cfi_startproc
  stp x29, x30, [sp, #-112]!
  .cfi_def_cfa_offset 112
  .cfi_offset x29, -112
  .cfi_offset x30, -104
  mov x29, sp
  stp x19, x20, [sp, #16]
  .cfi_offset x19, -96
  .cfi_offset x20, -88
  stp d8, d9, [sp, #32]
  stp d10, d11, [sp, #48]
  stp d12, d13, [sp, #64]
  stp d14, d15, [sp, #80]
  mrs x20, fpsr
  mov x19, x0
  mov x0, x1
  mrs x9, TPIDR2_EL0
  cbz x9, 3f
  ldr x10, [x9]
  ldrh w11, [x9, #8]
  cbz x10, 2f
  cbz w11, 2f
  mov w12, #0
  rdsvl x13, #1
1:
  str za[w12, 0], [x10]
  add x10, x10, x13
  add w12, w12, #1
  cmp w12, w11
  b.ne 1b
2:
  msr TPIDR2_EL0, xzr
3:
  smstart
  blr x19
  smstop
  msr fpsr, x20
  ldp d14, d15, [sp, #80]
  ldp d12, d13, [sp, #64]
  ldp d10, d11, [sp, #48]
  ldp d8, d9, [sp, #32]
  ldp x19, x20, [sp, #16]
  ldp x29, x30, [sp], #112
  .cfi_def_cfa_offset 0
  ret
  .cfi_endproc
  .size repbnn_enter_streaming, . - repbnn_enter_streaming

  .p2align 4
  .hidden repbnn_leave_streaming
  .globl repbnn_leave_streaming
  .type repbnn_leave_streaming, %function
repbnn_leave_streaming:
  .cfi_startproc
  stp x29, x30, [sp, #-16]!
  .cfi_def_cfa_offset 16
  .cfi_offset x29, -16
  .cfi_offset x30, -8
  mov x29, sp
  mov x9, x0
  mov x0, x1
  smstop
  blr x9
  smstart
  ldp x29, x30, [sp], #16
  .cfi_def_cfa_offset 0
  ret
  .cfi_endproc
  .size repbnn_leave_streaming, . - repbnn_leave_streaming
)");

extern "C" {
void repbnn_enter_streaming(repbnn::StreamingWork work, void* context);
void repbnn_leave_streaming(repbnn::StreamingWork work, void* context);
}

namespace repbnn {

int streaming_lanes() {
  uint64_t bytes;
  __asm__("rdsvl %0, #1" : "=r"(bytes));
  return static_cast<int>(bytes / 4);
}

void in_streaming_mode(StreamingWork work, void* context) { repbnn_enter_streaming(work, context); }
void out_of_streaming_mode(StreamingWork work, void* context) { repbnn_leave_streaming(work, context); }

}  // namespace repbnn

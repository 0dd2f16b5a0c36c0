#!/usr/bin/env bash
# NEON kernels on a machine without Arm: cross-compiled, run by qemu-aarch64 (the dynamic one: it takes plugins).
#   tools/qemu/kernels.sh test [cases]     every kernel against the definition; 30000 cases are the long form
#   tools/qemu/kernels.sh count [kernel]   instructions of Rep-ReActNet-A's binary convolutions, against 3 per 128 MACs
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${REPBNN_AARCH64_BUILD:-build/aarch64}
emulator=(qemu-aarch64 -L /usr/aarch64-linux-gnu)

build_targets() {
  cmake -S . -B "$build" -DCMAKE_TOOLCHAIN_FILE="$PWD/tools/qemu/aarch64.cmake" \
    -DREPBNN_TESTS=OFF -DREPBNN_KERNEL_TESTS=ON -DREPBNN_BENCHMARKS=ON >/dev/null
  cmake --build "$build" --parallel 2 --target "$@" >/dev/null
}

run_tests() {
  build_targets bconv2d_test pointwise_test pool_test depthwise_test pool_threads_test
  for name in pool_threads_test pool_test depthwise_test pointwise_test bconv2d_test; do
    REPBNN_KERNEL_CASES=$1 "${emulator[@]}" "$build/native/kernels/$name" --gtest_brief=1
  done
}

# Instructions of one pass: two passes less one.
instructions_of() {
  local counts=()
  for passes in 1 2; do
    counts+=("$("${emulator[@]}" -plugin "$build/libcount_instructions.so" -d plugin \
      "$build/native/kernels/bconv2d_bench" count "$1" "$2" "$passes" 2>&1 | sed -n 's/^instructions //p')")
  done
  echo $((counts[1] - counts[0]))
}

run_count() {
  build_targets bconv2d_bench
  cc -O2 -shared -fPIC -fvisibility=hidden tools/qemu/count_instructions.c -o "$build/libcount_instructions.so"
  for part in alone full; do
    awk -v n="$(instructions_of "$1" "$part")" -v kernel="$1" -v part="$part" 'BEGIN {
      macs = 4816896000
      printf "%s %s: %d instructions, %.3f per 128 MACs, %.3f of 3\n", kernel, part, n, n / macs * 128, n / macs * 128 / 3
    }'
  done
}

case "${1:-}" in
  test) run_tests "${2:-1000}" ;;
  count) run_count "${2:-neon}" ;;
  *) sed -n '2,4s/^# //p' "$0"; exit 2 ;;
esac

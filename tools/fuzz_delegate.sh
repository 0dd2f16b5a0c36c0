#!/usr/bin/env bash
# fuzz_delegate.sh [RUNS]: libFuzzer on the delegate's node checks, option parser and plans, under ASan and UBSan, from the
# saved corpus; 10,000,000 executions unless told otherwise. What is new in coverage lands in build/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build/fuzz}
export PATH="$PWD/.venv/bin:$PATH"
cmake -S . -B "$build" -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DREPBNN_FUZZ=ON -DREPBNN_TESTS=ON >/dev/null
cmake --build "$build" --target fuzz_delegate --parallel "${JOBS:-2}" >/dev/null
mkdir -p "$build/corpus"
exec "$build/native/tests/fuzz_delegate" -runs="${1:-10000000}" -print_final_stats=1 -timeout=20 -close_fd_mask=2 \
  "$build/corpus" tests/native/corpus

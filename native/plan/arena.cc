#include "plan/arena.h"

#include <algorithm>
#include <numeric>

#include "base/aligned.h"

namespace repbnn {

size_t place(std::vector<Lifetime>& buffers) {
  std::vector<size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  for (Lifetime& buffer : buffers) buffer.bytes = (buffer.bytes + kCacheLine - 1) / kCacheLine * kCacheLine;

  size_t total = 0;
  std::vector<const Lifetime*> placed;  // by offset
  for (size_t index : order) {
    Lifetime& buffer = buffers[index];
    size_t offset = 0;
    for (const Lifetime* other : placed) {
      if (other->last < buffer.first || other->first > buffer.last) continue;
      if (offset + buffer.bytes <= other->offset) break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer.offset = offset;
    total = std::max(total, offset + buffer.bytes);
    const auto behind = [](const Lifetime* a, const Lifetime* b) { return a->offset < b->offset; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &buffer, behind), &buffer);
  }
  return total;
}

}  // namespace repbnn

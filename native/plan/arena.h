// One block of memory for buffers whose lifetimes are known.
#pragma once

#include <cstddef>
#include <vector>

namespace repbnn {

// A buffer is in use from step `first` to step `last`, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0;
  int last = 0;
  size_t offset = 0;  // written by place()
};

// Give every buffer an offset, a multiple of a cache line, so that no two that live at the same time overlap. Returns
// the bytes of the block. Largest first, each at the lowest offset that is free.
size_t place(std::vector<Lifetime>& buffers);

}  // namespace repbnn

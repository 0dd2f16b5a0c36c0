// Steps that run together on a few rows and columns, so that what one writes for the next stays in the first cache.
#pragma once

#include <vector>

#include "base/cpu.h"
#include "plan/step.h"

namespace repbnn {

// Which pixels of a step go with one pixel of its segment's first step: behind a 2 x 2 pool, one for 2 x 2.
struct Scale {
  int y = 1, x = 1;
  bool operator==(const Scale& other) const { return y == other.y && x == other.x; }
};

struct Segment {
  std::vector<int> steps;
  std::vector<Scale> scales;  // of each step's output
  int height = 0, width = 0;  // of the first step's output
  int tile_h = 0, tile_w = 0;
  bool tiled = false;  // false: one reference step, over the whole map

  int bands() const { return (height + tile_h - 1) / tile_h; }  // rows of tiles
  int across() const { return (width + tile_w - 1) / tile_w; }  // tiles in each
};

struct Segments {
  std::vector<Segment> segments;
  std::vector<int> segment_of_step;
  // Tensors that live within a tile of one segment and never have a whole map; -1: none.
  std::vector<int> scratch_of;  // tensor -> its segment, or -1
};

// Group steps in their order. A step joins when everything it reads of the segment lies under its own pixel: a 1x1
// convolution, a program, a pool whose windows do not overlap. A 3x3 that reads what the segment writes starts anew.
// Small maps are one tile, unless they have rows enough for all threads; an implementation that counts pixels of
// several rows at once has tiles of its own (bconv2d_tile).
Segments make_segments(const Graph& graph, const Steps& steps, int threads = 1, Isa isa = Isa::kScalar);

}  // namespace repbnn

// Where every map of a fused plan lies.
#pragma once

#include <cstddef>
#include <vector>

#include "plan/schedule.h"
#include "plan/segment.h"
#include "plan/step.h"

namespace repbnn {

enum class Place : uint8_t {
  kNone,      // no step touches it
  kConstant,  // in the model
  kInput,     // in the runtime's memory; `index` counts Graph::inputs
  kOutput,    // the same for Graph::outputs
  kArena,     // in the plan's own block
  kScratch,   // in each thread's block, one tile
};

// Strides count elements: floats or words. `offset` is in bytes, of pixel (0, 0).
struct MapLayout {
  Place place = Place::kNone;
  int index = 0;
  size_t offset = 0;
  ptrdiff_t row_pitch = 0;
  ptrdiff_t pixel_stride = 0;
  uint32_t row_mask = ~0u;  // of a ring: row y lies where row y & row_mask does

  bool dense(const Tensor& tensor) const {
    if (tensor.dims.size() != 4) return true;
    return pixel_stride == tensor.dims[3] && row_pitch == ptrdiff_t{tensor.dims[2]} * tensor.dims[3];
  }
};

struct Layout {
  std::vector<MapLayout> maps;  // by tensor
  size_t arena_bytes = 0;
  size_t scratch_bytes = 0;  // of one thread
  // Packed maps that the runtime holds without the border that a convolution needs: copied in, or out.
  std::vector<int> copied_inputs, copied_outputs;  // positions in Graph::inputs, Graph::outputs
};

// Rules: what the runtime holds stays where it is; a tile's own maps go to the scratch; a map may take over the memory
// of an added map that nobody reads afterwards (in place); no inner float map has a pixel stride that is a multiple of
// 4 KiB; packed maps have the border of zeros that their readers need, in memory of their own, for good; rows of a ring
// take turns. Memory passes from a map to another only when the schedule has the last of the one over before the first
// of the other.
Layout make_layout(const Graph& graph, const Steps& steps, const Segments& segments, const Schedule& schedule);

}  // namespace repbnn

// A map that was grown for a convolution and cropped behind it needs neither.
#pragma once

#include "plan/graph.h"

namespace repbnn {

// Converters spell a stride-2 convolution with symmetric padding as: PAD the map at its end, SAME with zeros, crop. The
// pixels that are kept read nothing of what was added.
//
// Given: PAD of a float map at its end, LceQuantize, LceBconv2d with SAME and zeros, STRIDED_SLICE from the first pixel
//        on, each read by the next alone, and no kept pixel reads a row or column that PAD added.
// Result: LceQuantize of the map itself and an LceBconv2d that gives the kept pixels; its padding in front stays.
//
// Shapes must be known. Operators and tensors that nobody needs any more leave Graph::ops.
void ungrow(Graph& graph);

}  // namespace repbnn

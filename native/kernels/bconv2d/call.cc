// What comes before a kernel. It may be in streaming mode: where SME2's kernels are built, this file is compiled to use
// general registers alone.
#include <algorithm>

#include "kernels/bconv2d/kernel.h"

namespace repbnn {

void Bconv2d::run(const Call& call) const {
  if (call.y0 >= call.y1 || call.x0 >= call.x1) return;
  count_call(*kernel_);
  if (kernel_->run != nullptr) return kernel_->run({whole_layer(), call});
  run_rows(call);
}

WholeLayer Bconv2d::whole_layer() const {
  return {&geometry_,
          words_,
          geometry_.taps() * words_,
          lanes_,
          geometry_.filters,
          static_cast<int>(std::max(multiplier_.size(), thresholds_.size())),
          copies_,
          joined_copies_,
          weights_.data(),
          multiplier_.data(),
          bias_.data(),
          thresholds_.size() != 0 ? thresholds_.data() : nullptr,
          clamp_min_,
          clamp_max_,
          corrections_.size() != 0 ? corrections_.data() : nullptr,
          count_corrections_.size() != 0 ? count_corrections_.data() : nullptr,
          row_case_.data(),
          column_case_.data(),
          column_cases_,
          &epilogue_};
}

#if defined(REPBNN_SME2)
void run_sme2(const WholeCall& call) {
  void* const context = const_cast<WholeCall*>(&call);
  call.call.streaming ? kSme2Call(context) : in_streaming_mode(kSme2Call, context);
}

void count_sme2_neon(const WholeLayer& layer, const PixelStrip& strip) {
  WholeStrip whole{layer, strip};
  in_streaming_mode(kSme2Count, &whole);
}
#endif

}  // namespace repbnn

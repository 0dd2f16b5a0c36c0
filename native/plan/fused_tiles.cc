// Which tile runs when, and on which maps. With SME2's kernels this is between calls in streaming mode, which a worker
// enters once for all its pieces: where they are built, this file is compiled to use general registers alone.
#include <algorithm>

#include "base/spin.h"
#include "base/streaming.h"
#include "kernels/pointwise/tile.h"
#include "kernels/pool/rows.h"
#include "plan/fused.h"

namespace repbnn {
namespace {

int ceil_div(int a, int b) { return (a + b - 1) / b; }

}  // namespace

// Threads take the pieces in the order of the schedule, so whatever a piece waits for has been taken before it.
void FusedPlan::run_stage(int stage) {
  const std::vector<Piece>& pieces = pieces_[stage];
  const bool alone = options_.pool->size() == 1;
  for (size_t i = 0; !alone && i < finished_.size(); ++i) finished_[i].store(0, std::memory_order_relaxed);
  run_pieces(static_cast<int>(pieces.size()), [&](int i, int thread) {
    const Band& band = *pieces[i].band;
    if (alone) return run_tile(band.segment, pieces[i].tile, thread);
    for (const Wait& wait : band.waits) wait_for(wait);
    run_tile(band.segment, pieces[i].tile, thread);
    finished_[first_band_[band.segment] + band.row].fetch_add(1, std::memory_order_release);
  });
}

template <typename F>
void FusedPlan::run_pieces(int pieces, F&& function) {
  options_.pool->run(pieces, function, streaming_ ? in_streaming_mode : nullptr);
}

void FusedPlan::wait_for(const Wait& wait) const {
  const int across = segments_.segments[wait.segment].across();
  for (int row = wait.from; row < wait.to; ++row) {
    const std::atomic<int>& count = finished_[first_band_[wait.segment] + row];
    auto done = [&] { return count.load(std::memory_order_acquire) == across; };
    if (done()) continue;
    using Done = decltype(done);
    run_outside([](void* done) { spin_then_sleep(*static_cast<Done*>(done)); }, &done);  // system calls end the mode
  }
}

void FusedPlan::run_outside(void (*work)(void*), void* context) const {
  streaming_ ? out_of_streaming_mode(work, context) : work(context);
}

void FusedPlan::rebase(int thread, int g, int y0, int x0) {
  for (MovingFloats& moving : moving_[thread][g].floats) {
    moving.map->y_base = y0 / moving.scale.y;
    moving.map->x_base = x0 / moving.scale.x;
  }
  for (MovingBits& moving : moving_[thread][g].bits) {
    moving.map->y_base = y0 / moving.scale.y;
    moving.map->x_base = x0 / moving.scale.x;
  }
}

void FusedPlan::run_tile(int g, int tile, int thread) {
  const Segment& segment = segments_.segments[g];
  const int across = segment.across();
  const int y0 = tile / across * segment.tile_h, x0 = tile % across * segment.tile_w;
  const int y1 = std::min(y0 + segment.tile_h, segment.height), x1 = std::min(x0 + segment.tile_w, segment.width);
  rebase(thread, g, y0, x0);
  for (size_t i = 0; i < segment.steps.size(); ++i) {
    const int s = segment.steps[i];
    const Scale scale = segment.scales[i];
    run_step(s, bound_[thread][s], {y0 / scale.y, y1 / scale.y, x0 / scale.x, x1 / scale.x, 0, -1}, thread);
  }
}

void FusedPlan::run_step(int s, const BoundStep& bound, const Area& area, int thread) {
  if (options_.profile) return run_timed(s, bound, area, thread);
  const StepForm form = steps_.steps[s].form;
  if (form == StepForm::kBconv2d) return run_conv(s, bound, area, thread);
#if defined(REPBNN_SME2)
  if (form == StepForm::kPointwise && streaming_) {
    PointwiseArea all{&prepared_[s].program, &bound.source, &bound.maps, area.y0, area.y1, area.x0, area.x1};
    return kSme2Pointwise(&all);
  }
  if ((form == StepForm::kAveragePool || form == StepForm::kMaxPool) && streaming_) {
    const PreparedStep& step = prepared_[s];
    const bool average = form == StepForm::kAveragePool;
    PoolArea pool{&step.pool, &bound.source, &bound.result, &step.lo, &step.hi,
                  area.y0,    area.y1,       area.x0,       area.x1,  average};
    return kSme2Pool(&pool);
  }
#endif
  struct Other {
    FusedPlan* plan;
    int s;
    const BoundStep* bound;
    const Area* area;
  } other{this, s, &bound, &area};
  run_outside(
      [](void* context) {
        const Other& other = *static_cast<const Other*>(context);
        other.plan->run_other(other.s, *other.bound, *other.area);
      },
      &other);
}

void FusedPlan::run_conv(int s, const BoundStep& bound, const Area& area, int thread) {
  Bconv2d::Call call;
  call.input = bound.source_bits;
  call.outputs = &bound.maps;
  call.y0 = area.y0, call.y1 = area.y1, call.x0 = area.x0, call.x1 = area.x1;
  call.filter_begin = area.filter0, call.filter_end = area.filter1;
  call.scratch = scratch_.data() + thread * scratch_stride_ + layout_.scratch_bytes;
  call.streaming = streaming_;
  prepared_[s].conv->run(call);
}

// Whether ranges of 32 filters never share a word of packed output.
bool FusedPlan::splits_by_filters(const Step& step, int filters) {
  if (step.bits.empty()) return true;
  if (step.copies > 1 && filters % kWordBits != 0) return false;
  return std::all_of(step.bits.begin(), step.bits.end(),
                     [](const MapUse& use) { return use.channel % kWordBits == 0; });
}

// A map of one tile cannot be shared out by pixels: by filters, or by rows, step after step, in thread 0's scratch.
void FusedPlan::run_spread(int g) {
  const Segment& segment = segments_.segments[g];
  rebase(0, g, 0, 0);
  for (size_t i = 0; i < segment.steps.size(); ++i) {
    const int s = segment.steps[i];
    const BoundStep& bound = bound_[0][s];
    const int height = segment.height / segment.scales[i].y, width = segment.width / segment.scales[i].x;
    const Bconv2d* conv = prepared_[s].conv.get();
    if (conv == nullptr || !splits_by_filters(steps_.steps[s], conv->geometry().filters)) {
      run_pieces(height, [&](int y, int thread) { run_step(s, bound, {y, y + 1, 0, width, 0, -1}, thread); });
      continue;
    }
    const int filters = conv->geometry().filters;
    // Pieces end at whole words of packed output, so that no two threads write one word.
    const int granule = std::max(conv->filter_granule(), kWordBits);
    const int pieces = ceil_div(filters, granule);
    run_pieces(pieces, [&](int piece, int thread) {
      const int end = std::min((piece + 1) * granule, filters);
      run_step(s, bound, {0, height, 0, width, piece * granule, end}, thread);
    });
  }
}

}  // namespace repbnn

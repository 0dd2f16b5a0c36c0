// The fused plan: steps in segments, segments in tiles, tiles shared out to threads. Private to plan.cc.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/aligned.h"
#include "kernels/bconv2d/bconv2d.h"
#include "kernels/depthwise/depthwise.h"
#include "kernels/pool/pool.h"
#include "plan/layout.h"
#include "plan/plan.h"
#include "plan/reference.h"

namespace repbnn {

// What a step needs beside its maps, prepared once and shared by the threads.
struct PreparedStep {
  std::shared_ptr<const Bconv2d> conv;
  PackedProgram program;
  PoolGeometry pool;
  float lo = 0.0f, hi = 0.0f;  // of a pool's fused activation
  Depthwise depthwise;
};

// One tile, the smallest piece of work that threads take.
struct Piece {
  const Band* band;
  int tile;
};

// The maps of one step as one thread sees them.
struct BoundStep {
  FloatMap source, result;
  BitMap source_bits, result_bits;
  Bindings maps;
};

class FusedPlan final : public Plan {
 public:
  // nullptr when a kernel refuses a step that the rules thought it could run.
  static std::unique_ptr<FusedPlan> create(Graph graph, int images, const PlanOptions& options);

  void run(const void* const* inputs, void* const* outputs) override;
  std::string describe() const override;
  size_t memory_bytes() const override;

 private:
  explicit FusedPlan(const PlanOptions& options) : options_(options) {}

  // Preparing: fused_prepare.cc.
  bool prepare();
  void prepare_pieces();
  bool prepare_step(int s);
  bool prepare_conv(int s);
  void bind(int thread);
  void bind_step(int thread, int s);
  FloatMap float_map(int thread, int tensor, int channel, int s);
  BitMap bit_map(int thread, const MapUse& use);
  uint8_t* memory_of(int thread, int tensor);
  void prepare_reference();

  // Running: fused_run.cc, and what stands around each tile: fused_tiles.cc.
  void run_image();
  void run_stage(int stage);
  void run_alone(int g);
  void wait_for(const Wait& wait) const;
  void run_tile(int g, int tile, int thread);
  struct Area {
    int y0, y1, x0, x1, filter0, filter1;  // filter1 -1: all
  };
  void run_step(int s, const BoundStep& bound, const Area& area, int thread);
  void run_timed(int s, const BoundStep& bound, const Area& area, int thread);
  void run_conv(int s, const BoundStep& bound, const Area& area, int thread);
  void run_other(int s, const BoundStep& bound, const Area& area);
  template <typename F>
  void run_pieces(int pieces, F&& function);
  void run_outside(void (*work)(void*), void* context) const;
  void run_spread(int g);
  double seconds_of(int segment) const;
  static bool splits_by_filters(const Step& step, int filters);
  void run_reference_step(int s);
  void copy_packed(int position, bool in);
  void rebase(int thread, int g, int y0, int x0);
  void patch_external(const void* const* inputs, void* const* outputs);

  // A map whose data moves with the runtime's memory, or whose origin moves with the tile.
  template <typename T>
  struct External {
    T** data;
    int index;
    bool output;
    ptrdiff_t offset;  // elements
  };
  struct MovingFloats {
    FloatMap* map;
    Scale scale;
  };
  struct MovingBits {
    BitMap* map;
    Scale scale;
  };
  struct Moving {
    std::vector<MovingFloats> floats;
    std::vector<MovingBits> bits;
  };

  void note_floats(int thread, int s, FloatMap* map, int tensor, int channel);
  void note_int8(int thread, int s, Int8Map* map);
  void note_bits(int thread, int s, BitMap* map, int tensor, ptrdiff_t offset = 0);

  PlanOptions options_;
  bool streaming_ = false;  // workers are in streaming mode around their pieces
  Graph graph_;             // of one image
  int images_ = 1;
  Steps steps_;
  Segments segments_;
  Schedule schedule_;
  Layout layout_;
  std::vector<std::vector<Piece>> pieces_;  // [stage]
  std::vector<std::atomic<int>> finished_;  // tiles of each band in this run: [first_band_[segment] + row]
  std::vector<int> first_band_;             // by segment
  std::vector<PreparedStep> prepared_;
  AlignedBuffer<uint8_t> arena_, scratch_, reference_memory_;
  size_t scratch_stride_ = 0, conv_scratch_ = 0;  // of one thread's block; its part for kernels comes last
  std::vector<std::vector<BoundStep>> bound_;     // [thread][step]
  std::vector<std::vector<Moving>> moving_;       // [thread][segment]
  std::vector<External<float>> external_floats_;
  std::vector<External<uint32_t>> external_bits_;
  std::vector<External<int8_t>> external_int8s_;
  Buffers reference_;  // dense memory for reference steps
  std::vector<const void*> inputs_;
  std::vector<void*> outputs_;
  std::vector<double> seconds_;                    // by stage
  std::vector<std::vector<double>> step_seconds_;  // [thread][step]: their sum is processor time
  long runs_ = 0;
};

}  // namespace repbnn

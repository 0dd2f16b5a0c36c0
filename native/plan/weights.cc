#include "plan/weights.h"

#include <algorithm>
#include <vector>

#include "base/digest.h"
#include "base/mutex.h"

namespace repbnn {
namespace {

struct Entry {
  Digest digest;
  std::weak_ptr<const Bconv2d> conv;
};

struct Cache {
  Mutex mutex;
  std::vector<Entry> entries;

  void drop_dead() {
    entries.erase(
        std::remove_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.conv.expired(); }),
        entries.end());
  }
};

Cache& cache() {
  static auto* all = new Cache;  // outlives every plan
  return *all;
}

template <typename T>
void add_array(Digester& digester, const T* values, size_t count) {
  digester.add_value(values != nullptr);
  if (values != nullptr) digester.add(values, count * sizeof(T));
}

void add_program(Digester& digester, const Program* program) {
  digester.add_value(program != nullptr);
  if (program == nullptr) return;
  digester.add_value(program->channels());
  digester.add_value(program->steps().size());
  for (const Program::Step& step : program->steps()) {
    digester.add_value(step.kind);
    digester.add_value(step.map);
    digester.add_value(step.lo);
    digester.add_value(step.hi);
    for (const std::vector<float>* vector : {&step.vector, &step.vector2}) {
      digester.add_value(vector->size());
      add_array(digester, vector->data(), vector->size());
    }
  }
}

// Everything that Bconv2d::create reads: its result follows from nothing else.
Digest digest_of(const Bconv2dSpec& spec, const Bconv2dKernel* kernel) {
  const Bconv2dGeometry& g = spec.geometry;
  Digester digester;
  digester.add_value(kernel);
  for (int value : {g.in_height, g.in_width, g.in_channels, g.filters, g.kernel_height, g.kernel_width, g.stride_height,
                    g.stride_width, g.dilation_height, g.dilation_width, g.pad_top, g.pad_left, g.out_height,
                    g.out_width, spec.activation_min, spec.activation_max, spec.copies, static_cast<int>(spec.pad_zero),
                    static_cast<int>(spec.pad_zero_sums)}) {
    digester.add_value(value);
  }
  digester.add_value(spec.output_scale);
  digester.add_value(spec.output_zero_point);
  const size_t filters = static_cast<size_t>(g.filters);
  add_array(digester, spec.filters, filters * g.taps() * words_of(g.in_channels));
  add_array(digester, spec.multiplier, filters);
  add_array(digester, spec.bias, filters);
  add_array(digester, spec.thresholds, filters);
  add_program(digester, spec.epilogue);
  return digester.finish();
}

}  // namespace

std::shared_ptr<const Bconv2d> shared_bconv2d(const Bconv2dSpec& spec, const Bconv2dKernel& kernel) {
  const Digest digest = digest_of(spec, &kernel);
  Cache& all = cache();
  const Lock lock(all.mutex);  // held while packing: whoever comes second waits for it and packs nothing
  for (const Entry& entry : all.entries) {
    if (!(entry.digest == digest)) continue;
    if (std::shared_ptr<const Bconv2d> found = entry.conv.lock()) return found;
  }
  const char* error = nullptr;
  std::shared_ptr<const Bconv2d> made = Bconv2d::create(spec, kernel, &error);
  if (made == nullptr) return nullptr;
  all.drop_dead();
  all.entries.push_back({digest, made});
  return made;
}

size_t shared_bconv2d_count() {
  Cache& all = cache();
  const Lock lock(all.mutex);
  all.drop_dead();
  return all.entries.size();
}

}  // namespace repbnn

// Each layer shape of Rep-ReActNet-A against the popcount limit measured in the same run.
//   bconv2d_bench [kernel] [repetitions]     kernel: a name of kernels.inc, or auto (the choice for each layer)
// Columns: the convolution alone, up to its float values, and with Rep-ReActNet's whole epilogue.
//   bconv2d_bench in_turn [kernel] [repetitions]   the same layers one after another, as the network runs them
//   bconv2d_bench count KERNEL alone|full PASSES [LAYER]    only runs (0: only prepares), for an instruction counter
//   bconv2d_bench layers                           the layers, one a line, in the order of their numbers
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/aligned.h"
#include "kernels/bconv2d/limit.h"
#include "kernels/bconv2d/shapes.h"
#include "kernels/testing/random.h"

namespace repbnn {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// One layer with its maps; `full`: the epilogue of a Rep-ReActNet block with its four copies, else a plain store.
struct LayerBench {
  Bconv2dGeometry g;
  std::unique_ptr<Bconv2d> conv;
  AlignedBuffer<uint32_t> input, packed;
  AlignedBuffer<float> residual, output;
  AlignedBuffer<char> scratch;
  Bindings maps;
  Bconv2d::Call call;
  TileShape tile;

  LayerBench(const Bconv2dGeometry& geometry, const Bconv2dKernel& kernel, bool full) : g(geometry) {
    tile = bconv2d_tile(bconv2d_kernel_isa(kernel), g.out_height, g.out_width);
    // To whom it makes no difference: two rows of up to 56 columns, on the smallest maps all rows.
    if (tile.rows == 0) tile = {g.out_height > 7 ? 2 : 7, 56};
    Random random(1);
    const int copies = full ? 4 : 1, channels = copies * g.filters, words = words_of(g.in_channels);
    AlignedBuffer<uint32_t> filters(static_cast<size_t>(g.filters) * g.taps() * words);
    for (size_t i = 0; i < filters.size(); ++i) filters[i] = random.word();
    AlignedBuffer<float> vector(channels), slope(channels), scale(g.filters);
    for (int i = 0; i < channels; ++i) vector[i] = random.real(-0.3f, 0.3f), slope[i] = random.real(0.1f, 0.4f);
    for (int i = 0; i < g.filters; ++i) scale[i] = random.real(0.01f, 0.02f);
    Program epilogue(channels);
    if (full) {
      epilogue.mul(slope.data()).add(vector.data()).add_map(0).add(vector.data()).prelu(slope.data());
      epilogue.add(vector.data()).store(1).sign_add(vector.data(), 0);
    }
    Bconv2dSpec spec;
    spec.geometry = g;
    spec.filters = filters.data();
    spec.multiplier = scale.data();
    spec.bias = scale.data();
    spec.epilogue = &epilogue;
    spec.copies = copies;
    const char* error = nullptr;
    conv = Bconv2d::create(spec, kernel, &error);
    if (conv == nullptr) {
      std::fprintf(stderr, "%s\n", error);
      std::exit(1);
    }
    make_maps(random, channels, words);
  }

  void make_maps(Random& random, int channels, int words) {
    const int columns = g.border_left() + g.in_width + g.border_right();
    const int rows = g.border_top() + g.in_height + g.border_bottom();
    call.input.pixel_stride = words;
    call.input.row_pitch = static_cast<ptrdiff_t>(words) * columns;
    input = AlignedBuffer<uint32_t>(call.input.row_pitch * rows);
    for (size_t i = 0; i < input.size(); ++i) input[i] = random.word();
    call.input.data = input.data() + g.border_top() * call.input.row_pitch + g.border_left() * words;
    // Some rows of the residual and a tile of the result, as a plan that fuses a block keeps them; the stride is no
    // multiple of 4 KiB.
    for (int m : {0, 1}) {
      FloatMap& map = maps.floats[m];
      map.pixel_stride = channels + 16;
      map.row_pitch = map.pixel_stride * (m == 0 ? g.out_width : std::min(tile.columns, g.out_width));
      uint32_t rows = m == 0 ? 8 : 1;
      while (rows < static_cast<uint32_t>(tile.rows)) rows *= 2;
      map.row_mask = rows - 1;
      AlignedBuffer<float>& memory = m == 0 ? residual : output;
      memory = AlignedBuffer<float>(map.row_pitch * rows + 1024);
      map.data = memory.data() + 336 * m;
    }
    for (size_t i = 0; i < residual.size(); ++i) residual[i] = random.real(-1, 1);
    BitMap& bits = maps.bits[0];
    bits.channels = channels;
    bits.pixel_stride = words_of(channels);
    bits.row_pitch = bits.pixel_stride * g.out_width;
    packed = AlignedBuffer<uint32_t>(bits.row_pitch * g.out_height);
    bits.data = packed.data();
    call.outputs = &maps;
    scratch = AlignedBuffer<char>(conv->scratch_bytes(tile.rows, tile.columns));
    call.scratch = scratch.data();
  }

  // A tile at a time: what a fused block does.
  void run() {
    for (int y = 0; y < g.out_height; y += tile.rows) {
      call.y0 = y;
      call.y1 = std::min(y + tile.rows, g.out_height);
      for (int x = 0; x < g.out_width; x += tile.columns) {
        call.x0 = maps.floats[1].x_base = x;
        call.x1 = std::min(x + tile.columns, g.out_width);
        conv->run(call);
      }
    }
  }

  double fastest(int repetitions) {
    run();
    double best = 1e9;
    for (int i = 0; i < repetitions; ++i) {
      const double start = now();
      run();
      best = std::min(best, now() - start);
    }
    return best;
  }
};

const Bconv2dKernel* kernel_for(const std::string& name, const Bconv2dGeometry& g) {
  if (name == "auto") return choose_bconv2d_kernel(best_isa(), g);
  Isa isa;
  if (isa_from_name(name.c_str(), &isa)) return choose_bconv2d_kernel(isa, g);
  const Bconv2dKernel* kernel = find_bconv2d_kernel(name.c_str());
  if (kernel == nullptr) {
    std::fprintf(stderr, "no kernel or instruction set is called %s\n", name.c_str());
    std::exit(1);
  }
  // A kernel that only runs 3x3 leaves the rest to its instruction set's choice.
  const bool only_3x3 = name.find("triple") != std::string::npos && g.kernel_width != 3;
  return only_3x3 ? choose_bconv2d_kernel(bconv2d_kernel_isa(*kernel), g) : kernel;
}

int bench(const std::string& name, int repetitions) {
  const PopcountLimit limit = measure_popcount_limit();
  if (limit.macs_per_second > 0) {
    std::printf("popcount limit: %.3f TMAC/s at %.2f GHz = %.0f MAC a cycle (%s)\n", limit.macs_per_second / 1e12,
                limit.hertz / 1e9, limit.macs_per_second / limit.hertz, limit.valid ? "valid" : "NOT VALID");
  }
  double macs = 0, alone = 0, full = 0;
  std::printf("%-34s %-14s %9s %9s %9s\n", "layer", "kernel", "GMAC/s", "alone us", "full us");
  for (const NamedShape& shape : rep_reactnet_shapes()) {
    const Bconv2dGeometry& g = shape.geometry;
    const Bconv2dKernel* kernel = kernel_for(name, g);
    const double a = shape.branches * LayerBench(g, *kernel, false).fastest(repetitions);
    const double f = shape.branches * LayerBench(g, *kernel, true).fastest(repetitions);
    const double m = shape.branches * static_cast<double>(g.macs());
    std::printf("%2d %dx%d/%d %4d -> %3d x%d on %3dx%-3d   %-14s %9.0f %9.1f %9.1f\n", shape.block, g.kernel_height,
                g.kernel_width, g.stride_height, g.in_channels, g.filters, shape.branches, g.out_height, g.out_width,
                bconv2d_kernel_name(*kernel), m / a / 1e9, a * 1e6, f * 1e6);
    macs += m;
    alone += a;
    full += f;
  }
  std::printf("all: %.0f MMAC, alone %.3f ms (%.0f GMAC/s), with epilogue %.3f ms", macs / 1e6, alone * 1e3,
              macs / alone / 1e9, full * 1e3);
  if (limit.macs_per_second > 0) {
    const double least = macs / limit.macs_per_second;
    std::printf("; limit %.3f ms: %.2f x and %.2f x", least * 1e3, alone / least, full / least);
  }
  std::printf("\n");
  return 0;
}

// All layers one after another, as in the network: each finds its weights where the others left them.
int in_turn(const std::string& name, int repetitions) {
  std::vector<std::unique_ptr<LayerBench>> layers;
  const std::vector<NamedShape> shapes = rep_reactnet_shapes();
  for (const NamedShape& shape : shapes) {
    for (int i = 0; i < shape.branches; ++i) {
      layers.emplace_back(new LayerBench(shape.geometry, *kernel_for(name, shape.geometry), true));
    }
  }
  std::vector<double> best(layers.size(), 1e9);
  double whole = 1e9;
  for (int i = 0; i < repetitions; ++i) {
    const double start = now();
    for (size_t k = 0; k < layers.size(); ++k) {
      const double from = now();
      layers[k]->run();
      best[k] = std::min(best[k], now() - from);
    }
    whole = std::min(whole, now() - start);
  }
  for (size_t k = 0; k < layers.size(); ++k) {
    const Bconv2dGeometry& g = layers[k]->g;
    std::printf("%dx%d %4d -> %3d on %3d: %.1f us\n", g.kernel_height, g.kernel_width, g.in_channels, g.filters,
                g.out_height, best[k] * 1e6);
  }
  std::printf("in turn, with epilogue: %.3f ms\n", whole * 1e3);
  return 0;
}

// What is executed between these two is a counter's to count: tools/qemu/execution.py finds them by name.
extern "C" __attribute__((noinline)) void bench_counting_begins() { __asm__ volatile(""); }
extern "C" __attribute__((noinline)) void bench_counting_ends() { __asm__ volatile("" ::: "memory"); }

int count(const std::string& name, bool full, int passes, int only) {
  const std::vector<NamedShape> shapes = rep_reactnet_shapes();
  for (int k = 0; k < static_cast<int>(shapes.size()); ++k) {
    if (only >= 0 && k != only) continue;
    LayerBench layer(shapes[k].geometry, *kernel_for(name, shapes[k].geometry), full);
    bench_counting_begins();
    for (int i = 0; i < passes * shapes[k].branches; ++i) layer.run();
    bench_counting_ends();
  }
  return 0;
}

int list_layers() {
  std::printf("block kernel_height kernel_width stride in_channels filters branches out_height out_width\n");
  for (const NamedShape& shape : rep_reactnet_shapes()) {
    const Bconv2dGeometry& g = shape.geometry;
    std::printf("%d %d %d %d %d %d %d %d %d\n", shape.block, g.kernel_height, g.kernel_width, g.stride_height,
                g.in_channels, g.filters, shape.branches, g.out_height, g.out_width);
  }
  return 0;
}

}  // namespace
}  // namespace repbnn

int main(int argc, char** argv) {
  if ((argc == 5 || argc == 6) && std::string(argv[1]) == "count") {
    return repbnn::count(argv[2], std::string(argv[3]) == "full", std::atoi(argv[4]),
                         argc == 6 ? std::atoi(argv[5]) : -1);
  }
  if (argc == 2 && std::string(argv[1]) == "layers") return repbnn::list_layers();
  if (argc > 1 && std::string(argv[1]) == "in_turn") {
    return repbnn::in_turn(argc > 2 ? argv[2] : "auto", argc > 3 ? std::atoi(argv[3]) : 50);
  }
  return repbnn::bench(argc > 1 ? argv[1] : "auto", argc > 2 ? std::atoi(argv[2]) : 20);
}

// In which order the tiles of all segments run, and what each must wait for.
#pragma once

#include <vector>

#include "plan/segment.h"

namespace repbnn {

// Rows of tiles of a segment that must be finished.
struct Wait {
  int segment, from, to;
};

// One row of tiles of a segment.
struct Band {
  int segment, row;
  std::vector<Wait> waits;  // all of them stand earlier in the order
};

// Bands that run with nothing but their waits between them.
struct Stage {
  int first_segment = 0, end_segment = 0;
  bool ordered = false;  // false: one segment that cannot run in rows of tiles
  std::vector<Band> bands;
};

struct Schedule {
  std::vector<Stage> stages;
  std::vector<int> group_of_segment;  // ascending; segments of one group take turns, row by row
  std::vector<int> ring_rows;         // tensor -> rows that its memory holds, a power of two; 0: the whole map
};

// Segments run one after another, and in turns, row by row, where a map of `large_map` bytes
// or more passes from one to the next: its rows are
// then used while they are in the second cache, and only as many of them as are alive are kept (a ring). Every band
// waits for the rows that it reads, for the readers of the rows that it overwrites, and for all groups but the one
// before its own, whose memory it may take over. With several threads producers run a few bands ahead, so that waits
// are rare. Steps that run by themselves, over whole maps, and maps of one tile shared out among threads, end a stage;
// so does a map that another segment of the stage writes too.
Schedule make_schedule(const Graph& graph, const Steps& steps, const Segments& segments, int threads,
                       int64_t large_map);

}  // namespace repbnn

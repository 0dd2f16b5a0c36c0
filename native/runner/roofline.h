// What this machine can do at best, on as many threads as the network gets.
#pragma once

namespace repbnn {

struct Roofline {
  double popcount_per_s;  // bits that are xored, counted and added, out of registers: the limit of a binary convolution
  double bytes_per_s;     // read and written by a copy far larger than the caches
};

// Takes about a second. Threads stay where the calling thread may run.
Roofline measure_roofline(int threads);

}  // namespace repbnn

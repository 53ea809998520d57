// The kernels and their host side compiled once more, for the host: the same text, in the namespace cuda_shim, with
// shim.h in the place of CUDA. What mentions the word cuda must be included before it is renamed.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/numerics.h"
#include "kernels/row_top2.h"
#include "kernels/row_top2_rules.h"
#include "kernels/search.h"
#include "kernels/search_ppq_rules.h"
#include "ppq/error.h"
#include "tests/cuda/backend.h"

#define PPQ_HOST_SHIM
#define cuda cuda_shim

#include "tests/cuda/shim/shim.h"

#include "kernels/cuda/launch.h"
namespace ppq::kernels::cuda {
/// Few, so that small tensors already make the kernels share work in uneven parts.
int multiprocessors() { return 3; }
int shared_limit() { return 227 << 10; }
}  // namespace ppq::kernels::cuda

#include "kernels/cuda/backward.cu"
#include "kernels/cuda/error_sums.cu"
#include "kernels/cuda/fake_quantize.cu"
#include "kernels/cuda/observe.cu"
#include "kernels/cuda/observe_range.cu"
#include "kernels/cuda/observe_range_blocks.cu"
#include "kernels/cuda/observe_wide.cu"
#include "kernels/cuda/quantize_to_int.cu"
#include "kernels/cuda/row_top2.cu"
#include "kernels/cuda/search.cu"
#include "kernels/cuda/search_ppq.cu"

#include "kernels/cuda/fake_quantize.cpp"
#include "kernels/cuda/layout.cpp"
#include "kernels/cuda/observe.cpp"
#include "kernels/cuda/row_top2.cpp"
#include "kernels/cuda/search.cpp"
#include "kernels/cuda/sums.cpp"

namespace ppq::test {

const Backend& shim_backend() {
  namespace shimmed = kernels::cuda;
  static const Backend backend{"shim",
                               at::kCPU,
                               &shimmed::fake_quantize,
                               &shimmed::fake_quantize_,
                               &shimmed::fake_quantize_blocks,
                               &shimmed::quantize_to_int,
                               &shimmed::fake_quantize_backward,
                               &shimmed::observe,
                               &shimmed::merge,
                               &shimmed::observe_range,
                               &shimmed::observe_range_blocks,
                               &shimmed::observe_row_top2,
                               &shimmed::error_sums,
                               &shimmed::search_ranges,
                               [](const std::vector<ObservationOf>& list) {
                                 std::vector<shimmed::Observation> observations;
                                 for (const ObservationOf& one : list) observations.push_back({one.x, one.axis, one.histogram});
                                 shimmed::observe_many(observations);
                               }};
  return backend;
}

}  // namespace ppq::test

// The CUDA kernels of a build without CUDA: every function says so.
#include "kernels/capture.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/row_top2.h"
#include "ppq/error.h"

namespace ppq::kernels::cuda {
namespace {

[[noreturn]] void no_cuda(const char* function) {
  throw Error(ErrorKind::Unsupported, function, "got a CUDA tensor, expected a CPU tensor: this build has no CUDA kernels",
              "build with -DPPQ_CUDA=ON, or use --device cpu");
}

}  // namespace

at::Tensor fake_quantize(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t, const Format&) { no_cuda("fake_quantize"); }
void fake_quantize_(at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t, const Format&) { no_cuda("fake_quantize_"); }
at::Tensor fake_quantize_blocks(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t, int64_t, const Format&) {
  no_cuda("fake_quantize_blocks");
}
at::Tensor quantize_to_int(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t, const Format&, at::ScalarType) {
  no_cuda("quantize_to_int");
}
Gradients fake_quantize_backward(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t, const Format&, bool) {
  no_cuda("fake_quantize_backward");
}
void observe(const at::Tensor&, int64_t, Histogram&) { no_cuda("observe"); }
void merge(Histogram&, const Histogram&) { no_cuda("merge"); }
void observe_range(const at::Tensor&, int64_t, Range&) { no_cuda("observe_range"); }
void observe_range_blocks(const at::Tensor&, int64_t, int64_t, Range&) { no_cuda("observe_range_blocks"); }
void observe_row_top2(const at::Tensor&, bool, double, RowTop2&) { no_cuda("observe_row_top2"); }
at::Tensor error_sums(const at::Tensor&, const at::Tensor&) { no_cuda("error_sums"); }
void observe_many(const std::vector<Observation>&) { no_cuda("observe_many"); }
at::Tensor search_ranges(const std::vector<RangeSearch>&) { no_cuda("search_ranges"); }
std::unique_ptr<CapturedWork> capture(at::Device, const std::function<void()>&) { no_cuda("capture"); }

}  // namespace ppq::kernels::cuda

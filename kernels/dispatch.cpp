#include <ATen/ATen.h>

#include <limits>

#include "kernels/capture.h"
#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/kernels.h"
#include "kernels/numerics.h"
#include "ppq/error.h"

/// Where a kernel runs: on the device of its first tensor.
namespace ppq::kernels {
namespace {

static_assert(static_cast<int>(Rounding::HalfEven) == numerics::kHalfEven && static_cast<int>(Rounding::HalfUp) == numerics::kHalfUp &&
              static_cast<int>(Rounding::HalfDown) == numerics::kHalfDown &&
              static_cast<int>(Rounding::HalfTowardsZero) == numerics::kHalfTowardsZero &&
              static_cast<int>(Rounding::HalfFarFromZero) == numerics::kHalfFarFromZero &&
              static_cast<int>(Rounding::ToNearInt) == numerics::kToNearInt && static_cast<int>(Rounding::Up) == numerics::kUp &&
              static_cast<int>(Rounding::Down) == numerics::kDown);

bool on_cuda(at::Device device, const char* function) {
  if (device.is_cpu()) return false;
  if (device.is_cuda()) return true;
  throw Error(ErrorKind::Unsupported, function, "device: got " + device.str() + ", expected cpu or cuda");
}
bool on_cuda(const at::Tensor& x, const char* function) { return on_cuda(x.device(), function); }
int64_t wrapped(int64_t axis, const at::Tensor& x, const char* function) {
  if (axis < x.dim()) return axis;
  throw Error(ErrorKind::Internal, function, "axis: got " + std::to_string(axis) + " for " + std::to_string(x.dim()) + " dimensions");
}
void check_bins(int64_t channels, int64_t bins) {
  if (channels < 1 || bins < 2 || bins > 1 << 20) {
    throw Error(
        ErrorKind::Internal, "make_histogram",
        "channels and bins: got " + std::to_string(channels) + " and " + std::to_string(bins) + ", expected 1 or more and 2..1048576");
  }
}

std::string text_of(at::IntArrayRef sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i) text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + "]";
}
/// `sizes` with that axis divided into blocks.
std::vector<int64_t> blocked(at::IntArrayRef sizes, int64_t axis, int64_t block, const char* function) {
  if (axis < 0 || axis >= static_cast<int64_t>(sizes.size()) || block < 1) {
    throw Error(ErrorKind::Internal, function,
                "axis and block: got " + std::to_string(axis) + " and " + std::to_string(block) + " for shape " + text_of(sizes));
  }
  std::vector<int64_t> result = sizes.vec();
  result[axis] = (result[axis] + block - 1) / block;
  return result;
}
Range empty_range(at::IntArrayRef sizes, at::Device device) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  auto on_device = [&](at::ScalarType type) { return at::TensorOptions().device(device).dtype(type); };
  return {at::full(sizes, kInfinity, on_device(at::kFloat)), at::full(sizes, -kInfinity, on_device(at::kFloat)),
          at::zeros(sizes, on_device(at::kLong))};
}

}  // namespace

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format) {
  axis = wrapped(axis, x, "fake_quantize");
  return on_cuda(x, "fake_quantize") ? cuda::fake_quantize(x, scale, offset, axis, format)
                                     : cpu::fake_quantize(x, scale, offset, axis, format);
}

void fake_quantize_(at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format) {
  axis = wrapped(axis, x, "fake_quantize_");
  on_cuda(x, "fake_quantize_") ? cuda::fake_quantize_(x, scale, offset, axis, format) : cpu::fake_quantize_(x, scale, offset, axis, format);
}

at::Tensor fake_quantize_blocks(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, int64_t block,
                                const Format& format) {
  axis = wrapped(axis, x, "fake_quantize_blocks");
  return on_cuda(x, "fake_quantize_blocks") ? cuda::fake_quantize_blocks(x, scale, offset, axis, block, format)
                                            : cpu::fake_quantize_blocks(x, scale, offset, axis, block, format);
}

at::Tensor quantize_to_int(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset, int64_t axis, const Format& format,
                           at::ScalarType dtype) {
  axis = wrapped(axis, x, "quantize_to_int");
  return on_cuda(x, "quantize_to_int") ? cuda::quantize_to_int(x, scale, offset, axis, format, dtype)
                                       : cpu::quantize_to_int(x, scale, offset, axis, format, dtype);
}

Gradients fake_quantize_backward(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& scale, const at::Tensor& offset,
                                 int64_t axis, const Format& format, bool masked) {
  axis = wrapped(axis, x, "fake_quantize_backward");
  return on_cuda(x, "fake_quantize_backward") ? cuda::fake_quantize_backward(grad, x, scale, offset, axis, format, masked)
                                              : cpu::fake_quantize_backward(grad, x, scale, offset, axis, format, masked);
}

Histogram make_histogram(int64_t channels, int64_t bins, at::Device device) {
  check_bins(channels, bins);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  auto on_device = [&](at::ScalarType type) { return at::TensorOptions().device(device).dtype(type); };
  return {at::zeros({channels, bins}, on_device(at::kLong)),         at::zeros({channels}, on_device(at::kLong)),
          at::full({channels}, kEmptyExponent, on_device(at::kInt)), at::full({channels}, kInfinity, on_device(at::kFloat)),
          at::full({channels}, -kInfinity, on_device(at::kFloat)),   at::zeros({channels}, on_device(at::kLong))};
}

void observe(const at::Tensor& x, int64_t axis, Histogram& histogram) {
  axis = wrapped(axis, x, "observe");
  on_cuda(x, "observe") ? cuda::observe(x, axis, histogram) : cpu::observe(x, axis, histogram);
}

void observe_many(const std::vector<Observation>& observations) {
  std::vector<Observation> wrapping = observations;
  for (Observation& one : wrapping) one.axis = wrapped(one.axis, one.x, "observe_many");
  if (wrapping.empty()) return;
  on_cuda(wrapping[0].x, "observe_many") ? cuda::observe_many(wrapping) : cpu::observe_many(wrapping);
}

void merge(Histogram& histogram, const Histogram& other) {
  on_cuda(histogram.counts, "merge") ? cuda::merge(histogram, other) : cpu::merge(histogram, other);
}

Range make_range(int64_t channels, at::Device device) { return empty_range({channels}, device); }

Range make_block_range(at::IntArrayRef sizes, int64_t axis, int64_t block, at::Device device) {
  return empty_range(blocked(sizes, axis, block, "make_block_range"), device);
}

void observe_range(const at::Tensor& x, int64_t axis, Range& range) {
  axis = wrapped(axis, x, "observe_range");
  on_cuda(x, "observe_range") ? cuda::observe_range(x, axis, range) : cpu::observe_range(x, axis, range);
}

at::Tensor search_ranges(const std::vector<RangeSearch>& searches) {
  if (searches.empty()) return at::empty({0, 3}, at::kDouble);
  const at::Device device = searches[0].device();
  for (const RangeSearch& one : searches) {
    if (one.device() == device) continue;
    throw Error(ErrorKind::Internal, "search_ranges",
                "device: got " + one.device().str() + ", expected that of the first search, " + device.str());
  }
  return on_cuda(device, "search_ranges") ? cuda::search_ranges(searches) : cpu::search_ranges(searches);
}

void observe_range_blocks(const at::Tensor& x, int64_t axis, int64_t block, Range& range) {
  const std::vector<int64_t> sizes = blocked(x.sizes(), axis, block, "observe_range_blocks");
  if (range.minimum.sizes() != at::IntArrayRef(sizes)) {
    throw Error(ErrorKind::Internal, "observe_range_blocks",
                "blocks: got a range of shape " + text_of(range.minimum.sizes()) + ", expected " + text_of(sizes));
  }
  on_cuda(x, "observe_range_blocks") ? cuda::observe_range_blocks(x, axis, block, range) : cpu::observe_range_blocks(x, axis, block, range);
}

std::unique_ptr<CapturedWork> capture(at::Device device, const std::function<void()>& work) {
  if (on_cuda(device, "capture")) return cuda::capture(device, work);
  throw Error(ErrorKind::Unsupported, "capture", "device: got cpu, expected cuda: only CUDA has graphs");
}

at::Tensor error_sums(const at::Tensor& quantized, const at::Tensor& reference) {
  return on_cuda(quantized, "error_sums") ? cuda::error_sums(quantized, reference) : cpu::error_sums(quantized, reference);
}

}  // namespace ppq::kernels

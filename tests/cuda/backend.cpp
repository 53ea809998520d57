#include "tests/cuda/backend.h"

#include <sys/mman.h>
#include <unistd.h>

#include <limits>
#include <random>

#include "kernels/cuda/cuda_kernels.h"
#include "tests/cuda/shim/shim_schedule.h"

namespace ppq::test {

const Backend* device_backend() {
  if (!at::hasCUDA() || !at::globalContext().hasCUDA() || c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA)->deviceCount() == 0)
    return nullptr;
  static const Backend backend{"device",
                               at::Device(at::kCUDA, 0),
                               &kernels::fake_quantize,
                               &kernels::fake_quantize_,
                               &kernels::fake_quantize_blocks,
                               &kernels::quantize_to_int,
                               &kernels::fake_quantize_backward,
                               &kernels::observe,
                               &kernels::merge,
                               &kernels::observe_range,
                               &kernels::observe_range_blocks,
                               &kernels::observe_row_top2,
                               &kernels::error_sums,
                               &kernels::search_ranges,
                               [](const std::vector<ObservationOf>& list) {
                                 std::vector<kernels::cuda::Observation> observations;
                                 for (const ObservationOf& one : list) observations.push_back({one.x, one.axis, one.histogram});
                                 kernels::cuda::observe_many(observations);
                               }};
  return &backend;
}

void KernelTest::SetUp() {
  shim::set_schedule(0);
  backend_ = GetParam() == "shim" ? &shim_backend() : device_backend();
  if (backend_ == nullptr) GTEST_SKIP() << "no CUDA device: the kernel was run on the host by the shim only";
}
void KernelTest::TearDown() { shim::set_schedule(0); }

at::Tensor sample(at::IntArrayRef sizes, uint64_t seed, float scale, bool special) {
  at::Tensor x = at::empty(sizes, at::kFloat);
  std::mt19937 random(static_cast<unsigned>(seed) + 1);
  std::normal_distribution<float> normal(0.3f, 2.0f);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float kSpecial[] = {std::numeric_limits<float>::quiet_NaN(), kInfinity, -kInfinity, 1e-40f, -1e-42f, 3e38f, -3e38f, -0.0f};
  float* values = x.mutable_data_ptr<float>();
  for (int64_t i = 0; i < x.numel(); ++i) {
    unsigned kind = random() % 16;
    values[i] = kind == 0 ? 0.0f : kind < 4 ? (static_cast<float>(static_cast<int>(random() % 300) - 150) + 0.5f) * scale : normal(random);
    if (special && kind == 5) values[i] = kSpecial[random() % 8];
  }
  return x;
}

testing::AssertionResult same(const at::Tensor& a_in, const at::Tensor& b_in) {
  at::Tensor a = a_in.cpu().contiguous(), b = b_in.cpu().contiguous();
  if (a.sizes() != b.sizes()) return testing::AssertionFailure() << "shapes " << a.sizes() << " and " << b.sizes();
  if (a.scalar_type() != b.scalar_type()) return testing::AssertionFailure() << "types " << a.scalar_type() << " and " << b.scalar_type();
  auto bytes = [](const at::Tensor& x, int64_t i) {
    return static_cast<const char*>(x.const_data_ptr()) + i * static_cast<int64_t>(x.element_size());
  };
  at::Tensor nan = a.is_floating_point() ? at::logical_and(at::isnan(a), at::isnan(b)).flatten() : at::Tensor();
  for (int64_t i = 0; i < a.numel(); ++i) {
    if (memcmp(bytes(a, i), bytes(b, i), a.element_size()) == 0) continue;
    if (nan.defined() && nan[i].item<bool>()) continue;
    return testing::AssertionFailure() << "element " << i << " of " << a.sizes() << ": " << a.flatten()[i].item<double>() << " and "
                                       << b.flatten()[i].item<double>();
  }
  return testing::AssertionSuccess();
}

at::Tensor guarded(const at::Tensor& x, bool at_end) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE)), bytes = x.numel() * x.element_size();
  size_t inside = (bytes + page - 1) / page * page, whole = inside + 2 * page;
  char* memory = static_cast<char*>(mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (inside > 0) mprotect(memory + page, inside, PROT_READ | PROT_WRITE);
  char* start = memory + page + (at_end ? inside - bytes : 0);
  at::Tensor result = at::from_blob(
      start, x.sizes(), [memory, whole](void*) { munmap(memory, whole); }, x.options());
  result.copy_(x);
  return result;
}

testing::AssertionResult same(const kernels::Histogram& a, const kernels::Histogram& b) {
  struct {
    const char* name;
    at::Tensor kernels::Histogram::*field;
  } fields[] = {{"minimum", &kernels::Histogram::minimum},     {"maximum", &kernels::Histogram::maximum},
                {"nonfinite", &kernels::Histogram::nonfinite}, {"exponent", &kernels::Histogram::exponent},
                {"first", &kernels::Histogram::first},         {"counts", &kernels::Histogram::counts}};
  for (auto& [name, field] : fields) {
    testing::AssertionResult result = same(a.*field, b.*field);
    if (!result) return testing::AssertionFailure() << name << ": " << result.message();
  }
  return testing::AssertionSuccess();
}

}  // namespace ppq::test

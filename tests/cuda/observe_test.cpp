#include <limits>

#include "kernels/kernels.h"
#include "tests/cuda/backend.h"
#include "tests/cuda/shim/shim_schedule.h"

namespace ppq::test {
namespace {

using kernels::Histogram;
using kernels::Range;
constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

class ObserveKernel : public KernelTest {
 protected:
  /// Observes the batches one after another, on the backend and on the CPU, and compares the states after each.
  void check(const std::vector<at::Tensor>& batches, int64_t axis, int64_t bins, const std::string& what) {
    for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      int64_t channels = axis < 0 ? 1 : batches[0].size(axis);
      Histogram mine = kernels::make_histogram(channels, bins, backend_->device), cpu = kernels::make_histogram(channels, bins, at::kCPU);
      Range range = kernels::make_range(channels, backend_->device), cpu_range = kernels::make_range(channels, at::kCPU);
      for (const at::Tensor& batch : batches) {
        at::Tensor x = batch.to(type);
        backend_->observe(there(x), axis, mine);
        kernels::observe(x, axis, cpu);
        ASSERT_TRUE(same(mine, cpu)) << what << ", " << type << ", " << x.sizes() << ", axis " << axis << ", " << bins << " bins";
        ASSERT_EQ(cpu.counts.sum().item<int64_t>() + cpu.nonfinite.sum().item<int64_t>(), seen(batches, batch)) << what;
        backend_->observe_range(there(x), axis, range);
        kernels::observe_range(x, axis, cpu_range);
        ASSERT_TRUE(same(range.minimum, cpu_range.minimum)) << what << ", " << type << ", " << x.sizes() << ", axis " << axis;
        ASSERT_TRUE(same(range.maximum, cpu_range.maximum)) << what << ", " << type << ", " << x.sizes() << ", axis " << axis;
        ASSERT_TRUE(same(range.nonfinite, cpu_range.nonfinite)) << what << ", " << type << ", " << x.sizes() << ", axis " << axis;
      }
    }
  }

 private:
  static int64_t seen(const std::vector<at::Tensor>& batches, const at::Tensor& last) {
    int64_t count = 0;
    for (const at::Tensor& batch : batches) {
      count += batch.numel();
      if (batch.is_same(last)) break;
    }
    return count;
  }
};
PPQ_KERNEL_TESTS(ObserveKernel);

TEST_P(ObserveKernel, AnySize) {
  for (int64_t size : {0, 1, 2, 3, 5, 8, 17, 511, 512, 2049, 8191, 8192, 8193, 16385, 40000, 70001}) {
    check({sample({size}, size)}, -1, 2048, "size");
  }
}

TEST_P(ObserveKernel, SeveralBlocks) { check({sample({5, 70001}, 1), sample({3, 90001}, 2)}, -1, 2048, "blocks"); }

TEST_P(ObserveKernel, SpecialValues) {
  check({sample({5000}, 3, 0.1f, true)}, -1, 2048, "special");
  check({at::tensor({kNaN, kInfinity, -kInfinity})}, -1, 64, "nothing finite");
  check({at::tensor({kNaN}), at::tensor({1.0f, kNaN}), at::tensor({-kInfinity, -2.0f})}, -1, 64, "late");
  check({at::tensor({-0.0f, 0.0f}), at::tensor({-0.0f})}, -1, 64, "zeros");
  check({at::full({100}, 1e-45f), at::full({9}, -3e-42f)}, -1, 128, "denormals");
  check({at::tensor({3.4e38f, -3.4e38f, 1e-40f})}, -1, 16, "everything");
}

TEST_P(ObserveKernel, ConstantTensors) {
  for (float value : {0.0f, 1.0f, -3.7f, 1e-30f, 1e30f, 123456.0f})
    check({at::full({3000}, value), at::full({10}, value)}, -1, 2048, "constant");
}

TEST_P(ObserveKernel, GrowthInEveryOrder) {
  std::vector<at::Tensor> parts = {sample({700}, 4) * 0.01, sample({700}, 5) * 5 + 40, sample({700}, 6) * 3000, at::full({3}, -77.0f)};
  std::vector<int> order = {0, 1, 2, 3};
  Histogram first;
  do {
    std::vector<at::Tensor> batches;
    for (int i : order) batches.push_back(parts[i]);
    check(batches, -1, 256, "order");
    // And within one tensor: each block meets the parts in another order.
    check({at::cat({batches[0], batches[1].repeat({14}), batches[2], batches[3], batches[0].repeat({13}), batches[1]})}, -1, 256,
          "one tensor");
    Histogram all = kernels::make_histogram(1, 256, backend_->device);
    for (const at::Tensor& batch : batches) backend_->observe(there(batch), -1, all);
    if (!first.counts.defined()) first = all;
    EXPECT_TRUE(same(all, first)) << "the order of the data shows";
  } while (std::next_permutation(order.begin(), order.end()) && !HasFatalFailure());
}

TEST_P(ObserveKernel, FewAndManyBins) {
  for (int64_t bins : {2, 3, 100, 1000, 4096, 8192})
    check({sample({3000}, 7), sample({3000}, 8) * 20, sample({30}, 9) - 500}, -1, bins, "bins");
}

/// More bins than a block's shared memory holds.
TEST_P(ObserveKernel, MoreBinsThanSharedMemory) {
  for (int64_t bins : {8193, 32768, 65536})
    check({sample({3000}, 7), sample({30001}, 8) * 20, sample({30}, 9) - 500, at::relu(sample({5000}, 3))}, -1, bins, "many bins");
  check({sample({5000}, 3, 0.1f, true), sample({5000}, 4, 0.1f, true)}, -1, 32768, "special");
  check({at::tensor({kNaN}), at::tensor({1.0f, kNaN}), at::tensor({-kInfinity, -2.0f})}, -1, 10000, "late");
  check({at::full({100}, 1e-41f), at::full({7}, 3e38f)}, -1, 32768, "far growth");
  const at::Tensor x = sample({3, 5, 7, 6}, 1);
  for (int64_t axis : {0, 1, 3}) check({x, x * 3 - 1}, axis, 9000, "channels");
  check({x.contiguous(at::MemoryFormat::ChannelsLast)}, 1, 9000, "channels-last");
  check({sample({1001}, 2).slice(0, 1)}, -1, 9000, "misaligned");
}

TEST_P(ObserveKernel, EveryAxisAndLayout) {
  for (at::IntArrayRef sizes :
       std::vector<std::vector<int64_t>>{{3, 5, 7, 11}, {2, 8, 4, 4}, {1, 1, 3, 1}, {7, 16, 1, 1}, {2, 37, 3, 3}, {4, 3, 33, 33}}) {
    at::Tensor x = sample(sizes, 10, 0.1f, true), more = sample(sizes, 11) * 3;
    for (int64_t axis = -1; axis < 4; ++axis) {
      check({x, more}, axis, 512, "contiguous");
      check({x.contiguous(at::MemoryFormat::ChannelsLast), more.contiguous(at::MemoryFormat::ChannelsLast)}, axis, 512, "channels-last");
      check({x.permute({2, 0, 3, 1}).contiguous().permute({1, 3, 0, 2})}, axis, 512, "permuted");
      check({x.slice(3, 0, 1)}, axis, 64, "slice");
    }
  }
}

TEST_P(ObserveKernel, LongAndShortChannels) {
  check({sample({2, 3, 20000}, 12), sample({2, 3, 20000}, 13)}, 1, 2048, "long");
  check({sample({3000, 24}, 14), sample({3000, 24}, 15)}, 1, 2048, "short, aligned");
  check({sample({3000, 5}, 16), sample({3000, 5}, 17)}, 1, 2048, "short, ragged");
  check({sample({900, 7, 3}, 18)}, 1, 1024, "short runs");
}

/// What only a tile beyond the first shows: growth, values that are not finite, ranges that one rounding cannot count, in tensors
/// of several tiles a block.
TEST_P(ObserveKernel, ManyTilesABlock) {
  const int64_t tiles = 300000;
  at::Tensor plain = sample({tiles}, 30), late = plain.clone(), odd = plain.clone();
  for (int64_t at : {150001, 210000, 299999}) late[at] = 900.0f * static_cast<float>(at) / 1e5f;
  odd.slice(0, 130000, 130003) = kNaN;
  odd[200001] = -kInfinity;
  check({plain, plain * 0.5 + 0.1}, -1, 2048, "the window of earlier batches");
  check({late, plain}, -1, 2048, "late growth");
  check({odd, odd.clone()}, -1, 2048, "not finite");
  check({at::relu(late)}, -1, 2048, "zeros");
  check({at::cat({at::zeros({100000}), plain, at::zeros({100000})})}, -1, 700, "zeros first");
  check({plain * 1e-38, plain * 1e-42, plain}, -1, 2048, "below the floats' exponents, then not");
  check({plain * 3e37, late * 1e35}, -1, 3, "wide bins");
  check({at::full({tiles}, -1.9999999f), at::full({20000}, 1.9999999f)}, -1, 2048, "a window that starts at an odd number");
  check({at::full({tiles}, -1.9999999f)}, -1, 2, "no room to move it");
  check({at::arange(tiles).to(at::kFloat) / 128 - 1000}, -1, 2048, "edges of bins");
  check({at::cat({at::full({100000}, 2047.0f), at::full({100000}, -1e-40f), at::full({100000}, -0.0f)})}, -1, 2049, "just below zero");
}

/// Many channels with one element a row each: whole and partial groups of 32, several tiles a block, few strays and floods of them.
TEST_P(ObserveKernel, ChannelsLast) {
  for (int64_t channels : {17, 34}) {
    at::Tensor x = sample({3001, channels}, channels);
    at::Tensor wider = x * at::linspace(0.1, 8, 3001).unsqueeze(1) - at::linspace(0, 90, channels);
    at::Tensor strays = x.clone();
    strays.slice(0, 1500, 3001, 97) *= 40;
    strays[2500][3] = kNaN;
    strays[3000][channels - 1] = -kInfinity;
    strays.select(1, 5).fill_(-1.9999999f);
    strays.select(1, 6).zero_();
    check({wider, strays}, 1, 700, "growth");
    check({strays, x, wider * -3}, 1, 2048, "strays");
    check({x.slice(0, 0, 64), x.slice(0, 0, 512), x.slice(0, 0, 513)}, 1, 2047, "few rows");
    check({wider * 1e-39, x}, 1, 100, "denormals");
  }
  check({sample({3, 32, 21, 40}, 40).contiguous(at::MemoryFormat::ChannelsLast)}, 1, 2048, "images");
  at::Tensor base = there(sample({64 * 100 + 1}, 41).to(at::kHalf));
  Histogram mine = kernels::make_histogram(64, 512, backend_->device), cpu = kernels::make_histogram(64, 512, at::kCPU);
  at::Tensor x = base.slice(0, 1).view({100, 64});
  backend_->observe(x, 1, mine);
  kernels::observe(x.cpu(), 1, cpu);
  EXPECT_TRUE(same(mine, cpu)) << "halves that are not aligned to words";
}

TEST_P(ObserveKernel, RowsOfEveryShape) {
  for (int64_t inner : {3136, 3137, 260, 196, 132, 129, 64}) {
    at::Tensor x = sample({120000 / (3 * inner) + 1, 3, inner}, inner);
    x[0][1][inner / 2] = kNaN;
    x[x.size(0) - 1][2][inner - 1] = 77.0f;
    check({x, x * 2 - 1}, 1, 512, "rows of " + std::to_string(inner));
  }
  for (int64_t shift : {1, 2, 4}) {
    at::Tensor x = there(sample({120000 + shift}, 31)).slice(0, shift).view({10, 3, 4000});
    for (at::ScalarType type : {at::kFloat, at::kHalf}) {
      at::Tensor typed = there(at::zeros({120000 + shift}, type)).slice(0, shift).view({10, 3, 4000}).copy_(x);
      for (int64_t axis : {-1, 0, 1}) {
        int64_t channels = axis < 0 ? 1 : typed.size(axis);
        Histogram mine = kernels::make_histogram(channels, 512, backend_->device), cpu = kernels::make_histogram(channels, 512, at::kCPU);
        backend_->observe(typed, axis, mine);
        kernels::observe(typed.cpu(), axis, cpu);
        EXPECT_TRUE(same(mine, cpu)) << shift << ", axis " << axis;
      }
    }
  }
}

TEST_P(ObserveKernel, MisalignedPointers) {
  at::Tensor base = there(sample({20000}, 19));
  for (int64_t shift = 0; shift < 5; ++shift) {
    Histogram mine = kernels::make_histogram(3, 512, backend_->device), cpu = kernels::make_histogram(3, 512, at::kCPU);
    Range range = kernels::make_range(3, backend_->device), cpu_range = kernels::make_range(3, at::kCPU);
    at::Tensor x = base.slice(0, shift, shift + 3 * 6001).view({3, 6001});
    backend_->observe(x, 0, mine);
    kernels::observe(x.cpu(), 0, cpu);
    EXPECT_TRUE(same(mine, cpu)) << shift;
    backend_->observe_range(x, 0, range);
    kernels::observe_range(x.cpu(), 0, cpu_range);
    EXPECT_TRUE(same(range.minimum, cpu_range.minimum)) << shift;
    EXPECT_TRUE(same(range.maximum, cpu_range.maximum)) << shift;
  }
}

TEST_P(ObserveKernel, StaysInsideItsMemory) {
  if (GetParam() != "shim") GTEST_SKIP() << "on a device compute-sanitizer looks after this";
  for (int64_t axis : {-1, 0, 1}) {
    for (bool at_end : {true, false}) {
      for (int64_t columns : {1, 4, 5, 333}) {
        at::Tensor x = guarded(sample({40, columns}, 20), at_end);
        check({x}, axis, 64, "guarded");
      }
    }
  }
}

TEST_P(ObserveKernel, ManyTensorsAtOnce) {
  std::vector<at::Tensor> tensors;
  std::vector<int64_t> axes;
  std::vector<Histogram> mine, cpu;
  for (int i = 0; i < 40; ++i) {
    at::ScalarType type = i % 7 == 3 ? at::kHalf : i % 5 == 2 ? at::kBFloat16 : at::kFloat;
    tensors.push_back((sample({1 + i % 3, 1 + i * 5 % 9, i % 13, 6}, 100 + i) * (i + 1)).to(type));
    if (i % 4 == 1) tensors.back() = tensors.back().contiguous(at::MemoryFormat::ChannelsLast);
    axes.push_back(i % 3 == 0 ? 1 : i % 3 == 1 ? -1 : 3);
    int64_t channels = axes[i] < 0 ? 1 : tensors[i].size(axes[i]), bins = i % 11 == 0 ? 128 : 512;
    mine.push_back(kernels::make_histogram(channels, bins, backend_->device));
    cpu.push_back(kernels::make_histogram(channels, bins, at::kCPU));
  }
  for (int round = 0; round < 2; ++round) {
    std::vector<ObservationOf> list;
    for (int i = 0; i < 40; ++i) list.push_back({there(tensors[i]), axes[i], &mine[i]});
    list.push_back({there(tensors[39]) * 2, axes[39], &mine[39]});  // the same histogram twice in one call
    backend_->observe_many(list);
    for (int i = 0; i < 40; ++i) kernels::observe(tensors[i], axes[i], cpu[i]);
    kernels::observe(tensors[39] * 2, axes[39], cpu[39]);
    for (int i = 0; i < 40; ++i) EXPECT_TRUE(same(mine[i], cpu[i])) << "tensor " << i << " of " << tensors[i].sizes();
  }
}

TEST_P(ObserveKernel, WideAndNarrowTensorsAtOnce) {
  std::vector<Histogram> mine, cpu;
  std::vector<at::Tensor> tensors;
  for (int i = 0; i < 6; ++i) {
    const int64_t bins = i % 2 ? 20000 : 512;
    tensors.push_back(sample({1000 + i}, i));
    mine.push_back(kernels::make_histogram(1, bins, backend_->device)), cpu.push_back(kernels::make_histogram(1, bins, at::kCPU));
  }
  std::vector<ObservationOf> list;
  for (int i = 0; i < 6; ++i) {
    list.push_back({there(tensors[i]), -1, &mine[i]});
    kernels::observe(tensors[i], -1, cpu[i]);
  }
  backend_->observe_many(list);
  for (int i = 0; i < 6; ++i) EXPECT_TRUE(same(mine[i], cpu[i])) << i;
}

TEST_P(ObserveKernel, Merge) {
  std::vector<at::Tensor> parts = {sample({3, 700}, 21) * 0.01, sample({3, 700}, 22) * 900 - 4000, at::full({3, 2}, kNaN),
                                   sample({3, 0}, 23), sample({3, 40}, 24)};
  Histogram all = kernels::make_histogram(3, 300, at::kCPU);
  for (const at::Tensor& part : parts) kernels::observe(part, 0, all);
  for (size_t first = 0; first < parts.size(); ++first) {
    Histogram into = kernels::make_histogram(3, 300, backend_->device);
    for (size_t i = 0; i < parts.size(); ++i) {
      Histogram one = kernels::make_histogram(3, 300, backend_->device);
      backend_->observe(there(parts[(first + i) % parts.size()]), 0, one);
      backend_->merge(into, one);
    }
    EXPECT_TRUE(same(into, all)) << "starting with part " << first;
  }
  Histogram twice = kernels::make_histogram(3, 300, backend_->device);
  backend_->merge(twice, all);
  backend_->merge(twice, twice);
  Histogram expected = kernels::make_histogram(3, 300, at::kCPU);
  kernels::merge(expected, all);
  kernels::merge(expected, all);
  EXPECT_TRUE(same(twice, expected)) << "merged into itself";
}

TEST_P(ObserveKernel, NoScheduleShows) {
  if (GetParam() != "shim") GTEST_SKIP() << "schedules of threads can be chosen in the shim only";
  at::Tensor x = at::cat({sample({9000}, 25) * 0.01, sample({9000}, 26) * 100, sample({21000}, 27)}).to(at::kHalf);
  at::Tensor columns = sample({1500, 12}, 28, 0.1f, true);
  for (unsigned seed = 1; seed <= 6; ++seed) {
    shim::set_schedule(seed);
    check({x}, -1, 256, "schedule " + std::to_string(seed));
    check({columns, columns * 30}, 1, 256, "schedule " + std::to_string(seed));
  }
}

}  // namespace
}  // namespace ppq::test

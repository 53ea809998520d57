#include "executor/host_waits.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <thread>

namespace ppq {
namespace {

TEST(HostWaits, NotesWhatNeedsTheHost) {
  const at::Tensor x = at::ones({3});
  const std::vector<std::pair<const char*, std::function<void()>>> cases = {
      {"aten::_local_scalar_dense", [&] { x.sum().item<float>(); }},
      {"aten::nonzero", [&] { at::nonzero(x); }},
      {"aten::masked_select", [&] { at::masked_select(x, x > 0); }},
      {"aten::is_nonzero", [&] { at::is_nonzero(x[0]); }},
      {"aten::equal", [&] { at::equal(x, x); }},
      {"aten::_unique2", [&] { at::_unique2(x); }},
      {"aten::normal_", [&] { at::randn({2}); }},
      {"aten::bernoulli_", [&] { at::dropout(x, 0.5, true); }},
  };
  for (const auto& [name, work] : cases) {
    const HostWaits waits(at::kCPU);
    EXPECT_EQ(waits.count(), 0u);
    work();
    EXPECT_GE(waits.count(), 1u) << name;
    EXPECT_EQ(waits.first(), name);
  }
}

TEST(HostWaits, IndexingByAMaskIsNoted) {
  const at::Tensor x = at::ones({3});
  const HostWaits waits(at::kCPU);
  x.index({x > 0});
  EXPECT_EQ(waits.first(), "aten::nonzero");
}

TEST(HostWaits, CopiesBetweenDevicesAreNotedAndOthersAreNot) {
  const at::Tensor x = at::ones({3}), meta = at::empty({3}, at::TensorOptions().device(at::kMeta));
  const HostWaits waits(at::kCPU);
  at::empty({3}).copy_(x);
  x.to(at::kHalf);
  x.clone();
  at::relu(x).add_(x).mul(2);
  at::conv2d(at::ones({1, 1, 3, 3}), at::ones({1, 1, 2, 2}));
  EXPECT_EQ(waits.count(), 0u) << waits.first();
  const HostWaits elsewhere(at::Device(at::kCUDA, 0));
  meta.copy_(x);
  x.sum().item<float>();
  EXPECT_EQ(elsewhere.count(), 0u) << "nobody waits for that device";
  EXPECT_EQ(waits.count(), 2u);
  EXPECT_EQ(waits.first(), "aten::copy_");
}

TEST(HostWaits, AreThoseOfThisThreadWhileItLives) {
  const at::Tensor x = at::ones({1});
  {
    const HostWaits waits(at::kCPU);
    std::thread([&] { x.item<float>(); }).join();
    EXPECT_EQ(waits.count(), 0u);
  }
  x.item<float>();
  const HostWaits later(at::kCPU);
  EXPECT_EQ(later.count(), 0u);
}

TEST(HostWaits, OneInsideAnotherLeavesItItsOwn) {
  const at::Tensor x = at::ones({1});
  const HostWaits outer(at::kCPU);
  x.item<float>();
  {
    const HostWaits inner(at::kCPU);
    x.item<float>();
    EXPECT_EQ(inner.count(), 1u);
  }
  x.item<float>();
  EXPECT_EQ(outer.count(), 3u);
}

}  // namespace
}  // namespace ppq

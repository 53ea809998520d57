#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/executor.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::thrown;
using testing::HasSubstr;

bool have_cuda() { return at::hasCUDA() && at::detail::getCUDAHooks().deviceCount() > 0; }

TEST(ResolveDevice, CpuInAnyCase) {
  EXPECT_EQ(resolve_device("cpu"), at::Device(at::kCPU));
  EXPECT_EQ(resolve_device("CPU"), at::Device(at::kCPU));
}

TEST(ResolveDevice, AutoTakesWhatWorks) {
  EXPECT_EQ(resolve_device("auto").is_cuda(), have_cuda());
}

TEST(ResolveDevice, UnknownWordsAreUsageErrors) {
  for (const char* name : {"gpu", "", "cuda:", "cuda:x", "cuda:-1", "cuda:99999999999", "cuda0", "cpu:0"}) {
    const Error error = thrown([&] { resolve_device(name); });
    EXPECT_EQ(error.kind(), ErrorKind::Usage) << name;
    EXPECT_THAT(error.what(), HasSubstr("'" + std::string(name) + "'"));
  }
}

TEST(ResolveDevice, CudaThatCannotWorkIsAnErrorAndNoSwitch) {
  if (have_cuda()) {
    EXPECT_EQ(resolve_device("cuda"), at::Device(at::kCUDA, 0));
    EXPECT_EQ(thrown([] { resolve_device("cuda:99"); }).kind(), ErrorKind::Unsupported);
    return;
  }
  for (const char* name : {"cuda", "CUDA", "cuda:0", "cuda:3"}) {
    const Error error = thrown([&] { resolve_device(name); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported) << name;
    EXPECT_THAT(error.what(), HasSubstr("cuda cannot be used: "));
    EXPECT_THAT(error.hint(), HasSubstr("--device cpu"));
  }
}

}  // namespace
}  // namespace ppq

#include <ATen/ATen.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/program.h"
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

TEST(ResolveDevice, AutoTakesWhatWorks) { EXPECT_EQ(resolve_device("auto").is_cuda(), have_cuda()); }

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
    EXPECT_THAT(error.hint(), HasSubstr("use device cpu"));
  }
}

TEST(ResolveDevices, AListIsOfCudaNumbersEachOnce) {
  EXPECT_EQ(resolve_devices("cpu"), std::vector<at::Device>{at::kCPU});
  EXPECT_EQ(resolve_devices("auto"), std::vector<at::Device>{resolve_device("auto")});
  for (const char* name : {"cuda:0,", "cuda:,1", "cuda:0,,1", "cuda:0,x", "cpu,cuda", "cuda:0,cuda:1", "cuda:1,0,1", "cuda:0,1000"}) {
    const Error error = thrown([&] { resolve_devices(name); });
    EXPECT_EQ(error.kind(), ErrorKind::Usage) << name;
    EXPECT_THAT(error.what(), HasSubstr("'" + std::string(name) + "'"));
  }
  if (!have_cuda())
    EXPECT_EQ(thrown([] { resolve_devices("cuda:0,1"); }).kind(), ErrorKind::Unsupported);
  else
    EXPECT_EQ(thrown([] { resolve_devices("cuda:0,99"); }).kind(), ErrorKind::Unsupported);
}

TEST(ResolveDevice, WantsOneDevice) {
  const Error error = thrown([] { resolve_device("cuda:0,1"); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_THAT(error.what(), HasSubstr("expected one"));
}

TEST(PrepareDevice, CudaComputesFloat32UnlessTf32IsAllowed) {
  auto& context = at::globalContext();
  context.setBenchmarkCuDNN(true);
  prepare_device(at::kCPU);
  EXPECT_TRUE(context.benchmarkCuDNN());
  prepare_device(at::Device(at::kCUDA, 0));
  EXPECT_FALSE(context.benchmarkCuDNN()) << "which algorithm is quickest changes from run to run, and the last bits with it";
  EXPECT_FALSE(context.allowTF32CuDNN());
  EXPECT_FALSE(context.allowTF32CuBLAS());
  EXPECT_FALSE(prefers_channels_last(at::Device(at::kCUDA, 0)));
  EXPECT_TRUE(prefers_channels_last(at::kCPU));
  allow_tf32(true);
  EXPECT_TRUE(prefers_channels_last(at::Device(at::kCUDA, 0)));
  prepare_device(at::Device(at::kCUDA, 0));
  EXPECT_TRUE(context.allowTF32CuDNN());
  EXPECT_TRUE(context.allowTF32CuBLAS());
  allow_tf32(false);
  EXPECT_FALSE(context.allowTF32CuDNN());
  EXPECT_FALSE(context.allowTF32CuBLAS());
}

}  // namespace
}  // namespace ppq

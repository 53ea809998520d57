#include "ppq/error.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <new>
#include <nlohmann/json.hpp>
#include <system_error>

#include "support/thrown.h"

namespace ppq {
namespace {

using test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(Error, TextHasTheOneForm) {
  const Error full(ErrorKind::Data, "a.npy", "wrong shape: got [1], expected [2]", "give another file");
  EXPECT_STREQ(full.what(), "[a.npy] wrong shape: got [1], expected [2]. Hint: give another file");
  EXPECT_EQ(full.kind(), ErrorKind::Data);
  EXPECT_EQ(full.where(), "a.npy");
  EXPECT_EQ(full.problem(), "wrong shape: got [1], expected [2]");
  EXPECT_EQ(full.hint(), "give another file");
  EXPECT_STREQ(Error(ErrorKind::Data, "", "nothing").what(), "nothing");
  EXPECT_STREQ(Error(ErrorKind::Data, "x", "nothing").what(), "[x] nothing");
  EXPECT_STREQ(Error(ErrorKind::Data, "x", "is it there?", "look").what(), "[x] is it there? Hint: look");
  EXPECT_STREQ(Error(ErrorKind::Data, "x", "it is not.", "look").what(), "[x] it is not. Hint: look");
}

TEST(Error, ExitCodesAreTheContract) {
  EXPECT_EQ(exit_code(ErrorKind::Usage), 2);
  EXPECT_EQ(exit_code(ErrorKind::Model), 3);
  EXPECT_EQ(exit_code(ErrorKind::Unsupported), 4);
  EXPECT_EQ(exit_code(ErrorKind::Data), 5);
  EXPECT_EQ(exit_code(ErrorKind::Resource), 6);
  EXPECT_EQ(exit_code(ErrorKind::Internal), 70);
}

TEST(Error, ContextNestsFromTheOutside) {
  const Error inner(ErrorKind::Model, "node conv", "no weight", "add one");
  const Error outer = inner.with_context("pass fuse").with_context("model m");
  EXPECT_EQ(outer.where(), "model m: pass fuse: node conv");
  EXPECT_EQ(outer.problem(), inner.problem());
  EXPECT_EQ(outer.hint(), inner.hint());
  EXPECT_EQ(outer.kind(), ErrorKind::Model);
  EXPECT_EQ(Error(ErrorKind::Model, "", "p").with_context("a").where(), "a");
  EXPECT_EQ(Error(ErrorKind::Model, "conv (Conv)", "p").with_context("node conv (Conv)").where(), "node conv (Conv)") << "said once";
}

TEST(ErrorContext, ReturnsWhatTheBodyReturns) {
  EXPECT_EQ(with_error_context(ErrorKind::Data, "x", [] { return 3; }), 3);
}

TEST(ErrorContext, TranslatesForeignErrors) {
  auto translated = [](auto body) { return thrown([&] { with_error_context(ErrorKind::Data, "here", body); }); };
  const Error own = translated([] { throw Error(ErrorKind::Usage, "inner", "bad"); });
  EXPECT_EQ(own.kind(), ErrorKind::Usage) << "a kind that is known stays";
  EXPECT_EQ(own.where(), "here: inner");

  const Error torch = translated([] { at::zeros({2, 3}).mm(at::zeros({2, 3})); });
  EXPECT_EQ(torch.kind(), ErrorKind::Data);
  EXPECT_EQ(torch.where(), "here");
  EXPECT_THAT(torch.what(), testing::Not(HasSubstr("\n"))) << "no stack trace";
  EXPECT_THAT(torch.what(), testing::Not(HasSubstr("Exception raised from")));
  EXPECT_THAT(torch.what(), HasSubstr("2x3"));

  EXPECT_EQ(translated([] { const auto json = nlohmann::json::parse("{"); }).kind(), ErrorKind::Data);
  EXPECT_THAT(translated([] { throw std::system_error(std::make_error_code(std::errc::permission_denied)); }).what(),
              HasSubstr("ermission"));
  EXPECT_EQ(translated([] { throw std::out_of_range("line one\nline two"); }).problem(), "line one");
  const Error memory = translated([] { throw std::bad_alloc(); });
  EXPECT_EQ(memory.kind(), ErrorKind::Resource);
  EXPECT_THAT(memory.what(), HasSubstr("out of memory"));
  EXPECT_EQ(translated([] { throw std::runtime_error("[enforce fail] DefaultCPUAllocator: can't allocate memory"); }).kind(),
            ErrorKind::Data);
  EXPECT_EQ(translated([] { TORCH_CHECK(false, "CUDA out of memory. Tried"); }).kind(), ErrorKind::Resource);
}

TEST(ErrorContext, MemoryThatALibraryOfTheDeviceLacksIsAResourceError) {
  auto kind = [](const char* text) {
    return thrown([&] { with_error_context(ErrorKind::Model, "here", [&] { TORCH_CHECK(false, text); }); }).kind();
  };
  EXPECT_EQ(kind("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), ErrorKind::Resource);
  EXPECT_EQ(kind("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), ErrorKind::Resource);
  EXPECT_EQ(kind("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), ErrorKind::Resource);
  EXPECT_EQ(kind("GET was unable to find an engine to execute this computation"), ErrorKind::Resource);
  EXPECT_EQ(kind("CUDA error: an illegal memory access was encountered"), ErrorKind::Model);
  EXPECT_EQ(kind("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"), ErrorKind::Model);
}

TEST(ErrorContext, AllocationsThatAreTooLargeAreResources) {
  const Error error = thrown([] { with_error_context(ErrorKind::Model, "x", [] { at::empty({int64_t{1} << 45}).fill_(1); }); });
  EXPECT_EQ(error.kind(), ErrorKind::Resource) << error.what();
  EXPECT_THAT(error.hint(), HasSubstr("memory for activations"));
}

TEST(NearestNames, BestFirstIgnoringCase) {
  const std::vector<std::string> names = {"percentile", "minmax", "mse", "kl", "isotone"};
  EXPECT_THAT(nearest_names("minmx", names), ElementsAre("minmax"));
  EXPECT_THAT(nearest_names("MINMAX", names), ElementsAre("minmax"));
  EXPECT_THAT(nearest_names("cent", names), testing::Contains("percentile")) << "a part of the name";
  EXPECT_THAT(nearest_names("zzzzzzzzzz", names), ElementsAre());
  EXPECT_THAT(nearest_names("abcd", {"abcx", "abcd", "abxy", "abce"}, 2), ElementsAre("abcd", "abcx"));
  EXPECT_THAT(nearest_names("a-b", {"a_b"}), ElementsAre("a_b"));
  EXPECT_THAT(nearest_names("x", {}), ElementsAre());
}

TEST(DidYouMean, ListsAllWhereNothingIsNear) {
  EXPECT_EQ(did_you_mean("minmx", {"minmax", "percentile"}), "did you mean minmax?");
  EXPECT_EQ(did_you_mean("zzzzzzzz", {"minmax", "percentile"}), "choose from: minmax, percentile");
  EXPECT_THAT(did_you_mean("zzzzzzzz", std::vector<std::string>(100, "minmax")), HasSubstr("…"));
}

TEST(DidYouMean, EndlessNamesAnswerQuickly) {
  const std::vector<std::string> names(5000, std::string(5000, 'a'));
  EXPECT_FALSE(did_you_mean(std::string(100000, 'b'), names).empty());
}

}  // namespace
}  // namespace ppq

#include "executor/repeated_work.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ppq/error.h"
#include "ppq/onnx.h"
#include "support/recorder.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::Recorder;
using test::thrown;
using testing::HasSubstr;

/// Sums up what it is shown, in place, and notes where the inputs lay.
struct Summing {
  explicit Summing(RepeatedWork::Capture capture)
      : work(
            [this](const Tensors& inputs) {
              total.add_(inputs[0].sum());
              places.push_back(inputs[0].const_data_ptr());
            },
            std::move(capture)) {}
  void run(double value, int64_t rows = 2) { work.run({at::full({rows, 3}, value)}); }
  double sum() const { return total.item<double>(); }
  at::Tensor total = at::zeros({}, at::kDouble);
  std::vector<const void*> places;
  RepeatedWork work;
};

TEST(RepeatedWork, IsRecordedAfterTwoRunsAndThenReplayedWithEachRunsInputs) {
  Recorder recorder;
  Summing s(recorder.capture());
  double expected = 0;
  for (int run = 1; run <= 6; ++run) {
    s.run(run);
    EXPECT_DOUBLE_EQ(s.sum(), expected += 6.0 * run) << run;
    EXPECT_EQ(recorder.recorded, run > 2) << run;
    EXPECT_EQ(s.work.replays(), static_cast<size_t>(std::max(0, run - 2)));
  }
  EXPECT_EQ(s.places[2], s.places[5]) << "a graph reads from one place";
  EXPECT_EQ(s.work.obstacle(), "");
}

TEST(RepeatedWork, WithoutGraphsEveryRunIsPlain) {
  Summing s(nullptr);
  for (int run = 1; run <= 5; ++run) s.run(1);
  EXPECT_DOUBLE_EQ(s.sum(), 30);
  EXPECT_EQ(s.work.replays(), 0u);
}

TEST(RepeatedWork, ARaggedBatchRunsPlainlyAndTheGraphStays) {
  Recorder recorder;
  Summing s(recorder.capture());
  for (int run = 0; run < 4; ++run) s.run(1);
  s.run(1, 1);
  EXPECT_DOUBLE_EQ(s.sum(), 4 * 6 + 3);
  EXPECT_EQ(s.work.replays(), 2u);
  s.run(1);
  EXPECT_EQ(s.work.replays(), 3u);
  EXPECT_EQ(recorder.recorded, 1);
  EXPECT_DOUBLE_EQ(s.sum(), 5 * 6 + 3);
}

TEST(RepeatedWork, BatchesThatBecomeSmallerAreRecordedAnew) {
  Recorder recorder;
  Summing s(recorder.capture());
  for (int run = 0; run < 4; ++run) s.run(1);
  for (int run = 0; run < 5; ++run) s.run(1, 1);
  EXPECT_DOUBLE_EQ(s.sum(), 4 * 6 + 5 * 3);
  EXPECT_EQ(recorder.recorded, 2);
  EXPECT_EQ(s.work.replays(), 2u + 2u);
}

TEST(RepeatedWork, ElementTypesAndStridesAreShapesToo) {
  Recorder recorder;
  Summing s(recorder.capture());
  for (int run = 0; run < 3; ++run) s.run(1);
  s.work.run({at::ones({2, 3}, at::kDouble)});
  s.work.run({at::ones({3, 2}).t()});
  EXPECT_EQ(s.work.replays(), 1u);
  EXPECT_DOUBLE_EQ(s.sum(), 5 * 6);
}

TEST(RepeatedWork, WhatWaitsForTheDeviceIsNotRecorded) {
  Recorder recorder;
  double total = 0;
  RepeatedWork work([&](const Tensors& inputs) { total += inputs[0].sum().item<double>(); }, recorder.capture());
  for (int run = 0; run < 5; ++run) work.run({at::ones({4})});
  EXPECT_EQ(total, 20);
  EXPECT_EQ(recorder.recorded, 0);
  EXPECT_THAT(work.obstacle(), HasSubstr("_local_scalar_dense"));
}

TEST(RepeatedWork, WhatWaitsOnlyTheFirstTimeIsRecorded) {
  Recorder recorder;
  at::Tensor total;
  RepeatedWork work(
      [&](const Tensors& inputs) {
        if (!total.defined())
          total = at::full({}, inputs[0].sum().item<double>(), at::kDouble);
        else
          total.add_(inputs[0].sum());
      },
      recorder.capture());
  for (int run = 0; run < 5; ++run) work.run({at::ones({4})});
  EXPECT_EQ(total.item<double>(), 20);
  EXPECT_EQ(work.replays(), 3u);
}

TEST(RepeatedWork, ARefusedRecordingLeavesPlainRunsAndSaysWhy) {
  Recorder recorder;
  recorder.refuse = ErrorKind::Unsupported;
  Summing s(recorder.capture());
  for (int run = 0; run < 6; ++run) s.run(1);
  EXPECT_DOUBLE_EQ(s.sum(), 36);
  EXPECT_EQ(recorder.recorded, 1) << "it is not tried again";
  EXPECT_EQ(s.work.obstacle(), "operation not permitted");
  recorder.refuse = ErrorKind::Internal;
  Summing broken(recorder.capture());
  broken.run(1), broken.run(1);
  EXPECT_EQ(thrown([&] { broken.run(1); }).kind(), ErrorKind::Internal);
}

TEST(RepeatedWork, WhatIsSoonDoneIsNotRecorded) {
  for (const int runs : {9, 10}) {
    Recorder recorder;
    Summing s(recorder.capture());
    s.work.expect(static_cast<size_t>(runs));
    for (int run = 0; run < runs; ++run) s.run(1);
    EXPECT_DOUBLE_EQ(s.sum(), 6.0 * runs);
    EXPECT_EQ(recorder.recorded, runs == 10) << "two plain runs, and eight more";
    EXPECT_EQ(s.work.replays(), runs == 10 ? 8u : 0u);
    EXPECT_EQ(s.work.obstacle(), runs == 10 ? "" : "too few batches to come");
  }
}

TEST(RepeatedWork, ErrorsOfTheWorkComeThrough) {
  Recorder recorder;
  int runs = 0;
  RepeatedWork work(
      [&](const Tensors&) {
        if (++runs == 2) throw Error(ErrorKind::Resource, "here", "out of memory");
      },
      recorder.capture());
  work.run({at::ones({1})});
  EXPECT_EQ(thrown([&] { work.run({at::ones({1})}); }).kind(), ErrorKind::Resource);
  work.run({at::ones({1})});
  EXPECT_EQ(recorder.recorded, 0) << "two whole runs come first";
  work.run({at::ones({1})});
  EXPECT_EQ(recorder.recorded, 1);
}

TEST(RepeatedWork, OnlyCudaHasGraphs) {
  EXPECT_FALSE(capture_on(at::kCPU));
  EXPECT_TRUE(capture_on(at::Device(at::kCUDA, 0)));
  EXPECT_EQ(thrown([] { kernels::capture(at::kCPU, [] {}); }).kind(), ErrorKind::Unsupported);
}

/// y = x + 1: outputs of earlier runs stay what they were.
TEST(RepeatedProgram, GivesOutputsThatAreKept) {
  auto graph =
      read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[N] x) => (float[N] y) <float one = {1}> { y = Add(x, one) }");
  for (const bool graphs : {false, true}) {
    Recorder recorder;
    RepeatedProgram program(lower(*graph, {}), graphs ? recorder.capture() : nullptr);
    std::vector<at::Tensor> outputs;
    for (int run = 0; run < 5; ++run) outputs.push_back(program.run({at::full({3}, static_cast<float>(run))})[0]);
    for (int run = 0; run < 5; ++run) EXPECT_TRUE(at::equal(outputs[run], at::full({3}, run + 1.0f))) << run;
    EXPECT_EQ(recorder.recorded, graphs);
  }
}

/// On a device the host's part of the work runs once, while it is recorded; a replay writes to the tensors of that time. Here it
/// does nothing at all, so inputs that are recorded stay the same, and what runs plainly between must not take their place.
TEST(RepeatedProgram, OutputsOfAGraphOutliveAPlainRunBetweenReplays) {
  struct Still final : kernels::CapturedWork {
    void replay() override {}
  };
  auto graph =
      read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[N] x) => (float[N] y) <float one = {1}> { y = Add(x, one) }");
  RepeatedProgram program(lower(*graph, {}), [](const std::function<void()>& work) {
    work();
    return std::make_unique<Still>();
  });
  const at::Tensor whole = at::full({3}, 4.0f), ragged = at::full({2}, 7.0f);
  for (const at::Tensor& x : {whole, whole, whole, whole, ragged, whole, ragged, whole}) {
    const Tensors y = program.run({x});
    ASSERT_EQ(y.size(), 1u);
    EXPECT_TRUE(at::equal(y[0], x + 1));
  }
}

}  // namespace
}  // namespace ppq

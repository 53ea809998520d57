#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "executor/program.h"
#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/op_run.h"
#include "support/thrown.h"

namespace ppq {
namespace {

using test::floats;
using test::thrown;
using testing::HasSubstr;

std::unique_ptr<Graph> model() {
  return read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]>
    g (float[1,3] x, int64[N] i) => (float[1,3] y) { a = Relu(x) y = Neg(a) c = Abs(i) })");
}

class Inputs : public testing::Test {
 protected:
  std::unique_ptr<Graph> graph_ = model();
  std::shared_ptr<const Program> program_ = lower(*graph_, test::on_test_device());
  at::Tensor x_ = at::ones({1, 3}), i_ = at::zeros({2}, at::kLong);
  Error error(const Tensors& inputs) {
    const Error e = thrown([&] { test::run_on_test_device(*program_, inputs); });
    EXPECT_EQ(e.kind(), ErrorKind::Data) << e.what();
    return e;
  }
};

TEST_F(Inputs, AreCounted) {
  EXPECT_THAT(error({x_}).what(), HasSubstr("got 1, expected 2"));
  EXPECT_THAT(error({x_, i_, i_}).what(), HasSubstr("got 3, expected 2"));
  EXPECT_THAT(error({}).what(), HasSubstr("got 0, expected 2"));
}

TEST_F(Inputs, HaveTheModelsDtype) {
  EXPECT_STREQ(error({x_.to(at::kDouble), i_}).what(), "[input x] wrong element type: got float64, expected float32");
  EXPECT_STREQ(error({x_, i_.to(at::kInt)}).what(), "[input i] wrong element type: got int32, expected int64");
  EXPECT_THAT(error({at::Tensor(), i_}).what(), HasSubstr("[input x] no tensor"));
}

TEST_F(Inputs, HaveTheModelsShape) {
  EXPECT_STREQ(error({at::ones({1, 4}), i_}).what(), "[input x] wrong shape: got [1, 4], expected [1, 3]");
  EXPECT_STREQ(error({at::ones({3}), i_}).what(), "[input x] wrong shape: got [3], expected [1, 3]");
  EXPECT_STREQ(error({x_, at::zeros({1, 1}, at::kLong)}).what(), "[input i] wrong shape: got [1, 1], expected [N]");
}

TEST_F(Inputs, MayHaveAnotherBatchThanTheModel) {
  const at::Tensor batch = at::arange(-6, 6, at::kFloat).reshape({4, 3});
  EXPECT_TENSOR(test::run_on_test_device(*program_, {batch, i_})[0], -at::relu(batch));
}

TEST_F(Inputs, AreNotChanged) {
  const at::Tensor x = floats({-1, 0, 1}).reshape({1, 3}), before = x.clone();
  test::run_on_test_device(*program_, {x, i_});
  EXPECT_TENSOR(x, before);
}

TEST(Run, NamesTheNodeThatFails) {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]>
    g (float[N,3] a, float[M,3] b) => (float[P,Q] y) { s = Add(a, b) y = Neg(s) })");
  auto program = lower(*graph, test::on_test_device());
  const Error error = thrown([&] { test::run_on_test_device(*program, {at::ones({2, 3}), at::ones({4, 3})}); });
  EXPECT_EQ(error.kind(), ErrorKind::Model);
  EXPECT_THAT(error.where(), testing::AllOf(HasSubstr("node "), HasSubstr("(Add)")));
  EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
}

TEST(Run, TreatsProgramsAsReadOnly) {
  auto graph = model();
  auto program = lower(*graph, test::on_test_device());
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int k = 0; k < 50; ++k) {
        const at::Tensor x = at::full({1, 3}, static_cast<float>(t + 1));
        if (!test::run_on_test_device(*program, {x, at::zeros({1}, at::kLong)})[0].equal(-x)) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

/// `length` times Relu then Neg: each tensor is read once.
std::unique_ptr<Graph> chain(int length) {
  std::string body, last = "x";
  for (int i = 0; i < length; ++i) {
    const std::string n = std::to_string(i), next = i == length - 1 ? "y" : "b" + n;
    body += "a" + n + " = Relu(" + last + ") " + next + " = Neg(a" + n + ") ";
    last = next;
  }
  return read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,64] x) => (float[N,64] y) {" + body + "}");
}

TEST(Run, ATensorDiesAtItsLastReader) {
  auto graph = chain(20);
  LowerOptions options;
  for (const Value* value : graph->values())
    if (value->producer()) options.watch.push_back(value);
  auto program = lower(*graph, test::on_test_device(options));
  using Weak = c10::weak_intrusive_ptr<c10::StorageImpl>;
  std::vector<Weak> seen;
  size_t most = 0;
  test::run_on_test_device(*program, {at::ones({3, 64})}, [&](size_t, const at::Tensor& value) {
    const c10::StorageImpl* storage = value.storage().unsafeGetStorageImpl();
    size_t alive = 1;
    for (const Weak& other : seen) alive += !other.expired() && other._unsafe_get_target() != storage;
    most = std::max(most, alive);
    seen.emplace_back(c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(value.storage().unsafeGetStorageImpl()));
  });
  ASSERT_EQ(seen.size(), 40u);
  EXPECT_LE(most, 2u) << "a chain needs what a step reads and what it writes";
  for (const Weak& storage : seen) EXPECT_EQ(storage.expired(), true);
}

TEST(Run, WhatAWatcherKeepsIsNotOverwritten) {
  auto graph = chain(3);
  LowerOptions options;
  for (const Value* value : graph->values())
    if (value->producer()) options.watch.push_back(value);
  const at::Tensor x = at::randn({2, 64});
  std::vector<at::Tensor> kept(options.watch.size()), copies(options.watch.size());
  test::run_on_test_device(*lower(*graph, test::on_test_device(options)), {x},
                           [&](size_t index, const at::Tensor& value) { kept[index] = value, copies[index] = value.clone(); });
  for (size_t i = 0; i < kept.size(); ++i) EXPECT_TENSOR(kept[i], copies[i]);
}

TEST(Run, ViewsOfWhatDiesStayWhole) {
  // v is a view of a; Relu may not write into a's memory while v waits for its reader.
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]>
    g (float[2,3] x) => (float[6] w, float[2,3] y) <int64[1] flat = {6}> { a = Neg(x) v = Reshape(a, flat) y = Relu(a) w = Abs(v) })");
  const at::Tensor x = at::tensor({1.f, -2.f, 3.f, -4.f, 5.f, -6.f}).reshape({2, 3});
  const Tensors out = test::run_on_test_device(*lower(*graph, test::on_test_device()), {x});
  EXPECT_TENSOR(out[0], x.abs().reshape({6}));
  EXPECT_TENSOR(out[1], at::relu(-x));
}

TEST(Run, OutputsThatShareATensorAreBothRight) {
  auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]>
    g (float[4] x) => (float[4] a, float[4] b, float[4] y) { a = Neg(x) b = Identity(a) c = Relu(b) y = Add(c, a) })");
  const at::Tensor x = floats({1, -2, 0, 4});
  for (int round = 0; round < 2; ++round) {
    const Tensors out = test::run_on_test_device(*lower(*graph, test::on_test_device()), {x});
    EXPECT_TENSOR(out[0], -x);
    EXPECT_TENSOR(out[1], -x);
    EXPECT_TENSOR(out[2], at::relu(-x) - x);
  }
  EXPECT_TENSOR(x, floats({1, -2, 0, 4}));
}

TEST(LiveBytes, OfAChainDoesNotGrowWithItsLength) {
  const Tensors input = {at::ones({3, 64})};
  EXPECT_EQ(live_bytes(*lower(*chain(2), test::on_test_device()), input), 2u * 3 * 64 * sizeof(float));
  EXPECT_EQ(live_bytes(*lower(*chain(50), test::on_test_device()), input), 2u * 3 * 64 * sizeof(float));
}

TEST(LiveBytes, CountsTheLargestSetAtOnce) {
  // x (a) lives until a is there; then a and b; b and c … : never more than two of 4000 bytes, and the branch adds one.
  auto graph = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[1000] x) => (float[1000] y) { a = Neg(x) b = Abs(a) y = Neg(b) })");
  EXPECT_EQ(live_bytes(*lower(*graph, test::on_test_device()), {at::ones({1000})}), 8000u);
  auto branch = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[1000] x) => (float[1000] y) { a = Neg(x) b = Abs(a) y = Add(b, a) })");
  EXPECT_EQ(live_bytes(*lower(*branch, test::on_test_device()), {at::ones({1000})}), 12000u);
  auto constant =
      read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) <float[2] k = {1, 2}> { y = Add(x, k) })");
  EXPECT_EQ(live_bytes(*lower(*constant, test::on_test_device()), {at::ones({2})}), 16u) << "weights do not count";
}

TEST(LiveBytes, GrowsWithTheBatch) {
  auto graph = model();
  auto program = lower(*graph, test::on_test_device());
  EXPECT_EQ(live_bytes(*program, {at::ones({8, 3}), at::zeros({0}, at::kLong)}),
            8 * live_bytes(*program, {at::ones({1, 3}), at::zeros({0}, at::kLong)}));
}

TEST(ReserveMemory, TakesNothingOnTheCpu) { EXPECT_NO_THROW(reserve_memory(at::kCPU, size_t{1} << 60)); }

/// Each step for all batches before the next: what the watcher writes into the tensors of all, the following steps read.
TEST(SideBySide, TheWatcherSeesAllBatchesBeforeAnyGoesOn) {
  const auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]>
    g (float[N,2] x) => (float[N,2] y) { a = Neg(x) b = Relu(a) y = Neg(b) })");
  LowerOptions options = test::on_test_device();
  for (const char* name : {"x", "a", "y"}) options.watch.push_back(graph->find_value(name));
  const auto program = lower(*graph, options);
  const std::vector<Tensors> batches = {{floats({1, -2}).reshape({1, 2})}, {floats({-3, 4, 5, -6}).reshape({2, 2})}};
  std::vector<size_t> seen;
  run_side_by_side(*program, batches, [&](size_t index, const Tensors& values) {
    seen.push_back(index);
    ASSERT_EQ(values.size(), 2u);
    if (index == 0) {
      EXPECT_TENSOR(values[0].cpu(), batches[0][0]);
      EXPECT_TENSOR(values[1].cpu(), batches[1][0]);
    }
    const at::Tensor largest = at::maximum(values[0].max(), values[1].max());
    if (index == 1) {
      for (const at::Tensor& value : values) value.sub_(largest);  // of both: 6
    }
    if (index == 2) {
      EXPECT_TENSOR(values[0].cpu(), -at::relu(-batches[0][0] - 6));
      EXPECT_TENSOR(values[1].cpu(), -at::relu(-batches[1][0] - 6));
      EXPECT_EQ(largest.item<float>(), 0);
    }
  });
  EXPECT_THAT(seen, testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(thrown([&] { run_side_by_side(*program, {{}}, [](size_t, const Tensors&) {}); }).what(), HasSubstr("got 0, expected 1"));
}

/// As a plain run, and stopped wherever a value is watched.
TEST(SteppedRun, StopsAtEachWatchedValue) {
  const auto graph = chain(3);
  LowerOptions options = test::on_test_device();
  for (const Value* value : graph->values())
    if (!value->is_constant()) options.watch.push_back(value);
  const auto program = lower(*graph, options);
  const at::Tensor x = at::arange(-64, 64, at::kFloat).reshape({2, 64});
  std::vector<size_t> order;
  std::vector<at::Tensor> wanted(options.watch.size());
  const Tensors outputs = test::run_on_test_device(*program, {x}, [&](size_t index, const at::Tensor& value) {
    order.push_back(index);
    wanted[index] = value.clone();
  });
  SteppedRun all(*program, {x.to(test::test_device())}), none(*program, {x.to(test::test_device())});
  std::vector<SteppedRun::Watched> kept;
  while (auto watched = all.next()) {
    ASSERT_LT(kept.size(), order.size());
    EXPECT_EQ(watched->index, order[kept.size()]);
    kept.push_back(*watched);
  }
  ASSERT_EQ(kept.size(), order.size());
  for (const auto& watched : kept) EXPECT_TENSOR(watched.value.cpu(), wanted[watched.index]) << "what is held is not written over";
  EXPECT_FALSE(all.next()) << "at its end it stays there";
  EXPECT_TENSOR(all.outputs().at(0).cpu(), outputs[0]);
  EXPECT_TENSOR(none.outputs().at(0).cpu(), outputs[0]) << "nobody need look";
}

TEST(SteppedRun, LeavesAnotherRunOfTheSameProgramAlone) {
  const auto graph = chain(2);
  LowerOptions options = test::on_test_device();
  options.watch = {graph->find_value("a0"), graph->find_value("a1")};
  const auto program = lower(*graph, options);
  const at::Tensor x = at::full({1, 64}, 2.0f, test::test_device()), y = at::full({1, 64}, -3.0f, test::test_device());
  SteppedRun first(*program, {x}), second(*program, {y});
  EXPECT_EQ(first.next()->value.max().item<float>(), 2);
  EXPECT_EQ(second.next()->value.max().item<float>(), 0);
  EXPECT_EQ(first.next()->value.max().item<float>(), 0);  // Relu of -2
  EXPECT_TENSOR(second.outputs()[0].cpu(), run(*program, {y})[0].cpu());
  EXPECT_TENSOR(first.outputs()[0].cpu(), run(*program, {x})[0].cpu());
}

/// Neither an input nor a tensor that has had its last reader is held on to.
TEST(SteppedRun, KeepsWhatIsStillRead) {
  const auto graph = chain(4);
  LowerOptions options = test::on_test_device();
  for (int i = 0; i < 3; ++i) options.watch.push_back(graph->find_value("b" + std::to_string(i)));
  const auto program = lower(*graph, options);
  SteppedRun stepped(*program, {at::ones({1, 64}, test::test_device())});
  std::vector<c10::weak_intrusive_ptr<c10::StorageImpl>> seen;
  while (auto watched = stepped.next())
    seen.emplace_back(c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(watched->value.storage().unsafeGetStorageImpl()));
  ASSERT_EQ(seen.size(), 3u);
  for (const auto& storage : seen) EXPECT_TRUE(storage.expired());
}

TEST(SteppedRun, DropsWhatNobodyReads) {
  const auto graph = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,4] y) { u = Neg(x) a = Abs(x) y = Relu(a) })");
  LowerOptions options = test::on_test_device();
  options.watch = {graph->find_value("u"), graph->find_value("a")};
  const auto program = lower(*graph, options);
  SteppedRun stepped(*program, {at::ones({1, 4}, test::test_device())});
  auto unread = stepped.next();
  ASSERT_TRUE(unread);
  ASSERT_EQ(unread->index, 0u);
  const c10::weak_intrusive_ptr<c10::StorageImpl> storage(
      c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(unread->value.storage().unsafeGetStorageImpl()));
  unread.reset();
  ASSERT_TRUE(stepped.next());
  EXPECT_TRUE(storage.expired());
}

TEST(SteppedRun, ChecksItsInputs) {
  const auto graph = model();
  const auto program = lower(*graph, test::on_test_device());
  EXPECT_THAT(thrown([&] { SteppedRun(*program, {}); }).what(), HasSubstr("got 0, expected 2"));
}

}  // namespace
}  // namespace ppq

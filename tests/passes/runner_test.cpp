#include "passes/quantizing.h"

#include <set>

namespace ppq::test {
namespace {

struct Small : Quantizing {
  Small() : Quantizing("(float[N,4] x) => (float[N,4] y)", "[i] a = Identity(x) [one] b = Tanh(a) [two] y = Relu(b)") {
    setting.quantize_activation_setting.calib_algorithm = "minmax";
    calibrate_with({floats({-2, -0.3f, 0.4f, 0.9f}).reshape({1, 4}), floats({0.1f, 2, -0.7f, 1}).reshape({1, 4})});
  }
};

TEST(MakePass, EveryRowIsAPassOfItsName) {
  std::set<std::string> names;
  for (const PassRow& row : pass_table()) {
    EXPECT_EQ(row.make()->name(), row.name);
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " twice";
    EXPECT_NE(row.summary, "");
    EXPECT_EQ(make_pass(row.name)->name(), row.name);
  }
  const Error error = thrown([] { make_pass("calibrade"); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("'calibrade'"), HasSubstr("calibrate")));
}

TEST(RunPasses, InOrderWithWhatEachDid) {
  Small q;
  const auto records = run_passes(*q.graph, {"remove-identity", "configure-quantization", "calibrate"}, q.context);
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_EQ(records[0].name, "remove-identity");
  EXPECT_EQ(records[0].changes, 1u);
  EXPECT_EQ(records[1].changes, 2u);
  EXPECT_EQ(records[2].name, "calibrate");
  EXPECT_EQ(records[2].changes, 4u);
  for (const PassRecord& record : records) {
    EXPECT_GE(record.seconds, 0);
    EXPECT_TRUE(std::isnan(record.error_after)) << "without a float network nothing is measured";
  }
  EXPECT_EQ(q.context.record, nullptr);
}

TEST(RunPasses, AnUnknownNameIsAUsageError) {
  Small q;
  EXPECT_EQ(thrown([&] { run_passes(*q.graph, {"remove-identity", "nonsense"}, q.context); }).kind(), ErrorKind::Usage);
}

TEST(RunPasses, ErrorsNameThePass) {
  Small q;
  q.context.calibration = nullptr;
  const Error error = thrown([&] { run_passes(*q.graph, {"configure-quantization", "calibrate"}, q.context); });
  EXPECT_EQ(error.kind(), ErrorKind::Data) << "a pass's own kind stays";
  EXPECT_THAT(error.where(), HasSubstr("pass calibrate"));
}

TEST(RunPasses, VerifiesTheGraphWhenAsked) {
  Small q;
  q.node("one").input_quant.resize(1);
  Value* stray = q.graph->add_value("stray");
  q.graph->add_node("Relu", "reads nothing", {stray}, {q.graph->add_value("more")});
  EXPECT_NO_THROW(run_passes(*q.graph, {"fuse-bias-add"}, q.context));
  q.context.verify = true;
  const Error error = thrown([&] { run_passes(*q.graph, {"fuse-bias-add"}, q.context); });
  EXPECT_EQ(error.kind(), ErrorKind::Internal);
  EXPECT_THAT(error.where(), HasSubstr("pass fuse-bias-add"));
}

/// Against the float network: noise over signal at the outputs by a plain loop.
TEST(RunPasses, MeasuresWhatEachPassDoesOnceCalibrated) {
  Small q;
  run_passes(*q.graph, {"remove-identity"}, q.context);
  const auto reference = q.graph->clone();
  q.context.reference = reference.get();
  const auto records = run_passes(*q.graph, {"configure-quantization", "calibrate", "align-quantization"}, q.context);
  EXPECT_TRUE(std::isnan(records[0].error_after)) << "nothing is quantized yet";
  double noise = 0, signal = 0;
  for (size_t s = 0; s < 2; ++s) {
    const Tensors x = q.context.calibration->sample(s);
    const at::Tensor simulated = q.simulate(x)[0], plain = run_float(*reference, x)[0];
    for (int64_t i = 0; i < 4; ++i) {
      const double a = simulated[0][i].item<double>(), b = plain[0][i].item<double>();
      noise += (a - b) * (a - b), signal += b * b;
    }
  }
  EXPECT_GT(noise, 0);
  EXPECT_NEAR(records[1].error_after, noise / signal, 1e-6 * noise / signal);
}

}  // namespace
}  // namespace ppq::test

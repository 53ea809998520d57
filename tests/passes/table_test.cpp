#include "passes/quantizing.h"

namespace ppq::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

/// What these tests register; in none of the usual pipelines.
class Nothing final : public Pass {
 public:
  explicit Nothing(std::string name) : name_(std::move(name)) {}
  const char* name() const override { return name_.c_str(); }
  size_t run(Graph&, PassContext&) override { return 7; }

 private:
  std::string name_;
};

PassRow row_of(const std::string& name, Phase phase) {
  PassRow row;
  row.name = name, row.summary = "for a test", row.phase = phase, row.changes = Changes::Nothing;
  row.make = [name] { return std::make_unique<Nothing>(name); };
  return row;
}

std::vector<std::string> pipeline(const QuantizationSetting& setting) {
  return quantization_pipeline(find_platform(TargetPlatform::QNN_DSP_INT8), setting);
}

TEST(PassTable, PhasesStandOneBehindTheOther) {
  for (size_t i = 1; i < pass_table().size(); ++i) EXPECT_LE(pass_table()[i - 1].phase, pass_table()[i].phase) << pass_table()[i].name;
  EXPECT_EQ(find_pass("calibrate")->phase, Phase::Quantize);
  EXPECT_EQ(find_pass("calibrat"), nullptr);
}

TEST(PassTable, APassOfOnesOwnRunsWhereItWasPut) {
  PassRow row = row_of("own-before-calibrate", Phase::Quantize);
  row.wanted = [](const QuantizationSetting& setting) { return setting.lsq_optimization; };
  register_pass(row, "calibrate");
  QuantizationSetting setting;
  EXPECT_THAT(pipeline(setting), Not(Contains("own-before-calibrate")));
  setting.lsq_optimization = true;
  const auto names = pipeline(setting);
  const auto own = std::find(names.begin(), names.end(), "own-before-calibrate");
  ASSERT_NE(own, names.end());
  EXPECT_EQ(*(own + 1), "calibrate");
  setting.extra.passes = {{"own-before-calibrate", false}};
  EXPECT_THAT(pipeline(setting), Not(Contains("own-before-calibrate"))) << "passes take it away";

  Quantizing q("(float[N,4] x) => (float[N,4] y)", "y = Relu(x)");
  const auto records = run_passes(*q.graph, {"own-before-calibrate"}, q.context);
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].changes, 7u);
}

TEST(PassTable, WithoutAPlaceAPassIsTheLastOfItsPhase) {
  register_pass(row_of("own-clean-up", Phase::CleanUp));
  register_pass(row_of("own-rewrite", Phase::Rewrite));
  register_pass(row_of("own-end", Phase::Quantize));
  QuantizationSetting setting;
  setting.equalization = true;
  EXPECT_THAT(cleanup_pipeline(setting), Not(Contains("own-clean-up"))) << "nobody wants it";
  setting.extra.passes = {{"own-clean-up", true}, {"own-rewrite", true}, {"own-end", true}};
  EXPECT_EQ(cleanup_pipeline(setting).back(), "own-clean-up");
  const auto names = pipeline(setting);
  EXPECT_EQ(names.back(), "own-end");
  EXPECT_THAT((std::vector<std::string>{names.begin(), names.begin() + 4}),
              ElementsAre("raise-small-ranges", "equalize-layers", "own-rewrite", "configure-quantization"));
}

TEST(PassTable, WhatCannotBeRegisteredIsSaid) {
  const auto error = [](PassRow row, const std::string& before) {
    const size_t rows = pass_table().size();
    const Error e = thrown([&] { register_pass(std::move(row), before); });
    EXPECT_EQ(e.kind(), ErrorKind::Usage);
    EXPECT_EQ(pass_table().size(), rows);
    return std::string(e.what());
  };
  EXPECT_THAT(error(row_of("calibrate", Phase::Quantize), ""), HasSubstr("there is a pass of that name"));
  EXPECT_THAT(error(row_of("", Phase::Quantize), ""), HasSubstr("needs a name"));
  PassRow unmade = row_of("unmade", Phase::Quantize);
  unmade.make = nullptr;
  EXPECT_THAT(error(unmade, ""), HasSubstr("a way to make it"));
  EXPECT_THAT(error(row_of("lost", Phase::Quantize), "calibrat"),
              testing::AllOf(HasSubstr("no pass 'calibrat'"), HasSubstr("did you mean")));
  EXPECT_THAT(error(row_of("early", Phase::Rewrite), "calibrate"),
              HasSubstr("wrong phase: got rewrite, expected that of 'calibrate', quantize"));
}

/// A pass that rests on what was observed must be able to rely on what those before it say.
TEST(PassTable, PassesChangeWhatTheySay) {
  Quantizing q("(float[N,2,4,4] x, float[3,2,3,3] w, float[2,3,1,1] v) => (float[N,2,4,4] y) <float[3] b = {0.5, -1, 0.25}>",
               "[one] a = Conv<pads=[1,1,1,1]>(x, w, b) [relu] c = Relu(a) [two] d = Conv(c, v) [three] y = Add(d, x)", {"w", "v"});
  q.setting.extra.bits["weight:Conv"] = 4;  // so that there are biases to correct
  std::vector<at::Tensor> samples;
  for (int i = 0; i < 8; ++i) samples.push_back(at::randn({1, 2, 4, 4}));
  q.calibrate_with(samples);
  const auto outputs = [&](ExecutionMode mode) {
    LowerOptions options = on_test_device();
    options.mode = mode;
    return run_on_test_device(*lower(*q.graph, options), {samples[0]})[0];
  };
  size_t scheme = 0, nothing = 0;
  for (const PassRow& row : pass_table()) {
    if (row.phase != Phase::Quantize || row.name.starts_with("own-")) continue;
    SCOPED_TRACE(row.name);
    const at::Tensor real = outputs(ExecutionMode::Float), simulated = outputs(ExecutionMode::Simulated);
    const size_t changes = q.pass(row.name);
    const bool same_float = at::equal(real, outputs(ExecutionMode::Float)),
               same_simulated = at::equal(simulated, outputs(ExecutionMode::Simulated));
    EXPECT_TRUE(row.changes != Changes::Scheme || same_float);
    EXPECT_TRUE(row.changes != Changes::Nothing || same_simulated);
    EXPECT_TRUE(row.changes != Changes::Weights || changes == 0 || !same_float);
    scheme += row.changes == Changes::Scheme && changes > 0, nothing += row.changes == Changes::Nothing && changes > 0;
  }
  EXPECT_GE(scheme, 5u);
  EXPECT_EQ(nothing, 1u) << "weights that take their rounded values";
}

}  // namespace
}  // namespace ppq::test

#include "analysis/error_analysis.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ppq/ppq.h"
#include "support/op_run.h"

namespace ppq {
namespace {

using test::floats;
using testing::ElementsAre;

TensorQuantPtr quant_of(float scale, float offset) {
  auto quant = std::make_shared<TensorQuant>();
  quant->params = {at::scalar_tensor(scale), at::scalar_tensor(offset)};
  quant->state = QuantState::Active;
  return quant;
}

float rounded(float x, float scale, float offset) {
  return (std::clamp(std::nearbyint(x / scale) + offset, 0.0f, 255.0f) - offset) * scale;
}

/// x → Neg → a → Abs → y, with a coarse grid on x, a and y. By hand all along.
struct Chain {
  std::unique_ptr<Graph> plain = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,4] y) { [neg] a = Neg(x) [abs] y = Abs(a) })");
  std::unique_ptr<Graph> graph = plain->clone();
  std::vector<std::vector<float>> rows = {{0.31f, -1.2f, 2.77f, 0.04f}, {-0.9f, 0.66f, 1.51f, -2.2f}, {0.12f, 3.3f, -0.57f, 1.09f}};
  DatasetPtr samples;
  Chain() {
    Node *neg = graph->find_node("neg"), *abs = graph->find_node("abs");
    neg->quantized = abs->quantized = true;
    neg->input_quant = {quant_of(0.3f, 100)}, neg->output_quant = {quant_of(0.25f, 128)};
    abs->input_quant = neg->output_quant, abs->output_quant = {quant_of(0.015f, 0)};
    std::vector<at::Tensor> list;
    for (const auto& row : rows) list.push_back(at::tensor(row).reshape({1, 4}));
    samples = make_dataset(std::move(list));
  }
  static float x_of(float x) { return rounded(x, 0.3f, 100); }
  static float a_of(float x) { return rounded(-x, 0.25f, 128); }
  static float y_of(float a) { return rounded(std::abs(a), 0.015f, 0); }
};

AnalysisOptions layerwise_of(size_t samples) {
  AnalysisOptions options;
  options.layerwise_samples = samples;
  return options;
}

AnalysisOptions batches_of(size_t samples) {
  AnalysisOptions options;
  options.batch_size = samples;
  return options;
}

struct Sums {
  double noise = 0, signal = 0, dot = 0, quantized = 0, count = 0;
  void add(float q, float f) {
    const double a = static_cast<double>(q), b = static_cast<double>(f);
    noise += (a - b) * (a - b), signal += b * b, dot += a * b, quantized += a * a, ++count;
  }
  void expect(const Measure& measure) const {
    EXPECT_NEAR(measure.nsr(), noise / signal, 1e-5 * noise / signal);
    EXPECT_NEAR(measure.mse(), noise / count, 1e-5 * noise / count);
    EXPECT_NEAR(measure.cosine(), dot / std::sqrt(signal * quantized), 1e-6);
    EXPECT_EQ(static_cast<double>(measure.count), count);
  }
};

TEST(ErrorAnalysis, GraphwiseHasEverythingBeforeItQuantizedToo) {
  for (size_t batch : {1u, 2u, 3u}) {
    SCOPED_TRACE(batch);
    Chain c;
    const auto analysis = analyze_errors(*c.graph, *c.plain, *c.plain, c.samples, batches_of(batch));
    Sums x, a, y;
    for (const auto& row : c.rows)
      for (float v : row) {
        const float qx = Chain::x_of(v), qa = Chain::a_of(qx), qy = Chain::y_of(qa);
        x.add(qx, v), a.add(qa, -v), y.add(qy, std::abs(v));
      }
    ASSERT_EQ(analysis.tensors.size(), 3u);
    x.expect(analysis.tensors[0].graphwise);
    a.expect(analysis.tensors[1].graphwise);
    y.expect(analysis.tensors[2].graphwise);
    ASSERT_EQ(analysis.outputs.size(), 1u);
    EXPECT_EQ(analysis.outputs[0].first, "y");
    y.expect(analysis.outputs[0].second);
    EXPECT_EQ(analysis.samples, 3u);
    EXPECT_NEAR(output_snr(analysis), y.noise / y.signal, 1e-5 * y.noise / y.signal);
  }
}

TEST(ErrorAnalysis, LayerwiseQuantizesOneOperationAlone) {
  Chain c;
  const auto analysis = analyze_errors(*c.graph, *c.plain, *c.plain, c.samples, layerwise_of(2));
  Sums neg, abs;
  for (size_t i = 0; i < 2; ++i)
    for (float v : c.rows[i]) {
      neg.add(std::abs(Chain::a_of(Chain::x_of(v))), std::abs(v));  // Neg's slots, the rest float
      abs.add(Chain::y_of(Chain::a_of(v)), std::abs(v));            // Abs's own input and output
    }
  EXPECT_EQ(analysis.tensors[1].op, "neg");
  EXPECT_NEAR(analysis.tensors[1].layerwise_snr, neg.noise / neg.signal, 1e-5 * neg.noise / neg.signal);
  EXPECT_EQ(analysis.tensors[2].op, "abs");
  EXPECT_NEAR(analysis.tensors[2].layerwise_snr, abs.noise / abs.signal, 1e-5 * abs.noise / abs.signal);
  EXPECT_LT(analysis.tensors[2].layerwise_snr, analysis.tensors[2].graphwise.nsr());
  EXPECT_EQ(analyze_errors(*c.graph, *c.plain, *c.plain, c.samples, layerwise_of(0)).tensors[1].layerwise_snr, -1) << "not asked for";
}

/// Only what depends on the node runs again; outputs that do not depend on it count with their signal.
TEST(ErrorAnalysis, LayerwiseOfBranchesIsThatOfTheWholeNetwork) {
  auto plain = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,4] y, float[N,4] z)
      { [neg] a = Neg(x) [relu] b = Relu(a) [add] y = Add(b, x) [abs] z = Abs(x) })");
  auto graph = plain->clone();
  for (Node* node : graph->nodes()) {
    node->quantized = true;
    node->input_quant.assign(node->inputs().size(), nullptr);
    node->output_quant = {quant_of(0.5f, 128)};
  }
  const at::Tensor x = floats({-1.1f, 0.7f, -2.3f, 0.2f}).reshape({1, 4});
  const auto analysis = analyze_errors(*graph, *plain, *plain, make_dataset({x}), layerwise_of(1));
  const auto half = [](const at::Tensor& t) { return at::round(t * 2) / 2; };
  const at::Tensor b = at::relu(-x), y = b + x, z = x.abs();
  const double signal = (y * y).sum().item<double>() + (z * z).sum().item<double>();
  const auto expect = [&](const char* op, const at::Tensor& got_y, const at::Tensor& got_z) {
    const double noise = (got_y - y).square().sum().item<double>() + (got_z - z).square().sum().item<double>();
    for (const TensorError& tensor : analysis.tensors) {
      if (tensor.op != op) continue;
      EXPECT_NEAR(tensor.layerwise_snr, noise / signal, 1e-6) << op;
    }
  };
  ASSERT_EQ(analysis.tensors.size(), 4u);
  expect("neg", at::relu(half(-x)) + x, z);
  expect("relu", half(b) + x, z);
  expect("add", half(y), z);
  expect("abs", y, half(z));
}

TEST(ErrorAnalysis, SeveralStatesShareTheFloatNetwork) {
  Chain c, d;
  d.graph->find_node("abs")->output_quant = {quant_of(0.01f, 0)};
  const auto work = std::make_shared<Work>();
  AnalysisOptions options;
  options.batch_size = 2, options.work = work;
  const auto both = analyze_states({c.graph.get(), d.graph.get()}, *c.plain, *c.plain, c.samples, options);
  options.work = nullptr, options.layerwise_samples = 0;
  for (const auto& [analysis, graph] : {std::pair{&both.at(0), c.graph.get()}, std::pair{&both.at(1), d.graph.get()}}) {
    const auto alone = analyze_errors(*graph, *c.plain, *c.plain, c.samples, options);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(analysis->tensors[i].graphwise.noise, alone.tensors[i].graphwise.noise) << i;
    EXPECT_EQ(analysis->tensors[2].clipped, alone.tensors[2].clipped);
  }
  EXPECT_EQ(work->float_forwards, 3u);
  EXPECT_EQ(work->simulated_forwards, 6u);
}

TEST(ErrorAnalysis, DescribesTheQuantization) {
  Chain c;
  const auto analysis = analyze_errors(*c.graph, *c.plain, *c.plain, c.samples, {});
  const TensorError& a = analysis.tensors[1];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.type, "Neg");
  EXPECT_EQ(a.bits, 8);
  EXPECT_THAT(a.scale, ElementsAre(0.25));
  EXPECT_THAT(a.offset, ElementsAre(128));
  EXPECT_THAT(a.minimum, ElementsAre(-32));
  EXPECT_THAT(a.maximum, ElementsAre(31.75));
  EXPECT_EQ(analysis.tensors[0].name, "x");
  EXPECT_EQ(analysis.tensors[0].op, "neg") << "who reads a graph input";
}

TEST(ErrorAnalysis, CountsWhatIsClipped) {
  Chain c;
  c.graph->find_node("abs")->output_quant = {quant_of(0.01f, 0)};  // up to 2.55
  const auto analysis = analyze_errors(*c.graph, *c.plain, *c.plain, c.samples, {});
  EXPECT_EQ(analysis.tensors[0].clipped, 0);
  EXPECT_DOUBLE_EQ(analysis.tensors[2].clipped, 2.0 / 12) << "2.77 and 3.3";
}

TEST(ErrorAnalysis, HalfAStepOutsideIsRoundedNotClipped) {
  auto plain = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,4] y) { [abs] y = Abs(x) })");
  auto graph = plain->clone();
  graph->find_node("abs")->output_quant = {quant_of(0.01f, 0)};  // 0 to 2.55
  const auto analysis = analyze_errors(*graph, *plain, *plain, make_dataset({floats({2.553f, 2.557f, 1, 0}).reshape({1, 4})}), {});
  EXPECT_DOUBLE_EQ(analysis.tensors[0].clipped, 0.25) << "2.557 alone";
}

/// Weights that were baked are rounded anew from the float network's, for the node alone.
TEST(ErrorAnalysis, LayerwiseRoundsBakedWeights) {
  auto plain = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,1] x) => (float[N,1] y) <float[1,1] w = {0.3}> { [gemm] y = Gemm(x, w) })");
  auto graph = plain->clone();
  Node* gemm = graph->find_node("gemm");
  gemm->quantized = true;
  gemm->input_quant = {nullptr, quant_of(0.25f, 0)}, gemm->output_quant = {quant_of(1e-4f, 0)};
  gemm->input_quant[1]->state = QuantState::Baked;
  gemm->output_quant[0]->scheme.quant_max = 65535;
  gemm->input(1)->set_constant(at::full({1, 1}, 0.25f));
  const auto analysis = analyze_errors(*graph, *plain, *plain, make_dataset({at::ones({1, 1})}), {});
  EXPECT_NEAR(analysis.tensors[0].layerwise_snr, 0.05 * 0.05 / 0.09, 1e-4);
}

TEST(ErrorAnalysis, AFusedInteriorIsNotATensorOfTheTarget) {
  auto plain = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (float[N,4] y) { [neg] a = Neg(x) [relu] y = Relu(a) })");
  auto graph = plain->clone();
  const auto fused = quant_of(0.05f, 0);
  graph->find_node("neg")->output_quant = {fused};
  graph->find_node("relu")->input_quant = {fused}, graph->find_node("relu")->output_quant = {fused};
  const auto analysis = analyze_errors(*graph, *plain, *plain, make_dataset({at::ones({1, 4})}), {});
  ASSERT_EQ(analysis.tensors.size(), 1u);
  EXPECT_EQ(analysis.tensors[0].name, "y");
}

TEST(ErrorAnalysis, AgreementIsTheShareOfEqualTopScores) {
  auto plain = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,3] x) => (float[N,3] y, float[N,2] z) <int64[1] b = {0}, int64[1] e = {2}, int64[1] one = {1}> { [neg] y = Neg(x) z = Slice(y, b, e, one) })");
  auto graph = plain->clone();
  graph->find_node("neg")->output_quant = {quant_of(1, 128)};
  // Rounded to whole numbers, -0.9 and -0.6 tie and the first one wins: one sample of four changes its class.
  const auto samples = make_dataset({floats({0.9f, 0.6f, 3}).reshape({1, 3}), floats({2, 1, 3}).reshape({1, 3}),
                                     floats({5, 1.2f, 0.3f}).reshape({1, 3}), floats({1, 4, 2}).reshape({1, 3})});
  const auto analysis = analyze_errors(*graph, *plain, *plain, samples, {});
  EXPECT_EQ(analysis.agreement.at("y"), 0.75);
  EXPECT_EQ(analysis.agreement.count("z"), 0u) << "two scores are no classification";
}

TEST(ErrorAnalysis, OutputsOfAnotherShapeAreSaidNotMeasured) {
  auto plain = read_onnx_text(
      R"(<ir_version: 8, opset_import: ["" : 17]> g (float[N,4] x) => (int64[2,M] y, float[N,4] z) { [pos] r = Relu(x) y = NonZero(r) [neg] z = Neg(r) })");
  auto graph = plain->clone();
  graph->find_node("pos")->output_quant = {quant_of(1, 0)};  // 0.2 becomes 0: one non-zero less
  const auto analysis = analyze_errors(*graph, *plain, *plain, make_dataset({floats({0.2f, 3, 1, 2}).reshape({1, 4})}), {});
  EXPECT_THAT(analysis.unlike, ElementsAre("y"));
  EXPECT_EQ(analysis.outputs[0].second.count, 0);
  EXPECT_EQ(analysis.outputs[1].second.count, 4);
  EXPECT_NEAR(output_snr(analysis), 0.04 / 14.04, 1e-6);
}

/// A CPU's threads take samples, and nodes of the layerwise part, side by side; what they find is added in order.
TEST(ErrorAnalysis, DoesNotDependOnTheThreads) {
  Chain c;
  std::vector<at::Tensor> list;
  for (int i = 0; i < 7; ++i) list.push_back(at::randn({1, 4}));
  const DatasetPtr samples = make_dataset(list);
  const int before = at::get_num_threads();
  std::vector<ErrorAnalysis> found;
  for (const int threads : {1, 2, 3}) {
    at::set_num_threads(threads);
    found.push_back(analyze_errors(*c.graph, *c.plain, *c.plain, samples, layerwise_of(7)));
  }
  at::set_num_threads(before);
  for (size_t k = 1; k < found.size(); ++k) {
    EXPECT_EQ(found[k].samples, 7u);
    EXPECT_EQ(output_snr(found[k]), output_snr(found[0]));
    for (size_t i = 0; i < found[0].tensors.size(); ++i) {
      EXPECT_EQ(found[k].tensors[i].graphwise.noise, found[0].tensors[i].graphwise.noise) << i;
      EXPECT_EQ(found[k].tensors[i].graphwise.count, found[0].tensors[i].graphwise.count) << i;
      EXPECT_EQ(found[k].tensors[i].clipped, found[0].tensors[i].clipped) << i;
      EXPECT_EQ(found[k].tensors[i].layerwise_snr, found[0].tensors[i].layerwise_snr) << i;
    }
  }
}

TEST(ErrorAnalysis, ReportsProgress) {
  Chain c;
  std::vector<std::string> what;
  AnalysisOptions options;
  options.batch_size = 2;
  options.progress = [&](const std::string& stage, size_t done, size_t total) {
    if (what.empty() || what.back() != stage) what.push_back(stage);
    EXPECT_LE(done, total);
  };
  analyze_errors(*c.graph, *c.plain, *c.plain, c.samples, options);
  EXPECT_THAT(what, ElementsAre("graphwise analysis", "layerwise analysis"));
}

/// A tenth more at every output is a hundredth of its power.
TEST(ErrorAnalysis, SaysByHowMuchTheFloatNetworkMoved) {
  const auto scaled = [](const char* by) {
    return read_onnx_text(std::string("<ir_version: 8, opset_import: [\"\" : 17]> g (float[N,4] x) => (float[N,4] y) <float k = {") + by +
                          "}> { [mul] y = Mul(x, k) }");
  };
  const auto original = scaled("1"), reference = scaled("1.1");
  const DatasetPtr samples = make_dataset(std::vector<at::Tensor>{at::ones({1, 4}), at::arange(4, at::kFloat).reshape({1, 4})});
  EXPECT_NEAR(analyze_errors(*reference, *reference, *original, samples, layerwise_of(0)).moved, 0.01, 1e-7);
  EXPECT_EQ(analyze_errors(*original, *original, *original, samples, layerwise_of(0)).moved, 0);
}

}  // namespace
}  // namespace ppq

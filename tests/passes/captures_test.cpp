// A sub-graph reads values of the graph around it by name. No pass may scale, fold, fuse or rename one away under it.
#include "passes/quantizing.h"

namespace ppq::test {
namespace {

/// A value that an If's bodies read, and its type.
struct Captured {
  const char* name;
  const char* type;
};

constexpr Captured kCaptured[] = {
    // between layers: equalization, absorption and fusions would change or drop them
    {"c1", "float[N,4,8,8]"},
    {"r1", "float[N,4,8,8]"},
    {"c2", "float[N,4,8,8]"},
    {"n2", "float[N,4,8,8]"},
    {"i2", "float[N,4,8,8]"},
    {"c3", "float[N,4,8,8]"},
    {"a3", "float[N,4,1,1]"},
    {"m4", "float[N,3]"},
    {"s5", "float[N,3]"},
    {"only", "float[N,3]"},
    // inside of what was written out, and behind it
    {"d6", "float[N,3]"},
    {"l6", "float[N,3]"},
    {"z6", "float[N,3]"},
    {"h6", "float[N,3]"},
    {"u6", "float[N,3]"},
    {"h7", "float[1,N,3]"},
    // parameters: changed in place, merged, folded
    {"w1", "float[4,4,1,1]"},
    {"b1", "float[4]"},
    {"w2", "float[4,4,1,1]"},
    {"b2", "float[4]"},
    {"factor", "float[4]"},
    {"var2", "float[4]"},
    {"w3", "float[4,4,1,1]"},
    {"k3", "float[1,4,1,1]"},
    {"wm", "float[4,3]"},
    {"km", "float[3]"},
    {"gate", "float[3]"},
    {"stored", "float[3]"},
    {"twice", "float[3]"},
    {"wl", "float[3,3]"},
    {"km6", "float[3]"},
    {"wg", "float[1,9,3]"},
};

bool is_parameter(const std::string& name) {
  static const std::set<std::string> computed = {"c1", "r1",   "c2", "n2", "i2", "c3", "a3", "m4",
                                                 "s5", "only", "d6", "l6", "z6", "h6", "u6", "h7"};
  return !computed.count(name);
}

/// y reads what every pass has a pattern for; d is what the If makes of `captured`: its magnitude where x is positive on
/// average, else its negative. `nested`: it is read two levels down.
std::unique_ptr<Graph> model(const Captured& captured, bool nested) {
  const std::string type = captured.type, name = captured.name;
  const auto body = [&](const std::string& graph, const std::string& result, const std::string& op) {
    return graph + " () => (" + type + " " + result + ") { " + result + " = " + op + "(" + name + ") }";
  };
  std::string then_branch = body("t", "t_out", "Abs");
  if (nested)
    then_branch = "t () => (" + type + " t_out) { t_out = If (go) <then_branch = " + body("tt", "tt_out", "Abs") +
                  ", else_branch = " + body("te", "te_out", "Neg") + "> }";
  auto graph = parse_model(
      "<ir_version: 8, opset_import: [\"\" : 20]> g (float[N,4,8,8] x, float[4,4,1,1] w1, float[4] b1, float[4,4,1,1] w2, float[4] b2, "
      "float[4] factor, float[4] shift, float[4] mean2, float[4] var2, float[4,4,1,1] w3, float[4,3] wm, float[3] gate, float[3,3] wl, "
      "float[1,9,3] wg, float[1,9,3] rg) => "
      "(float[N,3] y, " +
          type +
          " d) <float zero = {0}, float[1,4,1,1] k3 = {1, -2, 3, 4}, float[3] km = {1, 2, -1}, float[3] equal = {1, 2, -1}, float[3] km6 = "
          "{1, 2, -1}, float eps = {0.01}, float one = {1}, float half = {0.5}, float root = "
          "{1.4142135}, int64[1] last = {-1}, int64[1] first = {0}> {"
          "[mean] mean = ReduceMean<keepdims = 0>(x) [greater] go = Greater(mean, zero)"
          "[conv1] c1 = Conv(x, w1, b1) [relu1] r1 = Relu(c1) [conv2] c2 = Conv(r1, w2, b2)"
          "[norm2] n2 = BatchNormalization(c2, factor, shift, mean2, var2) [same2] i2 = Identity(n2) [relu2] r2 = Relu(i2)"
          "[conv3] c3 = Conv(r2, w3) [sum3] s3 = Add(c3, k3) [pool3] a3 = GlobalAveragePool(s3) [flat3] f3 = Flatten(a3)"
          "[product4] m4 = MatMul(f3, wm) [sum4] s4 = Add(m4, km)"
          "[stored5] stored = Constant<value = float[3] {1, 2, -1}>() [twice5] twice = Add(km, equal)"
          "[gate5] g5 = Mul(s4, gate) [sum5] s5 = Add(g5, equal) [stored5b] t5 = Add(s5, stored) [twice5b] y5 = Add(t5, twice)"
          "[mean6] m6 = ReduceMean(s4, last) [sub6] d6 = Sub(s4, m6) [square6] q6 = Mul(d6, d6) [variance6] v6 = ReduceMean(q6, last) "
          "[eps6] e6 = "
          "Add(v6, eps) [root6] r6 = Sqrt(e6) [div6] o6 = Div(d6, r6) [scale6] l6 = Mul(o6, gate) [shift6] z6 = Add(l6, km6)"
          "[read6] h6 = MatMul(z6, wl) [over6] w6 = Div(h6, root) [erf6] f6 = Erf(w6) [inc6] i6 = Add(f6, one) [gate6] u6 = Mul(h6, i6) "
          "[gelu6] y6 "
          "= Mul(u6, half)"
          "[step7] x7 = Unsqueeze(s4, first) [gru7] g7, h7 = GRU<hidden_size = 3>(x7, wg, rg, , , x7) [state7] y7 = Squeeze(h7, first)"
          "[sum6] t6 = Add(y5, y6) [sum7] y = Add(t6, y7)"
          "[only] only = Neg(s4)"
          "[choose] d = If (go) <then_branch = " +
          then_branch + ", else_branch = " + body("e", "e_out", "Neg") + "> }",
      {"w1", "b1", "w2", "b2", "factor", "shift", "mean2", "var2", "w3", "wm", "gate", "wl", "wg", "rg"});
  // Two channels that stay above zero, for absorption.
  graph->find_value("b1")->set_constant(at::tensor({9.0f, 0.1f, -0.2f, 12.0f}));
  return graph;
}

/// Means of both signs, also in either half that a pass takes: both branches run.
std::vector<at::Tensor> samples() {
  at::manual_seed(5);
  std::vector<at::Tensor> all;
  for (int i = 0; i < 8; ++i) all.push_back(at::randn({1, 4, 8, 8}) * 0.3 + (i % 2 ? 1 : -1));
  return all;
}

Tensors run_in(ExecutionMode mode, const Graph& graph, const at::Tensor& x) {
  LowerOptions options;
  options.mode = mode;
  return run(*lower(graph, options), {x});
}

void expect_same(ExecutionMode mode, const Graph& after, const Graph& before, size_t output) {
  for (const at::Tensor& x : samples()) {
    const Tensors got = run_in(mode, after, x), wanted = run_in(mode, before, x);
    EXPECT_LE(relative_difference({got[output]}, {wanted[output]}), 1e-5) << "output " << after.outputs()[output]->name();
  }
}

/// Every pass does something here where it can.
void prepare(Quantizing& q) {
  q.calibrate_with(samples());
  q.setting.extra.choose_equalization_by_data = false;
  q.setting.extra.cross_clip_equalization = false;
  q.setting.ssd_setting.loss_threshold = 1e9;
  q.setting.weight_split_setting.interested_layers = q.setting.matrix_factorization_setting.interested_layers = {"Conv"};
  q.setting.weight_split_setting.value_threshold = q.setting.channel_split_setting.value_threshold = 0.1;
  q.setting.extra.channel_split_ratio = 1;
}

std::vector<std::string> names_before(const std::string& name) {
  std::vector<std::string> names;
  if (name == "split-gemm" || name == "format-gemm") return {"fuse-matmul-add"};  // so that there is one
  for (const PassRow& row : pass_table()) {
    if (row.name == name) return name.starts_with("equalize") || name == "absorb-high-bias" ? std::vector<std::string>() : names;
    if (!names.empty() || row.name == "configure-quantization") names.push_back(row.name);
  }
  return names;
}

/// A network on which passes run one by one; with weights of 4 bits, so that there are biases to correct.
struct PassByPass : Quantizing {
  PassByPass(const Captured& captured, bool nested, const std::string& pass) : Quantizing(model(captured, nested)) {
    prepare(*this);
    setting.extra.bits["weight:Conv"] = 4;
    context.trial = pass == "compensate-rounding";  // kept, whatever the outputs say
    for (const std::string& name : names_before(pass)) this->pass(name);
  }
};

class Captures : public testing::TestWithParam<std::string> {};

/// Else the test below would show nothing.
TEST_P(Captures, OtherwiseThePassHasSomethingToDo) {
  const std::string pass = GetParam();
  PassByPass q({"x", "float[N,4,8,8]"}, false, pass);
  const size_t changes = q.pass(pass);
  EXPECT_TRUE(changes > 0 || pass == "choose-observer" || pass == "raise-small-ranges" || pass == "nxp-resize")
      << "of several observers, where several were asked for; nothing is small; there is no Resize, of which attributes alone would change";
}

TEST_P(Captures, AreLeftAsTheyAre) {
  const std::string pass = GetParam();
  for (const Captured& captured : kCaptured)
    for (const bool nested : {false, true}) {
      SCOPED_TRACE(pass + (nested ? ", read two levels down: " : ", read by a body: ") + captured.name);
      PassByPass q(captured, nested, pass);
      const auto before = q.graph->clone();
      ASSERT_NO_THROW(q.pass(pass));
      ASSERT_NE(q.graph->find_value(captured.name), nullptr);
      // Rounded weights and moved biases are what these two are for: the float network follows.
      const bool rounds = pass == "bake-parameters" || pass == "correct-bias";
      if (!rounds) expect_same(ExecutionMode::Float, *q.graph, *before, 0);
      if (!rounds || is_parameter(captured.name)) expect_same(ExecutionMode::Float, *q.graph, *before, 1);
      if (pass == "bake-parameters") {
        expect_same(ExecutionMode::Simulated, *q.graph, *before, 0);
        expect_same(ExecutionMode::Simulated, *q.graph, *before, 1);
      }
    }
}

std::vector<std::string> pass_names() {
  std::vector<std::string> names;
  for (const PassRow& row : pass_table()) names.push_back(row.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(EveryPass, Captures, testing::ValuesIn(pass_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(CapturesInPipelines, CleanUpKeepsTheFloatResult) {
  for (const Captured& captured : kCaptured)
    for (const bool nested : {false, true}) {
      SCOPED_TRACE(captured.name);
      Quantizing q(model(captured, nested));
      const auto before = q.graph->clone();
      run_passes(*q.graph, cleanup_pipeline(), q.context);
      check_onnx(*q.graph);
      for (size_t output : {0u, 1u}) expect_same(ExecutionMode::Float, *q.graph, *before, output);
    }
}

/// 8 bits everywhere cost about a hundredth; a value scaled or cut off under the body costs all.
TEST(CapturesInPipelines, TheSimulatedBodyReadsWhatTheModelMeans) {
  for (const Captured& captured : kCaptured) {
    SCOPED_TRACE(captured.name);
    Quantizing q(model(captured, false));
    prepare(q);
    q.setting.equalization = q.setting.ssd_equalization = q.setting.extra.absorb_high_bias = q.setting.bias_correct = true;
    const auto before = q.graph->clone();
    run_passes(*q.graph, cleanup_pipeline(), q.context);
    dispatch_graph(*q.graph, q.platform.id);
    run_passes(*q.graph, quantization_pipeline(q.platform, q.setting), q.context);
    check_onnx(*q.graph);
    for (const at::Tensor& x : samples()) {
      const at::Tensor got = run_in(ExecutionMode::Simulated, *q.graph, x)[1], wanted = run_in(ExecutionMode::Float, *before, x)[1];
      const double noise = (got - wanted).to(at::kDouble).square().sum().item<double>(),
                   signal = wanted.to(at::kDouble).square().sum().item<double>();
      EXPECT_LE(noise, (is_parameter(captured.name) ? 1e-10 : 1e-2) * signal);
    }
  }
}

}  // namespace
}  // namespace ppq::test

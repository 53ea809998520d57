// PPQ's configuration JSON: key by key, and read back to the same simulation.
#include "exporters/ppq_json_read.h"

#include <cmath>

#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::IsSupersetOf;

/// Data uint8 with a zero point, weights a scale a channel, biases that follow.
PlatformSpec fpga() {
  PlatformSpec spec = target(rules::unsigned_asymmetric(8), rules::per_channel(rules::signed_symmetric(8)), every_type(), {"Relu", "Clip"});
  spec.slots.push_back(rules::passive(SlotRole::Bias, rules::per_channel(rules::signed_symmetric(30))));
  spec.id = TargetPlatform::FPGA_INT8;
  return spec;
}

const char* const kFile = "quantized_ppq.json";

TEST(PpqJson, SectionsOfTheTwelveOps) {
  const QuantizedGraph q(fpga());
  const Exported out("ppq-json", q);
  Json json = out.json(kFile);
  EXPECT_THAT(keys(json), ElementsAre("configs", "dispatchings", "values"));
  const std::vector<std::string> nodes = {"conv1", "relu1", "pool1", "conv2", "clip2", "add1", "sig1", "concat1", "gap1", "flat1", "fc1"};
  EXPECT_EQ(keys(json["configs"]), nodes) << "Softmax is float here";
  EXPECT_EQ(keys(json["dispatchings"]), nodes);
  for (const auto& [node, platform] : json["dispatchings"].items()) EXPECT_EQ(platform, "FPGA_INT8");
  EXPECT_THAT(keys(json["configs"]["conv1"]), ElementsAre("x", "w1", "b1", "c1"));
  EXPECT_THAT(keys(json["configs"]["clip2"]), ElementsAre("c2", "lo", "hi", "k2"));
  Json& weight = json["configs"]["conv1"]["w1"];
  EXPECT_THAT(keys(weight), ElementsAre("bit_width", "policy", "state", "quant_min", "quant_max", "hash", "dominator"));
  EXPECT_EQ(weight["policy"], Json::parse(R"({"PER_TENSOR": false, "PER_CHANNEL": true, "LINEAR": true, "FLOATING": false,
                                              "SYMMETRICAL": true, "ASYMMETRICAL": false, "POWER_OF_2": false, "DYNAMIC": false})"));
  EXPECT_EQ(weight["quant_min"], -128);
  EXPECT_TRUE(weight["quant_min"].is_number_integer());
  const auto state = [&](const char* node, const char* value) { return json["configs"][node][value]["state"].get<std::string>(); };
  EXPECT_EQ(state("conv1", "x"), "ACTIVATED");
  EXPECT_EQ(state("conv1", "w1"), "BAKED");
  EXPECT_EQ(state("conv1", "b1"), "PASSIVE_BAKED");
  EXPECT_EQ(state("conv1", "c1"), "OVERLAPPED") << "the activation behind rounds it";
  EXPECT_EQ(state("conv2", "c2"), "OVERLAPPED");
  EXPECT_EQ(state("pool1", "p1"), "OVERLAPPED") << "moved only";
  EXPECT_EQ(state("flat1", "fl"), "OVERLAPPED");
  EXPECT_EQ(state("sig1", "a1"), "OVERLAPPED") << "its producer rounds it";
  EXPECT_EQ(state("fc1", "g"), "ACTIVATED");
  // Add's operands and Concat's parts have one range each: one root, the others follow it.
  EXPECT_EQ((std::multiset<std::string>{state("relu1", "r1"), state("clip2", "k2")}), (std::multiset<std::string>{"ACTIVATED", "PASSIVE"}));
  EXPECT_EQ(state("concat1", "cat"), "ACTIVATED");
  EXPECT_EQ(state("sig1", "s1"), "PASSIVE");
  EXPECT_EQ(state("add1", "a1"), "PASSIVE");
}

/// Every number, from the slots of the graph.
TEST(PpqJson, NumbersAreThoseOfTheSlots) {
  const QuantizedGraph q(fpga());
  Json json = Exported("ppq-json", q).json(kFile);
  std::set<int64_t> hashes;
  size_t numbers = 0;
  const auto check = [&](const Node& node, const Value* value, const TensorQuantPtr& quant) {
    if (!value) return;
    Json& config = json["configs"][node.name][value->name()];
    if (!quant) {
      EXPECT_EQ(config["state"], "FP32") << node.name << " " << value->name();
      EXPECT_FALSE(json["values"].contains(config["dominator"].dump()));
      return;
    }
    EXPECT_EQ(config["bit_width"], quant->scheme.bits);
    EXPECT_EQ(config["quant_max"], quant->scheme.quant_max);
    Json& found = json["values"][config["dominator"].dump()];
    const Json list = found["scale"].is_array() ? found["scale"] : Json::array({found["scale"]});
    EXPECT_EQ(found["scale"].is_array(), quant->scheme.granularity == Granularity::PerChannel);
    EXPECT_EQ(list.get<std::vector<double>>(), scales(quant)) << node.name << " " << value->name();
    Json& points = found["zero_point"];
    EXPECT_EQ((points.is_array() ? points[0] : points).get<int64_t>(), std::lround(quant->params.offset.reshape({-1})[0].item<double>()));
    EXPECT_TRUE(hashes.insert(config["hash"].get<int64_t>()).second) << "each place has a number of its own";
    ++numbers;
  };
  for (const Node* node : q.graph->nodes()) {
    if (!node->quantized) continue;
    for (size_t i = 0; i < node->inputs().size(); ++i) check(*node, node->input(i), node->quant_of_input(i));
    for (size_t i = 0; i < node->outputs().size(); ++i) check(*node, node->output(i), node->quant_of_output(i));
  }
  EXPECT_EQ(numbers, 32u) << "4 2 2 4 4 3 2 3 2 2 4 places";
}

TEST(PpqJson, ReadBackItSimulatesTheSame) {
  const QuantizedGraph q(fpga());
  const Exported out("ppq-json", q);
  const auto again = read_onnx(out.path("quantized.onnx"));
  const EncodingsRead read = read_encodings(*again, q.platform, out.path(kFile), false);
  EXPECT_THAT(read.unknown, IsEmpty());
  EXPECT_EQ(read.applied, out.summary.written);
  LowerOptions options;
  options.mode = ExecutionMode::Simulated;
  const auto program = lower(*again, on_test_device(options));
  for (const at::Tensor& sample : q.samples) EXPECT_TENSOR(run_on_test_device(*program, {sample})[0], q.simulate(sample)[0]);
  // And is written again as it was.
  EXPECT_EQ(again->find_node("relu1")->quant_of_input(0), again->find_node("relu1")->quant_of_output(0));
  const Exported second("ppq-json", *again, q.platform);
  EXPECT_EQ(second.json(kFile)["configs"]["conv1"]["c1"]["state"], "OVERLAPPED");
}

TEST(PpqJson, EveryPlatformIsReadBackToTheSame) {
  for (const PlatformSpec& platform : platform_table()) {
    SCOPED_TRACE(platform.name);
    const QuantizedGraph q(platform);
    const Exported out("ppq-json", q);
    const auto again = read_onnx(out.path("quantized.onnx"));
    EXPECT_EQ(read_encodings(*again, q.platform, out.path(kFile), false).applied, out.summary.written);
    LowerOptions options;
    options.mode = ExecutionMode::Simulated;
    const auto program = lower(*again, on_test_device(options));
    for (const at::Tensor& sample : q.samples) EXPECT_TENSOR(run_on_test_device(*program, {sample})[0], q.simulate(sample)[0]);
  }
}

/// A file as PPQ writes it: hashes of any size, PASSIVE places that are roots of their own, lists of channels, float places.
const char* const kByPpq = R"({
  "configs": {
    "conv": {
      "x": {"bit_width": 8, "policy": {"PER_TENSOR": true, "PER_CHANNEL": false, "LINEAR": true, "FLOATING": false, "SYMMETRICAL": false,
            "ASYMMETRICAL": true, "POWER_OF_2": false, "DYNAMIC": false}, "state": "ACTIVATED", "quant_min": 0, "quant_max": 255,
            "hash": 3037000499, "dominator": 3037000499},
      "w": {"bit_width": 8, "policy": {"PER_TENSOR": false, "PER_CHANNEL": true, "LINEAR": true, "FLOATING": false, "SYMMETRICAL": true,
            "ASYMMETRICAL": false, "POWER_OF_2": false, "DYNAMIC": false}, "state": "BAKED", "quant_min": -128, "quant_max": 127,
            "hash": 2, "dominator": 2},
      "b": {"bit_width": 8, "policy": {"PER_TENSOR": true, "PER_CHANNEL": false, "LINEAR": true, "FLOATING": false, "SYMMETRICAL": true,
            "ASYMMETRICAL": false, "POWER_OF_2": false, "DYNAMIC": false}, "state": "FP32", "quant_min": -128, "quant_max": 127,
            "hash": 3, "dominator": 3},
      "c": {"bit_width": 8, "policy": {"PER_TENSOR": true, "PER_CHANNEL": false, "LINEAR": true, "FLOATING": false, "SYMMETRICAL": false,
            "ASYMMETRICAL": true, "POWER_OF_2": false, "DYNAMIC": false}, "state": "OVERLAPPED", "quant_min": 0, "quant_max": 255,
            "hash": 4, "dominator": 6}},
    "relu": {
      "c": {"bit_width": 8, "policy": {"PER_TENSOR": true, "PER_CHANNEL": false, "LINEAR": true, "FLOATING": false, "SYMMETRICAL": false,
            "ASYMMETRICAL": true, "POWER_OF_2": false, "DYNAMIC": false}, "state": "OVERLAPPED", "quant_min": 0, "quant_max": 255,
            "hash": 5, "dominator": 6},
      "y": {"bit_width": 8, "policy": {"PER_TENSOR": true, "PER_CHANNEL": false, "LINEAR": true, "FLOATING": false, "SYMMETRICAL": false,
            "ASYMMETRICAL": true, "POWER_OF_2": false, "DYNAMIC": false}, "state": "ACTIVATED", "quant_min": 0, "quant_max": 255,
            "hash": 6, "dominator": 6}}},
  "dispatchings": {"conv": "FPGA_INT8", "relu": "FPGA_INT8"},
  "values": {
    "3037000499": {"scale": 0.5, "zero_point": 128},
    "2": {"scale": [0.25, 0.125], "zero_point": [0, 0]},
    "6": {"scale": 0.0625, "zero_point": 0}}})";

std::unique_ptr<Graph> two_ops() {
  return read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 13]>
    g (float[1,1,2,2] x) => (float[1,2,2,2] y) <float[2,1,1,1] w = {1, -2}, float[2] b = {0.5, -0.5}> { [conv] c = Conv(x, w, b) [relu] y = Relu(c) })");
}

EncodingsRead read_text(Graph& graph, const std::string& text, bool fixed = false, const PlatformSpec& platform = fpga()) {
  const std::string path = temporary_dir("ppq_json") + "/in.json";
  write_file(path, text);
  return read_encodings(graph, platform, path, fixed);
}

TEST(PpqJson, AFileOfPpq) {
  const auto graph = two_ops();
  const EncodingsRead read = read_text(*graph, kByPpq, /*fixed=*/true);
  EXPECT_EQ(read.applied, 5u) << "one of six is float";
  const Node &conv = *graph->find_node("conv"), &relu = *graph->find_node("relu");
  EXPECT_EQ(scale_of(conv.quant_of_input(0)), 0.5);
  EXPECT_EQ(offset_of(conv.quant_of_input(0)), 128);
  EXPECT_TRUE(conv.quant_of_input(0)->fixed);
  EXPECT_EQ(conv.quant_of_input(1)->scheme.axis, 0);
  EXPECT_THAT(scales(conv.quant_of_input(1)), ElementsAre(0.25, 0.125));
  EXPECT_FALSE(conv.quant_of_input(2)) << "float";
  EXPECT_EQ(conv.quant_of_output(), relu.quant_of_output());
  EXPECT_EQ(relu.quant_of_input(0), relu.quant_of_output());
  EXPECT_EQ(relu.quant_of_output()->observed, "y");
  EXPECT_TRUE(conv.quantized && relu.quantized);
}

/// By hand: x on steps of 0.5, w on steps that hold it, y on steps of 1/16 up to 255/16.
TEST(PpqJson, AFileOfPpqIsSimulatedByItsNumbers) {
  const auto graph = two_ops();
  read_text(*graph, kByPpq);
  LowerOptions options;
  options.mode = ExecutionMode::Simulated;
  const at::Tensor x = floats({0.3f, -0.9f, 70, 1.26f}).reshape({1, 1, 2, 2});
  const at::Tensor y = run_on_test_device(*lower(*graph, on_test_device(options)), {x})[0];
  std::vector<float> expected;
  for (const auto& [w, b] : {std::pair(1., 0.5), {-2., -0.5}})
    for (const double value : {0.3, -0.9, 70., 1.26})
      expected.push_back(static_cast<float>(round_to(std::max(0., round_to(value, 0.5, 128) * w + b), 0.0625, 0)));
  EXPECT_TENSOR(y, at::tensor(expected).reshape({1, 2, 2, 2}));
}

/// `kByPpq` with one thing changed.
std::string changed(const std::function<void(Json&)>& change) {
  Json json = Json::parse(kByPpq);
  change(json);
  return json.dump();
}

TEST(PpqJson, FilesThatAreWrongAreRefusedWithThePlace) {
  const auto refused = [](const std::function<void(Json&)>& change, ErrorKind kind = ErrorKind::Data) {
    const auto graph = two_ops();
    const Error error = thrown([&] { read_text(*graph, changed(change)); });
    EXPECT_EQ(error.kind(), kind) << error.what();
    return std::string(error.what());
  };
  EXPECT_THAT(refused([](Json& j) { j["values"].erase("6"); }), AllOf(HasSubstr("node conv, tensor c"), HasSubstr("got 6")));
  EXPECT_THAT(refused([](Json& j) { j["values"]["6"]["scale"] = 0; }), HasSubstr("positive"));
  EXPECT_THAT(refused([](Json& j) { j["values"]["6"]["scale"] = nullptr; }), HasSubstr("expected numbers"));
  EXPECT_THAT(refused([](Json& j) { j["values"]["6"]["scale"] = 1e300; }), HasSubstr("float32"));
  EXPECT_THAT(refused([](Json& j) { j["values"]["6"]["zero_point"] = 256; }), HasSubstr("zero_point"));
  EXPECT_THAT(refused([](Json& j) { j["values"]["6"]["zero_point"] = 0.5; }), HasSubstr("integers"));
  EXPECT_THAT(refused([](Json& j) { j["values"]["2"]["scale"] = {0.25}; }), HasSubstr("different length"));
  EXPECT_THAT(refused([](Json& j) {
                j["values"]["2"] = {{"scale", {1, 1, 1}}, {"zero_point", {0, 0, 0}}};
              }),
              AllOf(HasSubstr("got 3, expected 2"), HasSubstr("dimension 0")));
  EXPECT_THAT(refused([](Json& j) { j["values"]["2"]["zero_point"] = {0, 1}; }), HasSubstr("symmetric"));
  EXPECT_THAT(refused([](Json& j) { j["values"] = 3; }), HasSubstr("'values'"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"] = {1}; }), HasSubstr("relu"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"]["state"] = "INITIAL"; }), AllOf(HasSubstr("INITIAL"), HasSubstr("Hint")));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"]["bit_width"] = 65; }), HasSubstr("bit_width"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"]["bit_width"] = "8"; }), HasSubstr("expected a number"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"].erase("policy"); }), HasSubstr("'policy' is missing"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"]["quant_min"] = 300; }), HasSubstr("300..255"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"]["quant_max"] = 254.5; }), HasSubstr("expected integers"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"]["dominator"] = "6"; }), HasSubstr("'dominator'"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"]["policy"]["DYNAMIC"] = true; }, ErrorKind::Unsupported),
              HasSubstr("run time"));
  EXPECT_THAT(refused([](Json& j) { j["configs"]["relu"]["y"]["policy"]["FLOATING"] = true; }, ErrorKind::Unsupported),
              HasSubstr("exponents"));
  EXPECT_THAT(refused([](Json& j) {
                const Json configs = j["configs"];
                j["configs"] = Json::object();
                for (const auto& [name, config] : configs.items()) j["configs"]["other_" + name] = config;
              }),
              AllOf(HasSubstr("another model"), HasSubstr("other_conv")));
}

/// PPQ quantizes the condition of Where.
TEST(PpqJson, PlacesThatHoldNoFloatsStayAsTheyAre) {
  const auto graph = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 13]>
    g (bool[4] k, float[4] a, float[4] b) => (float[4] y) { [conv] y = Where(k, a, b) })");
  read_text(*graph, changed([](Json& j) {
    j["configs"].erase("relu");
    j["configs"]["conv"]["k"] = j["configs"]["conv"]["x"], j["configs"]["conv"]["a"] = j["configs"]["conv"]["x"];
  }));
  EXPECT_FALSE(graph->find_node("conv")->quant_of_input(0));
  EXPECT_TRUE(graph->find_node("conv")->quant_of_input(1));
}

TEST(PpqJson, NamesThatTheGraphDoesNotHaveAreReported) {
  const auto graph = two_ops();
  const EncodingsRead read = read_text(*graph, changed([](Json& j) {
    j["configs"]["gone"] = j["configs"]["relu"];
    j["configs"]["relu"]["other"] = j["configs"]["relu"]["y"];
  }));
  EXPECT_THAT(read.unknown, ElementsAre("gone", "relu: other"));
  EXPECT_EQ(read.applied, 5u);
}

TEST(PpqJson, ATypeThatThePlatformDoesNotComputeIsQuantizedAllTheSame) {
  const auto graph = two_ops();
  PlatformSpec platform = fpga();
  platform.quant_types = {"Conv"};
  read_text(*graph, kByPpq, false, platform);
  EXPECT_EQ(graph->find_node("relu")->dispatch, Dispatch::Quantized);
  EXPECT_TRUE(graph->find_node("relu")->quantized);
}

TEST(PpqJson, BlocksAreRefused) {
  Quantizing q("(float[1,4] x) => (float[1,4] y)", "[n] y = Neg(x)");
  q.node("n").quantized = true;
  q.node("n").output_quant = {active(0.5, 0)};
  q.node("n").output_quant[0]->scheme.granularity = Granularity::PerBlock;
  EXPECT_THAT(thrown([&] { Exported("ppq-json", *q.graph, q.platform); }).what(), AllOf(HasSubstr("tensor y"), HasSubstr("block")));
}

/// A tensor read twice by one node has one entry, that which rounds.
TEST(PpqJson, AValueReadTwice) {
  Quantizing q("(float[1,4] x) => (float[1,4] y)", "[m] y = Mul(x, x)");
  const auto quant = active(0.5, 3);
  q.node("m").quantized = true;
  q.node("m").input_quant = {quant, quant}, q.node("m").output_quant = {active(0.25, 0)};
  Json json = Exported("ppq-json", *q.graph, q.platform).json(kFile);
  EXPECT_THAT(keys(json["configs"]["m"]), ElementsAre("x", "y"));
  EXPECT_EQ(json["configs"]["m"]["x"]["state"], "ACTIVATED");
  const auto again = read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 15]> g (float[1,4] x) => (float[1,4] y) { [m] y = Mul(x, x) })");
  read_text(*again, json.dump());
  EXPECT_EQ(again->find_node("m")->quant_of_input(0), again->find_node("m")->quant_of_input(1));
}

}  // namespace
}  // namespace ppq::test

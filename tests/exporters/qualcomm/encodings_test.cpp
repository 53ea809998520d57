// Encodings JSON of every version: written by hand-computed rules, read back, and written again.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "exporters/exporter.h"
#include "ppq/error.h"
#include "ppq/onnx.h"
#include "ppq/quantizer.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {
namespace {

using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const char* const kNet = R"(<ir_version: 8, opset_import: ["" : 13]>
net (float[1,1,2,2] x) => (float[1,2,2,2] y)
<float[2,1,1,1] w = {1, -2}, float[2] b = {0.5, -0.5}>
{
  c = Conv(x, w, b)
  y = Relu(c)
})";

TensorQuantPtr uint_quant(float scale, float zero_point, int bits = 8) {
  auto quant = std::make_shared<TensorQuant>();
  quant->scheme.bits = bits;
  quant->scheme.quant_max = std::exp2(bits) - 1;
  quant->params = {at::scalar_tensor(scale, at::kFloat), at::scalar_tensor(zero_point, at::kFloat)};
  quant->state = QuantState::Active;
  return quant;
}

TensorQuantPtr per_channel_quant(std::vector<float> scales) {
  auto quant = std::make_shared<TensorQuant>();
  quant->scheme.symmetric = true;
  quant->scheme.quant_min = -128;
  quant->scheme.quant_max = 127;
  quant->scheme.granularity = Granularity::PerChannel;
  quant->params.scale = at::tensor(scales);
  quant->params.offset = at::zeros_like(quant->params.scale);
  quant->state = QuantState::Baked;
  return quant;
}

/// x: scale 0.5, zero point 128. w: int8, one scale a channel. c and y share a 16-bit quantization.
std::unique_ptr<Graph> net() {
  auto graph = read_onnx_text(kNet);
  const auto nodes = graph->nodes();
  const TensorQuantPtr y = uint_quant(0.25f, 0, 16);
  nodes[0]->quantized = nodes[1]->quantized = true;
  nodes[0]->input_quant = {uint_quant(0.5f, 128), per_channel_quant({0.125f, 0.1f}), nullptr};
  nodes[0]->output_quant = {y};
  nodes[1]->input_quant = {y};
  nodes[1]->output_quant = {y};
  return graph;
}

struct Written {
  ExportSummary summary;
  std::string text;
  Json json;
};

Written write(const Graph& graph, const std::string& version, const char* platform = "qnn_htp_int8") {
  const std::string path = temporary_dir("encodings") + "/quantized.table";
  ExportOptions options;
  options.set("encodings", version);
  Written written{find_exporter("encodings").write(graph, find_platform(platform), "", path, options), read_file(path), {}};
  written.json = Json::parse(written.text);
  return written;
}

EncodingsRead read(Graph& graph, const std::string& text, const char* platform = "qnn_htp_int8", bool fixed = false) {
  const std::string path = temporary_dir("encodings") + "/in.json";
  std::ofstream(path) << text;
  return read_encodings(graph, find_platform(platform), path, fixed);
}

std::string read_error(const std::string& text, ErrorKind kind = ErrorKind::Data) {
  auto graph = read_onnx_text(kNet);
  try {
    read(*graph, text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "accepted: " << text;
  return "";
}

std::vector<std::string> keys(const Json& object) {
  std::vector<std::string> names;
  for (const auto& [key, value] : object.items()) names.push_back(key);
  return names;
}

TEST(Encodings, Version061KeyByKey) {
  const Written w = write(*net(), "0.6.1");
  EXPECT_EQ(w.summary.written, 4u);
  EXPECT_THAT(w.summary.missing, ElementsAre());
  EXPECT_THAT(keys(w.json), ElementsAre("version", "activation_encodings", "param_encodings", "quantizer_args"));
  EXPECT_EQ(w.json["version"], "0.6.1");
  EXPECT_THAT(keys(w.json["activation_encodings"]), ElementsAre("x", "c", "y"));
  const Json x = {{"bitwidth", 8},  {"dtype", "int"}, {"is_symmetric", "False"}, {"max", 63.5}, {"min", -64.0},
                  {"offset", -128}, {"scale", 0.5}};
  EXPECT_EQ(w.json["activation_encodings"]["x"], Json::array({x}));
  const Json y = {{"bitwidth", 16}, {"dtype", "int"}, {"is_symmetric", "False"}, {"max", 65535 * 0.25}, {"min", 0.0},
                  {"offset", 0},    {"scale", 0.25}};
  EXPECT_EQ(w.json["activation_encodings"]["c"], Json::array({y}));
  EXPECT_EQ(w.json["activation_encodings"]["y"], Json::array({y}));
  EXPECT_THAT(keys(w.json["param_encodings"]), ElementsAre("w"));  // the bias is the target's own affair
  const Json weight = w.json["param_encodings"]["w"];
  ASSERT_EQ(weight.size(), 2u);
  EXPECT_EQ(weight[0], (Json{{"bitwidth", 8},
                             {"dtype", "int"},
                             {"is_symmetric", "True"},
                             {"max", 127 * 0.125},
                             {"min", -16.0},
                             {"offset", -128},
                             {"scale", 0.125}}));
  const double tenth = static_cast<double>(0.1f);  // exactly the float32
  EXPECT_EQ(weight[1]["scale"].get<double>(), tenth);
  EXPECT_EQ(weight[1]["min"].get<double>(), -128 * tenth);
  EXPECT_EQ(w.json["quantizer_args"], (Json{{"activation_bitwidth", 8},
                                            {"dtype", "int"},
                                            {"is_symmetric", "True"},
                                            {"param_bitwidth", 8},
                                            {"per_channel_quantization", "True"},
                                            {"quant_scheme", "post_training_tf"}}));
}

TEST(Encodings, Version100KeyByKey) {
  const Written w = write(*net(), "1.0.0");
  EXPECT_THAT(keys(w.json), ElementsAre("version", "activation_encodings", "param_encodings", "quantizer_args", "excluded_layers"));
  EXPECT_EQ(w.json["activation_encodings"][0], (Json{{"name", "x"},
                                                     {"enc_type", "PER_TENSOR"},
                                                     {"dtype", "INT"},
                                                     {"bw", 8},
                                                     {"is_sym", false},
                                                     {"scale", {0.5}},
                                                     {"offset", {-128}}}));
  EXPECT_EQ(w.json["param_encodings"][0]["enc_type"], "PER_CHANNEL");
  EXPECT_EQ(w.json["param_encodings"][0]["is_sym"], true);
  EXPECT_EQ(w.json["param_encodings"][0]["offset"], (Json{-128, -128}));
  EXPECT_EQ(w.json["quantizer_args"]["per_channel_quantization"], true);
}

TEST(Encodings, Version200KeyByKeyWithBias) {
  const Written w = write(*net(), "2.0.0");
  EXPECT_THAT(keys(w.json), ElementsAre("version", "encodings"));
  std::map<std::string, Json> by_name;
  for (const Json& entry : w.json["encodings"]) by_name[entry["name"]] = entry;
  EXPECT_EQ(by_name["x"], (Json{{"name", "x"}, {"output_dtype", "uint8"}, {"y_scale", 0.5}, {"y_zero_point", 128}}));
  EXPECT_EQ(by_name["y"], (Json{{"name", "y"}, {"output_dtype", "uint16"}, {"y_scale", 0.25}}));
  const double tenth = static_cast<double>(0.1f);
  EXPECT_EQ(by_name["w"], (Json{{"name", "w"}, {"output_dtype", "int8"}, {"y_scale", {0.125, tenth}}, {"axis", 0}}));
  // input scale × weight scale
  EXPECT_EQ(by_name["b"], (Json{{"name", "b"}, {"output_dtype", "int32"}, {"y_scale", {0.0625, tenth * 0.5}}, {"axis", 0}}));
  EXPECT_EQ(w.summary.written, 5u);
}

TEST(Encodings, WriteReadWriteGivesTheSameBytes) {
  for (const char* version : {"0.6.1", "1.0.0", "2.0.0", "2.1.0"}) {
    const auto original = net();
    const Written first = write(*original, version);
    auto graph = read_onnx_text(kNet);
    const EncodingsRead result = read(*graph, first.text, "qnn_htp_int8", true);
    EXPECT_EQ(result.applied, first.summary.written);
    EXPECT_TRUE(result.unknown.empty());
    EXPECT_EQ(write(*graph, version).text, first.text) << version;
    const Node* conv = graph->nodes()[0];
    ASSERT_TRUE(conv->quant_of_input(0) && conv->quant_of_input(1) && conv->quant_of_output());
    EXPECT_EQ(conv->quant_of_input(0)->params.offset.item<float>(), 128);
    EXPECT_TRUE(conv->quant_of_input(0)->fixed);
    EXPECT_TRUE(at::equal(conv->quant_of_input(1)->params.scale, at::tensor({0.125f, 0.1f})));
    // Relu and the Conv before it agree: one quantization, as before.
    EXPECT_EQ(conv->quant_of_output(), graph->nodes()[1]->quant_of_output());
    // Onto the graph that has them already, too.
    read(*original, first.text);
    EXPECT_EQ(write(*original, version).text, first.text) << version;
  }
}

TEST(Encodings, ReaderKeepsSharingWhereValuesAgreeAndSplitsItElsewhere) {
  auto graph = net();
  const TensorQuantPtr shared = graph->nodes()[0]->quant_of_output();
  Json json = write(*graph, "0.6.1").json;
  read(*graph, json.dump());
  EXPECT_EQ(graph->nodes()[0]->quant_of_output(), shared);
  EXPECT_EQ(graph->nodes()[1]->quant_of_output(), shared);
  json["activation_encodings"]["y"][0] = {{"bitwidth", 8}, {"min", 0.0}, {"max", 255.0}};
  read(*graph, json.dump());
  EXPECT_NE(graph->nodes()[0]->quant_of_output(), graph->nodes()[1]->quant_of_output());
  EXPECT_EQ(graph->nodes()[0]->quant_of_output()->params.scale.item<float>(), 0.25f);
  EXPECT_EQ(graph->nodes()[1]->quant_of_output()->params.scale.item<float>(), 1.0f);
}

TEST(Encodings, ProducerWinsOverItsReaders) {
  auto graph = net();
  graph->nodes()[1]->input_quant = {uint_quant(3, 7)};
  EXPECT_EQ(write(*graph, "0.6.1").json["activation_encodings"]["c"][0]["scale"], 0.25);
  graph->nodes()[0]->output_quant = {nullptr};
  EXPECT_EQ(write(*graph, "0.6.1").json["activation_encodings"]["c"][0]["scale"], 3.0);
}

TEST(Encodings, TensorsWithoutOneAreListed) {
  auto graph = net();
  graph->nodes()[0]->input_quant = {nullptr, nullptr, nullptr};
  graph->nodes()[1]->output_quant = {nullptr};
  const Written w = write(*graph, "0.6.1");
  EXPECT_THAT(w.summary.missing, ElementsAre("x", "w", "y"));
  EXPECT_EQ(w.summary.written, 1u);
}

TEST(Encodings, FloatNodesHaveFloatEntriesAndComeBack) {
  auto graph = net();
  Node* conv = graph->nodes()[0];
  conv->dispatch = Dispatch::Float;
  conv->quantized = false;
  conv->input_quant.clear();
  conv->output_quant.clear();
  graph->nodes()[1]->input_quant = {nullptr};
  const Json kept = {{"bitwidth", 16}, {"dtype", "float"}};
  const Written w = write(*graph, "0.6.1");
  EXPECT_EQ(w.json["activation_encodings"]["c"], Json::array({kept}));
  EXPECT_EQ(w.json["param_encodings"]["w"], Json::array({kept}));
  for (const char* version : {"0.6.1", "1.0.0"}) {
    const std::string text = write(*graph, version).text;
    auto back = read_onnx_text(kNet);
    read(*back, text);
    EXPECT_EQ(back->nodes()[0]->dispatch, Dispatch::Float);
    EXPECT_EQ(write(*back, version).text, text);
  }
}

/// The numbers of AIMET's documentation: scale 0.0055206, min -0.706638, max 0.701118, offset -128.
TEST(Encodings, ReadsTheDocumentedExample) {
  auto graph = read_onnx_text(kNet);
  read(*graph,
       R"({"version": "0.6.1", "activation_encodings": {}, "param_encodings": {"w": [{"bitwidth": 8, "dtype": "int", "is_symmetric": "True",
    "max": 0.7011182904243469, "min": -0.7066389918327332, "offset": -128, "scale": 0.005520617123693228}]}})");
  const TensorQuantPtr w = graph->nodes()[0]->quant_of_input(1);
  ASSERT_TRUE(w);
  EXPECT_EQ(w->params.offset.item<float>(), 0);
  EXPECT_EQ(w->params.scale.item<float>(), 0.005520617123693228f);
  EXPECT_EQ(w->scheme.quant_min, -128);
  EXPECT_EQ(w->scheme.quant_max, 127);
}

TEST(Encodings, OnlyBitwidthMinAndMaxCountInOldFiles) {
  auto graph = read_onnx_text(kNet);
  // No version, and an offset of either sign, as PPQ writes.
  read(
      *graph,
      R"({"activation_encodings": {"x": [{"bitwidth": 8, "max": 63.5, "min": -64.0, "offset": 128, "scale": 0.5}]}, "param_encodings": {}})");
  EXPECT_EQ(graph->nodes()[0]->quant_of_input(0)->params.offset.item<float>(), 128);
  EXPECT_EQ(graph->nodes()[0]->quant_of_input(0)->params.scale.item<float>(), 0.5f);
}

TEST(Encodings, BadFilesAreDataErrors) {
  auto activation = [](const std::string& entry) {
    return R"({"version": "0.6.1", "activation_encodings": {"x": )" + entry + R"(}, "param_encodings": {}})";
  };
  EXPECT_THAT(read_error("{\"version\": \"0.6.1\", "), HasSubstr("not valid JSON"));
  EXPECT_THAT(read_error("[]"), HasSubstr("expected an encodings file"));
  EXPECT_THAT(read_error("{}"), HasSubstr("activation_encodings"));
  EXPECT_THAT(read_error(R"({"version": "3.0.0"})"), AllOf(HasSubstr("3.0.0"), HasSubstr("expected 0.6.1, 1.0.0, 2.0.0 or 2.1.0")));
  EXPECT_THAT(read_error(R"({"version": "2.0.0"})"), HasSubstr("encodings"));
  EXPECT_THAT(read_error(activation("[]")), AllOf(HasSubstr("tensor x"), HasSubstr("empty list")));
  EXPECT_THAT(read_error(activation(R"([{"bitwidth": 8, "min": 0.0}])")), AllOf(HasSubstr("tensor x"), HasSubstr("'max'")));
  EXPECT_THAT(read_error(activation(R"([{"bitwidth": 99, "min": 0.0, "max": 1.0}])")), HasSubstr("99"));
  EXPECT_THAT(read_error(activation(R"([{"bitwidth": 8, "min": 1.0, "max": 1.0}])")), HasSubstr("min < max"));
  EXPECT_THAT(read_error(activation(R"([{"bitwidth": 8, "min": 1.0, "max": 2.0}])")), HasSubstr("must hold 0"));
  EXPECT_THAT(
      read_error(
          R"({"version": "0.6.1", "activation_encodings": {"conv1_out": [{"bitwidth": 8, "min": 0.0, "max": 1.0}]}, "param_encodings": {}})"),
      AllOf(HasSubstr("another model"), HasSubstr("conv1_out")));
  EXPECT_THAT(
      read_error(
          R"({"version": "1.0.0", "activation_encodings": [], "param_encodings": [{"name": "w", "enc_type": "PER_CHANNEL", "dtype": "INT", "bw": 8,
    "is_sym": true, "scale": [1, 1, 1], "offset": [-128, -128, -128]}]})"),
      AllOf(HasSubstr("tensor w"), HasSubstr("got 3 channels, expected 2")));
  EXPECT_THAT(read_error(R"({"version": "2.0.0", "encodings": [{"name": "x", "output_dtype": "float8e4m3fn", "y_scale": 1}]})",
                         ErrorKind::Unsupported),
              HasSubstr("float8e4m3fn"));
  auto graph = read_onnx_text(kNet);
  EXPECT_THROW(read_encodings(*graph, find_platform("qnn_dsp_int8"), "/nonexistent/table.json", false), Error);
}

TEST(Encodings, MalformedEntriesOfEveryVersion) {
  const auto old = [](const std::string& entry) {
    return R"({"version": "0.6.1", "activation_encodings": {"x": [)" + entry + R"(]}, "param_encodings": {}})";
  };
  const auto list = [](const std::string& entry) {
    return R"({"version": "1.0.0", "activation_encodings": [)" + entry + R"(], "param_encodings": []})";
  };
  const auto flat = [](const std::string& entry) { return R"({"version": "2.0.0", "encodings": [)" + entry + "]}"; };
  struct Case {
    std::string text;
    const char* says;
    ErrorKind kind = ErrorKind::Data;
  };
  for (
      const Case& c : {
          Case{R"({"version": "0.6.1"})", "activation_encodings"},
          Case{R"({"version": "0.6.1", "activation_encodings": 3})", "expected its entries"},
          Case{old("7"), "expected an object"},
          Case{old(R"({"bitwidth": "eight", "min": -1, "max": 1})"), "'bitwidth'"},
          Case{old(R"({"bitwidth": 8.5, "min": -1, "max": 1})"), "expected 2 to 32"},
          Case{old(R"({"bitwidth": 8, "min": -1, "max": null})"), "'max'"},
          Case{list("[]"), "without 'name'"},
          Case{list(R"({"name": "x", "bw": 8, "dtype": "INT", "enc_type": "PER_BLOCK", "is_sym": false, "scale": [1], "offset": [0]})"),
               "PER_BLOCK", ErrorKind::Unsupported},
          Case{
              list(
                  R"({"name": "x", "bw": 8, "dtype": "INT", "enc_type": "PER_TENSOR", "is_sym": false, "scale": [1, 2], "offset": [0, 0]})"),
              "same length"},
          Case{list(R"({"name": "x", "bw": 8, "dtype": "INT", "enc_type": "PER_TENSOR", "is_sym": false, "scale": ["a"], "offset": [0]})"),
               "expected numbers"},
          Case{list(R"({"name": "x", "bw": 8, "dtype": "INT", "enc_type": "PER_TENSOR", "is_sym": false, "scale": [0], "offset": [0]})"),
               "expected a positive number"},
          Case{
              list(R"({"name": "x", "bw": 8, "dtype": "INT", "enc_type": "PER_TENSOR", "is_sym": false, "scale": [1e-60], "offset": [0]})"),
              "expected a positive number"},
          Case{flat(R"({"name": "w", "output_dtype": "int8", "y_scale": [1, 1], "axis": 1e300})"), "'axis'"},
          Case{flat(R"({"name": "w", "output_dtype": "int8", "y_scale": [1, 1], "axis": 0.5})"), "'axis'"},
          Case{list(R"({"name": "x", "bw": 8, "dtype": "INT", "enc_type": "PER_TENSOR", "is_sym": false, "scale": [1], "offset": [0.5]})"),
               "expected an integer"},
          Case{list(R"({"name": "x", "bw": 8, "dtype": "INT", "enc_type": "PER_TENSOR", "is_sym": false, "scale": [1], "offset": [-256]})"),
               "offset"},
          Case{flat(R"({"name": "x"})"), "without 'name'"},
          Case{flat(R"({"name": "x", "output_dtype": "uint1", "y_scale": 1})"), "2 to 32 bits"},
          Case{flat(R"({"name": "x", "output_dtype": "uint8", "y_scale": [1, 2], "y_zero_point": [0]})"), "same length"},
          Case{flat(R"({"name": "x", "output_dtype": "uint8", "y_scale": "one"})"), "expected numbers"},
          Case{flat(R"({"name": "x", "output_dtype": "int4", "y_scale": 1, "block_size": 16})"), "block-wise", ErrorKind::Unsupported},
      })
    EXPECT_THAT(read_error(c.text, c.kind), HasSubstr(c.says)) << c.text;
}

TEST(Encodings, UnknownNamesAreListed) {
  auto graph = read_onnx_text(kNet);
  const auto result = read(*graph, R"({"version": "0.6.1", "activation_encodings": {"x": [{"bitwidth": 8, "min": 0.0, "max": 1.0}],
    "z": [{"bitwidth": 8, "min": 0.0, "max": 1.0}]}, "param_encodings": {}})");
  EXPECT_EQ(result.applied, 1u);
  EXPECT_THAT(result.unknown, ElementsAre("z"));
}

TEST(Encodings, FixedOnesSurviveQuantization) {
  auto graph = read_onnx_text(kNet);
  dispatch_graph(*graph, TargetPlatform::QNN_DSP_INT8);
  read(*graph,
       R"({"version": "0.6.1", "activation_encodings": {"x": [{"bitwidth": 8, "min": -8.0, "max": 7.9375}]}, "param_encodings": {}})",
       "qnn_dsp_int8", true);
  TorchExecutor executor(*graph, "cpu");
  const at::Tensor sample = at::ones({1, 1, 2, 2});
  Quantizer(*graph, TargetPlatform::QNN_DSP_INT8).quantize(sample, {sample}, executor, QuantizationSettingFactory::dsp_setting(), 1);
  const Written w = write(*graph, "0.6.1", "qnn_dsp_int8");
  EXPECT_EQ(w.json["activation_encodings"]["x"][0]["scale"], 0.0625);
  EXPECT_EQ(w.json["activation_encodings"]["x"][0]["offset"], -128);
  EXPECT_TRUE(w.json["activation_encodings"].contains("y"));
}

/// PPQ's own tables, on its own model: every scale and zero point arrives as PPQ simulated it.
TEST(Encodings, ReadsTheTablesOfPpq) {
  PPQ_REQUIRE_SHARED();
  for (const std::string name : {"lprnet_ccpd", "resnet20_cifar10"}) {
    const std::string table = shared("goldens/" + name + "/ppq_qnn_minmax/table.json");
    const Json json = Json::parse(read_file(table));
    auto graph = read_onnx(shared("models/" + name + "/model.onnx"));
    const auto result = read_encodings(*graph, find_platform("qnn_dsp_int8"), table, false);
    EXPECT_GT(result.applied, json["activation_encodings"].size() * 9 / 10) << name;
    size_t checked = 0;
    for (const auto& [tensor, entries] : json["activation_encodings"].items()) {
      const Value* value = graph->find_value(tensor);
      if (!value || !value->producer() || !value->producer()->quant_of_output(value->producer_index())) continue;
      const QuantParams& params = value->producer()->quant_of_output(value->producer_index())->params;
      EXPECT_EQ(params.scale.item<float>(), entries[0]["scale"].get<float>()) << tensor;
      EXPECT_EQ(params.offset.item<float>(), entries[0]["offset"].get<float>()) << tensor;
      ++checked;
    }
    EXPECT_GT(checked, 20u) << name;
  }
}

/// A real network, quantized: the table it wrote simulates the same network bit for bit, in every version.
TEST(Encodings, ATableSimulatesWhatWroteIt) {
  PPQ_REQUIRE_SHARED();
  for (const char* platform : {"qnn_dsp_int8", "qnn_htp_int8"}) {
    auto graph = load_onnx_graph(shared("models/mlperf_tiny_resnet8_cifar10/model.onnx"));
    at::manual_seed(1);
    std::vector<at::Tensor> samples;
    for (int i = 0; i < 8; ++i) samples.push_back(at::randn({1, 3, 32, 32}));
    TorchExecutor executor(*graph, "cpu");
    const TargetPlatform id = find_platform(platform).id;
    Quantizer(*graph, id).quantize(samples[0], samples, executor, QuantizationSettingFactory::setting_for(platform), 8);
    const at::Tensor expected = executor.forward(samples[0])[0];
    for (const char* version : {"0.6.1", "1.0.0", "2.0.0", "2.1.0"}) {
      const Written w = write(*graph, version, platform);
      EXPECT_THAT(w.summary.missing, ElementsAre()) << platform;
      auto back = read_onnx_bytes(write_onnx_bytes(*graph));
      read(*back, w.text, platform);
      EXPECT_EQ(write(*back, version, platform).text, w.text) << platform << version;
      TorchExecutor again(*back, "cpu");
      const double noise = (again.forward(samples[0])[0] - expected).square().sum().item<double>() / expected.square().sum().item<double>();
      EXPECT_LT(noise, 1e-9) << platform << version;
    }
  }
}

/// Python's json and plain arithmetic check a written file by AIMET's specification.
TEST(Encodings, AnIndependentReaderAgrees) {
  PPQ_REQUIRE_PYTHON();
  const std::string dir = temporary_dir("encodings_python");
  ExportOptions options;
  for (const char* version : {"0.6.1", "1.0.0", "2.0.0", "2.1.0"}) {
    options.set("encodings", version);
    find_exporter("encodings")
        .write(*net(), find_platform("qnn_htp_int8"), dir + "/" + version + ".onnx", dir + "/" + version + ".json", options);
  }
  run_python(R"(
import sys, json, onnx, numpy as np
d = sys.argv[1] + '/'
grid = {'x': (-64.0, 63.5, 8), 'c': (0, 65535 * .25, 16), 'y': (0, 65535 * .25, 16)}
for v in ('0.6.1', '1.0.0', '2.0.0', '2.1.0'):
    onnx.checker.check_model(onnx.load(d + v + '.onnx'), full_check=True)
    j = json.load(open(d + v + '.json')); got = {}
    if v == '0.6.1':
        for n, e in j['activation_encodings'].items():
            e, = e; assert e['min'] == e['scale'] * e['offset'] and e['max'] == e['scale'] * (2 ** e['bitwidth'] - 1 + e['offset'])
            got[n] = e['min'], e['max'], e['bitwidth']
    elif v == '1.0.0':
        for e in j['activation_encodings']:
            s, = e['scale']; o, = e['offset']
            got[e['name']] = s * o, s * (o + 2 ** e['bw'] - 1), e['bw']
    else:
        for e in j['encodings']:
            if e['output_dtype'].startswith('uint'):
                bits = int(e['output_dtype'][4:]); z = e.get('y_zero_point', 0)
                got[e['name']] = (0 - z) * e['y_scale'], (2 ** bits - 1 - z) * e['y_scale'], bits
    assert got == grid, (v, got)
)",
             {dir});
}

TEST(Exporters, TableAndUnknownNames) {
  EXPECT_STREQ(find_exporter("encodings").name, "encodings");
  try {
    find_exporter("encoding");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_THAT(std::string(error.what()), HasSubstr("encodings"));
  }
  EXPECT_THROW(write(*net(), "0.7.0"), Error);
}

TEST(Exporters, ExportPpqGraphAddsTheSuffix) {
  const std::string dir = temporary_dir("export");
  export_ppq_graph(*net(), TargetPlatform::QNN_DSP_INT8, dir + "/quantized", dir + "/quantized.table");
  EXPECT_EQ(read_onnx(dir + "/quantized.onnx")->node_count(), 2u);
  EXPECT_TRUE(Json::parse(read_file(dir + "/quantized.table")).contains("activation_encodings"));
  export_ppq_graph(*net(), TargetPlatform::QNN_DSP_INT8, dir + "/mobile_0.25");
  EXPECT_EQ(read_onnx(dir + "/mobile_0.25.onnx")->node_count(), 2u);
}

}  // namespace
}  // namespace ppq::test

// Tables as those of other tools: from every format into every other that holds what is there, the same numbers and the same simulation.
#include "job/export_table.h"

#include <filesystem>
#include <fstream>
#include <map>

#include "exporters/exported_tensors.h"
#include "exporters/qdq_read.h"
#include "exporters/table_format.h"
#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::UnorderedElementsAre;

/// A way to say a quantization, and the files that say it.
struct Format {
  const char* name;     ///< an exporter's
  const char* version;  ///< of encodings
  const char* table;    ///< empty: the graph says it
  const char* graph = "quantized.onnx";
};
const Format kFormats[] = {{"encodings", "0.6.1", "quantized.table"},   {"encodings", "1.0.0", "quantized.table"},
                           {"encodings", "2.0.0", "quantized.table"},   {"encodings", "2.1.0", "quantized.table"},
                           {"ppq-json", "0.6.1", "quantized_ppq.json"}, {"onnx-qdq", "0.6.1", "", "quantized_qdq.onnx"}};
const Format kRanges = {"tensorrt-json", "0.6.1", "quantized_tensorrt.json"};

std::unique_ptr<Graph> loaded(const std::string& folder, const Format& format, const PlatformSpec& platform) {
  auto graph = read_onnx(folder + "/" + format.graph);
  if (*format.table)
    read_encodings(*graph, platform, folder + "/" + format.table, false);
  else
    EXPECT_THAT(take_out_pairs(*graph).left, IsEmpty());
  return graph;
}

/// Scales, and how many steps below zero a range begins, which is the same whatever the sign of the integers: (scales, steps, bits).
using Numbers = std::tuple<std::vector<double>, std::vector<double>, int>;
std::map<std::string, Numbers> numbers_of(const Graph& graph) {
  std::map<std::string, Numbers> all;
  for (const ExportedTensor& tensor : exported_tensors(graph)) {
    if (tensor.state != ExportedTensor::State::Quantized || tensor.accumulator) continue;
    const QuantScheme& scheme = tensor.quant->scheme;
    std::vector<double> below;
    for (const int64_t zero_point : zero_points_of(tensor.quant->params))
      below.push_back((scheme.symmetric ? -std::ldexp(1.0, scheme.bits - 1) : scheme.quant_min) - static_cast<double>(zero_point));
    all[tensor.value->name()] = {ppq::numbers_of(tensor.quant->params.scale), below, scheme.bits};
  }
  return all;
}

ExportTableOptions options_of(const std::string& folder, const Format& from, const Format& to, const std::string& output) {
  ExportTableOptions options;
  options.model = folder + "/" + from.graph;
  if (*from.table) options.table = folder + "/" + from.table;
  options.to = {to.name};
  options.encodings = to.version;
  options.output = output;
  return options;
}

class RoundTrips : public testing::TestWithParam<const char*> {
 protected:
  RoundTrips() : platform(find_platform(GetParam())), q(platform) {}
  std::string written(const Format& format) const { return Exported(format.name, q, {{"encodings", format.version}}).folder; }
  void expect_same_simulation(const Graph& a, const Graph& b) const {
    LowerOptions options;
    options.mode = ExecutionMode::Simulated;
    const auto first = lower(a, on_test_device(options)), second = lower(b, on_test_device(options));
    for (const at::Tensor& sample : q.samples)
      EXPECT_TENSOR(run_on_test_device(*second, {sample})[0], run_on_test_device(*first, {sample})[0]);
  }
  const PlatformSpec& platform;
  const QuantizedGraph q;
};

TEST_P(RoundTrips, EveryPairOfFormats) {
  for (const Format& from : kFormats) {
    const std::string folder = written(from);
    const auto source = loaded(folder, from, platform);
    const auto wanted = numbers_of(*source);
    EXPECT_GT(wanted.size(), 12u);
    for (const Format& to : kFormats)
      for (const bool named : {true, false}) {
        SCOPED_TRACE(std::string(from.name) + " " + from.version + " to " + to.name + " " + to.version + (named ? "" : ", no platform"));
        ExportTableOptions options = options_of(folder, from, to, temporary_dir("export_table"));
        if (named) options.platform = platform.name;
        const ExportTableResult result = export_table(options);
        EXPECT_THAT(result.unknown, IsEmpty());
        EXPECT_THAT(result.files, AllOf(Contains(to.graph), Contains("DEPLOY.md")));
        const auto back = loaded(options.output, to, platform);
        EXPECT_EQ(numbers_of(*back), wanted);
        expect_same_simulation(*source, *back);
      }
  }
}

INSTANTIATE_TEST_SUITE_P(Platforms, RoundTrips, testing::Values("qnn_dsp_int8", "qnn_htp_int8", "qnn_htp_a16w8", "qnn_enpu_int8"),
                         [](const auto& info) { return std::string(info.param); });

/// TensorRT's ranges: activations alone, and those of the neighbours of what only moves data.
TEST(ExportTable, RangesOfTensorrt) {
  const QuantizedGraph q(find_platform("trt_int8"));
  const std::string ranges = Exported("tensorrt-json", q).folder;
  const auto source = loaded(ranges, kRanges, q.platform);
  const auto wanted = numbers_of(*source);
  EXPECT_EQ(wanted.count("w1"), 0u);
  EXPECT_EQ(std::get<0>(wanted.at("x")), scales(q.in("conv1")));
  for (const Format& to : kFormats) {
    SCOPED_TRACE(std::string(to.name) + " " + to.version);
    const ExportTableOptions there = options_of(ranges, kRanges, to, temporary_dir("from_ranges"));
    const ExportTableResult result = export_table(there);
    EXPECT_EQ(result.platform, "trt_int8");
    EXPECT_THAT(result.in_float, AllOf(Contains("w1"), Contains("w2"), Contains("w3")));
    const auto between = numbers_of(*loaded(there.output, to, q.platform));
    for (const auto& [name, numbers] : wanted) EXPECT_TRUE(between.count(name) && between.at(name) == numbers) << name;
    const ExportTableOptions back = options_of(there.output, to, kRanges, temporary_dir("to_ranges"));
    export_table(back);
    EXPECT_EQ(read_file(back.output + "/quantized_tensorrt.json"), read_file(ranges + "/quantized_tensorrt.json"));
  }
}

/// A table by hand: names, numbers and what it leaves out.
struct Small {
  std::string folder = temporary_dir("small_table"), model = folder + "/model.onnx", table = folder + "/table.json";
  Small() {
    write_onnx(
        *read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[1,2] x) => (float[1,2] y) <float[2,2] w = {1, 2, 3, 4}> "
                        "{ [fc] h = MatMul(x, w) [act] y = Sigmoid(h) }"),
        model);
  }
  ExportTableOptions options(const std::string& text, std::vector<std::string> to) const {
    write_file(table, text);
    ExportTableOptions options;
    options.model = model, options.table = table, options.output = folder + "/out", options.to = std::move(to);
    return options;
  }
  Error error(const std::string& text, std::vector<std::string> to, const std::string& from = "") const {
    ExportTableOptions given = options(text, std::move(to));
    given.from = from;
    const Error e = thrown([&] { export_table(given); });
    EXPECT_FALSE(std::filesystem::exists(given.output)) << "nothing is written";
    return e;
  }
};
const char* const kTwo = R"({"activation_encodings": {"x": [{"bitwidth": 8, "min": -32, "max": 31.75}],
  "h": [{"bitwidth": 8, "min": -64, "max": 63.5, "is_symmetric": "True"}], "z": [{"bitwidth": 8, "min": 0, "max": 1}]}, "param_encodings": {}})";

TEST(ExportTable, WhatItDoesNotSayStaysFloatAndIsNamed) {
  const Small small;
  const ExportTableResult result = export_table(small.options(kTwo, {"encodings", "ppq-json"}));
  EXPECT_EQ(result.from, "encodings");
  EXPECT_EQ(result.applied, 2u);
  EXPECT_THAT(result.unknown, ElementsAre("z"));
  EXPECT_THAT(result.in_float, UnorderedElementsAre("w", "y"));
  EXPECT_THAT(result.files, ElementsAre("DEPLOY.md", "quantized.onnx", "quantized.table", "quantized_ppq.json"));
  const Json written = Json::parse(read_file(small.folder + "/out/quantized.table"));
  EXPECT_THAT(keys(written["activation_encodings"]), ElementsAre("x", "h"));
  EXPECT_EQ(written["activation_encodings"]["x"][0]["scale"], 0.25);
  EXPECT_EQ(written["activation_encodings"]["x"][0]["offset"], -128);
  EXPECT_THAT(keys(written["param_encodings"]), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(small.folder + "/out/.export-" + std::to_string(::getpid())));
}

TEST(ExportTable, WhatAFormatCannotSayIsRefusedBeforeAnythingIsWritten) {
  const Small small;
  // x has a zero point; the first format could be written.
  Error error = small.error(kTwo, {"encodings", "tensorrt-json"});
  EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("tensor x"), HasSubstr("TensorRT")));
  // A reader with numbers of its own.
  ExportTableOptions pairs;
  pairs.model = small.folder + "/two.onnx", pairs.output = small.folder + "/two", pairs.to = {"encodings"};
  write_onnx(
      *read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[1,2] x) => (float[1,2] y) <float s = {0.5}, float t = {0.25}, "
                      "uint8 z = {128}> { a = Neg(x) q = QuantizeLinear(a, t, z) d = DequantizeLinear(q, t, z) p = QuantizeLinear(d, "
                      "s, z) e = DequantizeLinear(p, s, z) [m] y = Abs(e) }"),
      pairs.model);
  error = thrown([&] { export_table(pairs); });
  EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("tensor a"), HasSubstr("reader m"), HasSubstr("ppq-json")));
  EXPECT_FALSE(std::filesystem::exists(pairs.output));
  pairs.to = {"ppq-json"};
  EXPECT_EQ(export_table(pairs).applied, 2u);
}

TEST(ExportTable, WhatIsWrongWithATable) {
  const Small small;
  const std::vector<std::string> to = {"ppq-json"};
  const auto data = [&](const std::string& text, const char* says) {
    const Error error = small.error(text, to);
    EXPECT_EQ(error.kind(), ErrorKind::Data) << error.what();
    EXPECT_THAT(error.what(), AllOf(HasSubstr("table.json"), HasSubstr(says)));
  };
  data("{", "not valid JSON");
  data("{}", "encodings");
  data(R"({"act_quant_info": []})", "expected ranges by tensor");
  data(R"({"act_quant_info": {"x": "wide"}})", "tensor x");
  data(R"({"act_quant_info": {"x": 0}})", "expected a positive number");
  data(R"({"act_quant_info": {"x": 1e300}})", "expected a positive number");
  data(R"({"act_quant_info": {"other": 1}})", "another model");
  const auto usage = [&](const char* from, const char* says) {
    const Error error = small.error(kTwo, to, from);
    EXPECT_EQ(error.kind(), ErrorKind::Usage);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("--from"), HasSubstr(says)));
  };
  usage("ppq-json", "is encodings: got 'ppq-json'");
  usage("encoding", "did you mean encodings");
  EXPECT_NO_THROW({
    ExportTableOptions options = small.options(kTwo, to);
    options.from = "encodings";
    export_table(options);
  });
}

/// Pairs of a file as the table of its float model, by nodes and tensors: the weights are rounded there, not here.
TEST(ExportTable, PairsAreATableOfTheFloatModel) {
  const QuantizedGraph q(find_platform("qnn_htp_int8"));
  const Exported out("onnx-qdq", q);
  const std::string folder = temporary_dir("pairs_as_table");
  write_onnx(*twelve_ops(), folder + "/float.onnx");
  ExportTableOptions options;
  options.model = folder + "/float.onnx", options.table = out.path("quantized_qdq.onnx"), options.from = "onnx-qdq";
  options.output = folder + "/out", options.to = {"encodings"}, options.encodings = "2.0.0", options.platform = "qnn_htp_int8";
  const ExportTableResult result = export_table(options);
  EXPECT_THAT(result.unknown, IsEmpty());
  auto graph = read_onnx(options.model);
  read_encodings(*graph, q.platform, folder + "/out/quantized.table", false);
  const auto read = read_onnx(out.path("quantized_qdq.onnx"));
  take_out_pairs(*read);
  EXPECT_EQ(numbers_of(*graph), numbers_of(*read));
  // A network without any is no table.
  options.table = options.model;
  EXPECT_THAT(thrown([&] { export_table(options); }).what(), HasSubstr("without QuantizeLinear"));
  options.table = "", options.from = "";
  const Error error = thrown([&] { export_table(options); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_THAT(error.what(), HasSubstr("--table is missing"));
}

}  // namespace
}  // namespace ppq::test

// What every exporter with a table of its own owes: the same bytes twice, no file where it refuses, one clear error where it cannot write.
#include <filesystem>

#include "exporters/twelve_ops.h"

namespace ppq::test {
namespace {

using testing::AllOf;

/// An exporter and a target that it can speak of.
struct TableCase {
  const char* exporter;
  QuantScheme data, weight;
};
void PrintTo(const TableCase& c, std::ostream* out) { *out << c.exporter; }

std::vector<TableCase> cases() {
  const QuantScheme narrow = rules::narrow_symmetric(8), full = rules::signed_symmetric(8), uint8 = rules::unsigned_asymmetric(8);
  return {{"ncnn-table", narrow, rules::per_channel(narrow)},
          {"tensorrt-json", full, rules::per_channel(full)},
          {"ppq-json", uint8, rules::per_channel(full)},
          {"ppl-cuda-json", full, rules::per_channel(full)},
          {"tengine-scale", uint8, uint8},
          {"mnn-json", narrow, rules::per_channel(narrow)},
          {"ascend-record", uint8, full},
          {"nxp", full, rules::per_channel(full)},
          {"snpe-json", uint8, uint8}};
}

class EveryTable : public testing::TestWithParam<TableCase> {
 protected:
  const ExporterRow& row() const { return find_exporter(GetParam().exporter); }
  PlatformSpec spec() const { return target(GetParam().data, GetParam().weight, every_type(), {"Relu", "Clip"}); }
};

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path().filename().string());
  std::sort(files.begin(), files.end());
  return files;
}

TEST_P(EveryTable, SameGraphSameBytes) {
  const QuantizedGraph once(spec()), twice(spec());
  const Exported a(GetParam().exporter, once), b(GetParam().exporter, twice);
  ASSERT_EQ(files_of(a.folder), files_of(b.folder));
  for (const std::string& file : files_of(a.folder)) EXPECT_EQ(a.text(file), b.text(file)) << file;
}

TEST_P(EveryTable, WritesTheFilesThatItSays) {
  const QuantizedGraph q(spec());
  const Exported out(GetParam().exporter, q);
  std::vector<std::string> said;
  for (const ExportFile& file : row().files)
    if (file.name != "quantized.wts") said.push_back(file.name);  // on request
  std::sort(said.begin(), said.end());
  EXPECT_EQ(files_of(out.folder), said);
  EXPECT_EQ(out.summary.files.size(), said.size());
  EXPECT_GT(out.summary.written, 0u);
}

TEST_P(EveryTable, TheGraphAloneWithoutAPlaceForTheTable) {
  const QuantizedGraph q(spec());
  const std::string folder = temporary_dir("graph_alone");
  row().write(*q.graph, q.platform, folder + "/net.onnx", "", {});
  EXPECT_EQ(files_of(folder), std::vector<std::string>{"net.onnx"});
  EXPECT_EQ(row().write(*q.graph, q.platform, "", "", {}).files.size(), 0u);
}

TEST_P(EveryTable, WhatItCannotSayLeavesNoFile) {
  Quantizing q("(float[1,2,4,4] x, float[2,2,1,1] w) => (float[1,2,4,4] y)", "[n] y = Conv(x, w)", {"w"});
  auto data = active(0.5, 0);
  data->scheme.granularity = Granularity::PerBlock;
  q.node("n").quantized = true;
  q.node("n").input_quant = {data, active(0.5, 0, -127, 127)};
  q.node("n").output_quant = {data};
  const std::string folder = temporary_dir("refused");
  const Error error = thrown([&] { row().write(*q.graph, q.platform, folder + "/net.onnx", folder + "/net.table", {}); });
  EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("tensor "), HasSubstr("a scale a block")));
  EXPECT_EQ(files_of(folder), std::vector<std::string>());
}

TEST_P(EveryTable, WhatCannotBeWrittenIsAResourceError) {
  const QuantizedGraph q(spec());
  const std::string folder = temporary_dir("unwritable");
  write_file(folder + "/file", "");
  for (const std::string& path : {folder + "/file/net", std::string("/dev/full")}) {
    const bool table = row().writes(ExportFile::Kind::Table);
    // A table whose ending decides on its name gets none at a device.
    if (path == "/dev/full" && (!table || std::string(row().name) == "ascend-record")) continue;
    const Error error = thrown([&] { row().write(*q.graph, q.platform, table ? "" : path, table ? path : "", {}); });
    EXPECT_EQ(error.kind(), ErrorKind::Resource) << path;
    EXPECT_THAT(error.what(), HasSubstr(path == "/dev/full" ? path : folder + "/file"));
  }
  EXPECT_EQ(files_of(folder), std::vector<std::string>{"file"});
}

/// Before calibration: what a target's usual data is, is known from its rules.
TEST_P(EveryTable, TargetsThatItCannotSpeakOfAreRefusedAtOnce) {
  if (std::string(row().name) == "ppq-json") {
    EXPECT_EQ(row().require, nullptr) << "it takes any";
    return;
  }
  EXPECT_NO_THROW(row().require(spec()));
  for (const QuantScheme& data : {rules::per_channel(GetParam().data), rules::unsigned_asymmetric(16)}) {
    const Error error = thrown([&] { row().require(target(data, GetParam().weight, every_type())); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("platform target"), HasSubstr("expected")));
  }
  PlatformSpec weights_only = spec();
  std::erase_if(weights_only.slots, [](const SlotRule& rule) { return rule.role == SlotRole::Data; });
  EXPECT_NO_THROW(row().require(weights_only));
}

TEST_P(EveryTable, TheGuideNamesItsFiles) {
  const auto graph = twelve_ops();
  const std::string guide = row().guide(*graph, spec(), {});
  EXPECT_EQ(guide.substr(0, 2), "# ");
  EXPECT_THAT(guide, HasSubstr(row().files.back().name == "quantized.wts" ? "quantized_tensorrt.cache" : row().files.back().name));
}

INSTANTIATE_TEST_SUITE_P(Rows, EveryTable, testing::ValuesIn(cases()), [](const auto& info) {
  std::string name = info.param.exporter;
  for (char& c : name)
    if (c == '-') c = '_';
  return name;
});

/// Each is written once, and found again.
TEST(TableCases, TensOfThousandsOfTensors) {
  constexpr int kNodes = 20000;
  Graph graph;
  graph.name = "chain", graph.opsets = {{"", 13}};
  Value* value = graph.add_value("x");
  value->dtype = DataType::Float, value->shape = Shape{{1, ""}, {4, ""}};
  graph.add_input(value);
  for (int i = 0; i < kNodes; ++i) {
    Value* next = graph.add_value("t" + std::to_string(i));
    next->dtype = DataType::Float, next->shape = value->shape;
    Node* node = graph.add_node("Neg", "n" + std::to_string(i), {value}, {next});
    node->quantized = true;
    node->input_quant = {i ? value->producer()->output_quant[0] : active(0.5, 0, -128, 127)};
    node->output_quant = {active(0.25, 0, -128, 127)};
    value = next;
  }
  graph.add_output(value);
  const PlatformSpec platform = target(rules::signed_symmetric(8), rules::signed_symmetric(8), {"Neg"});
  const std::string folder = temporary_dir("thousands");
  const auto written = [&](const std::string& exporter) {
    find_exporter(exporter).write(graph, platform, "", folder + "/" + exporter, {});
    return nlohmann::json::parse(read_file(folder + "/" + exporter));  // the ordered kind searches for every member
  };
  for (const auto& [exporter, section] :
       {std::pair("ppq-json", "values"), {"ppl-cuda-json", "quant_info"}, {"tensorrt-json", "act_quant_info"}})
    EXPECT_EQ(written(exporter)[section].size(), kNodes + 1u) << exporter;
  EXPECT_EQ(written("snpe-json").size(), kNodes + 1u);
  const auto again = graph.clone();
  EXPECT_EQ(read_encodings(*again, platform, folder + "/ppq-json", false).applied, 2u * kNodes);
}

TEST(TableCases, NoRowIsLeftOut) {
  std::set<std::string> rows, tested = {"encodings", "onnx", "onnx-qdq", "onnx-qoperator"};
  for (const ExporterRow& row : exporter_table()) rows.insert(row.name);
  for (const TableCase& c : cases()) tested.insert(c.exporter);
  EXPECT_EQ(rows, tested);
}

}  // namespace
}  // namespace ppq::test

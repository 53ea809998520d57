// What each platform makes of each operator, slot by slot, against the tables in tests/platforms/golden. The tables are
// yesterday's output: they say that nothing has changed, not that it is right (configure_quantization_test and table_test do).
// PPQ_UPDATE_GOLDEN=1 writes them anew; look at the difference before it is committed.
#include "platforms/golden_cases.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include "core/file.h"
#include "ppq/ppq.h"

namespace ppq::test {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

const char* name_of(Dispatch dispatch) {
  switch (dispatch) {
    case Dispatch::Quantized:
      return "quantized";
    case Dispatch::Float:
      return "float";
    case Dispatch::ShapeOrIndex:
      return "shape-or-index";
    default:
      return "by platform";
  }
}

const char* name_of(Rounding rounding) {
  static const char* const names[] = {"half-even", "half-up", "half-down", "half-to-zero", "half-away", "nearest", "up", "down"};
  return names[static_cast<size_t>(rounding)];
}

std::string granularity_of(const QuantScheme& scheme) {
  if (scheme.granularity == Granularity::PerTensor) return "per-tensor";
  if (scheme.granularity == Granularity::PerChannel) return "per-channel(" + std::to_string(scheme.axis) + ")";
  return "per-block(" + std::to_string(scheme.axis) + ", " + std::to_string(scheme.block_size) + ")";
}

/// One TensorQuant. `identity` is the same where slots share it.
std::string describe(const TensorQuant& quant, size_t identity) {
  const QuantScheme& scheme = quant.scheme;
  std::string text = "#" + std::to_string(identity) + " " + ppq::name_of(quant.state) + " " + std::to_string(scheme.bits) +
                     (scheme.quant_min < 0 ? " signed " : " unsigned ") + number(scheme.quant_min) + ".." + number(scheme.quant_max) +
                     (scheme.symmetric ? " symmetric " : " asymmetric ") + granularity_of(scheme) +
                     (scheme.power_of_two ? " power-of-two " : " ") + name_of(scheme.rounding) + " " + scheme.observer;
  if (scheme.format == NumberFormat::Floating) text += " exponent " + std::to_string(scheme.exponent_bits);
  if (scheme.dynamic) text += " dynamic";
  if (scheme.min_range > 0) text += " min-range " + number(scheme.min_range);
  if (quant.fixed) text += " fixed " + number(quant.params.scale.item<double>()) + "/" + number(quant.params.offset.item<double>());
  if (!quant.exported) text += " not-exported";
  return text + " of " + quant.observed;
}

std::unique_ptr<Graph> read(const GoldenCase& c) {
  const std::string text = std::string("<ir_version: 9, opset_import: [\"\" : 20]> g ") + c.signature + " {" + c.body + "}";
  auto graph = read_onnx_text(text, {.infer_shapes = c.checked, .check = c.checked});
  const std::vector<Value*> inputs = graph->inputs();
  for (Value* value : inputs) {
    if (std::string("wbk").find(value->name()[0]) == std::string::npos) continue;
    std::vector<int64_t> sizes;
    for (const Dim& dim : *value->shape) sizes.push_back(dim.value);
    graph->remove_input(value);
    graph->make_constant(value, at::ones(sizes, at::kFloat));
  }
  return graph;
}

std::string describe(const Graph& graph) {
  std::vector<TensorQuantPtr> known;
  std::string text;
  auto slots = [&](const char* kind, const std::vector<Value*>& values, const std::vector<TensorQuantPtr>& quants) {
    for (size_t i = 0; i < values.size(); ++i) {
      const TensorQuantPtr quant = i < quants.size() ? quants[i] : nullptr;
      std::string line = "    " + (kind + std::to_string(i)) + " " + (values[i] ? values[i]->name() : "-") + ": ";
      if (quant) {
        auto place = std::find(known.begin(), known.end(), quant);
        if (place == known.end()) place = known.insert(known.end(), quant);
        line += describe(*quant, static_cast<size_t>(place - known.begin()) + 1);
      } else {
        line += "none";
      }
      text += line + "\n";
    }
  };
  for (const Node* node : graph.nodes()) {
    text += "  " + node->op_type + ": " + name_of(node->dispatch) + (node->quantized ? ", integer" : "") + "\n";
    slots("in", node->inputs(), node->input_quant);
    slots("out", node->outputs(), node->output_quant);
  }
  return text;
}

std::string run_case(const GoldenCase& c, const PlatformSpec& platform) {
  const auto graph = read(c);
  dispatch_graph(*graph, platform.id, c.how == GoldenCase::Fused ? "conservative" : "allin");
  if (c.how == GoldenCase::Forced)
    for (Node* node : graph->nodes()) node->dispatch = Dispatch::Quantized;
  QuantizationSetting setting;
  setting.extra.bits = c.bits;
  PassContext context;
  context.platform = &platform;
  context.setting = &setting;
  std::vector<std::string> passes = {"configure-quantization"};
  if (c.how == GoldenCase::Fused) passes.insert(passes.end(), {"fuse-quantization", "simplify-quantization"});
  run_passes(*graph, passes, context);
  return std::string(c.title) + "\n" + describe(*graph);
}

std::string setting_line(const PlatformSpec& platform) {
  const QuantizationSetting setting = QuantizationSettingFactory::setting_for(platform.name);
  const FusionSetting& fusion = setting.fusion_setting;
  return "setting: equalization " + std::string(setting.equalization ? "on" : "off") + ", bias correction " +
         (setting.bias_correct ? "on" : "off") + ", observer " + setting.quantize_activation_setting.calib_algorithm + ", Add " +
         fusion.align_elementwise_to + ", Concat " + fusion.align_concat_to + ", AveragePool " + fusion.align_avgpooling_to + ", Resize " +
         fusion.align_resize_to + "\n";
}

std::string golden_table(const PlatformSpec& platform) {
  std::string text = platform.name + ": " + platform.summary + "\n" + setting_line(platform) + "exporters:";
  for (const std::string& exporter : platform.exporters) text += " " + exporter;
  text += "\n";
  for (const auto& cases :
       {computing_cases(), pointwise_cases(), spatial_cases(), movement_cases(), other_cases(), chain_cases(), further_cases()})
    for (const GoldenCase& c : cases) text += "\n" + run_case(c, platform);
  return text;
}

/// The first lines that differ, with the title they stand under.
std::string first_difference(const std::string& now, const std::string& before) {
  std::string title, line_now, line_before;
  std::istringstream a(now), b(before);
  while (true) {
    const bool more_now = static_cast<bool>(std::getline(a, line_now)), more_before = static_cast<bool>(std::getline(b, line_before));
    if (!more_now && !more_before) return "";
    if (!more_now || !more_before || line_now != line_before)
      return title + "\n  was " + (more_before ? line_before : "the end") + "\n  now " + (more_now ? line_now : "the end");
    if (!line_now.empty() && line_now[0] != ' ') title = line_now;
  }
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const PlatformSpec& spec : platform_table()) all.push_back(spec.name);
  return all;
}

class GoldenTable : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTable, IsUnchanged) {
  const std::string path = std::string(PPQ_SOURCE_DIR) + "/tests/platforms/golden/" + GetParam() + ".txt";
  const std::string now = golden_table(find_platform(GetParam()));
  if (const char* update = std::getenv("PPQ_UPDATE_GOLDEN"); update && *update == '1') {
    write_file(path, now);
    GTEST_SKIP() << "wrote " << path;
  }
  ASSERT_TRUE(std::filesystem::exists(path)) << "write it with PPQ_UPDATE_GOLDEN=1";
  EXPECT_EQ(first_difference(now, read_file(path)), "");
  EXPECT_TRUE(now == read_file(path)) << "bytes";
}

INSTANTIATE_TEST_SUITE_P(Platforms, GoldenTable, testing::ValuesIn(names()), [](const auto& info) { return info.param; });

/// Nothing a platform lists is left out of the tables.
TEST(GoldenCases, HoldEveryTypeOfTheTables) {
  std::set<std::string> met;
  for (const auto& cases : {computing_cases(), pointwise_cases(), spatial_cases(), movement_cases(), further_cases()})
    for (const GoldenCase& c : cases) {
      const auto graph = read(c);
      for (const Node* node : graph->nodes()) met.insert(node->op_type);
    }
  for (const PlatformSpec& platform : platform_table())
    for (const std::string& type : platform.quant_types) EXPECT_TRUE(met.count(type)) << platform.name << ": " << type;
}

}  // namespace
}  // namespace ppq::test

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "ppq/onnx.h"
#include "ppq/quantizer.h"
#include "support/sample_platform.h"
#include "support/share.h"

namespace ppq::test {
namespace {

using testing::HasSubstr;

/// x → Gemm → y, with scales that print exactly.
std::unique_ptr<Graph> network() {
  auto graph = read_onnx_text(
      "<ir_version: 8, opset_import: [\"\" : 17]> g (float[1,2] x) => (float[1,2] y) <float[2,2] w = {1, 2, 3, 4}> { [gemm] y = Gemm(x, w) "
      "}");
  Node& gemm = *graph->find_node("gemm");
  gemm.quantized = true;
  for (double scale : {0.5, 0.25}) {
    auto quant = std::make_shared<TensorQuant>();
    quant->params = {at::scalar_tensor(scale, at::kFloat), at::scalar_tensor(0, at::kFloat)};
    quant->state = QuantState::Active;
    gemm.input_quant.push_back(quant);
  }
  return graph;
}

TEST(ExportPpqGraph, WritesWhatThePlatformsExporterWrites) {
  const std::string folder = temporary_dir("own_exporter");
  export_ppq_graph(*network(), sample_platform(), folder + "/net", folder + "/net.txt");
  EXPECT_EQ(read_file(folder + "/net.txt"), "x 0.500000\nw 0.250000\n");
  EXPECT_EQ(read_onnx(folder + "/net.onnx")->node_count(), 1u);
}

TEST(ExportPpqGraph, OfAPlatformOfTheTableToo) {
  const std::string folder = temporary_dir("dsp_exporter");
  export_ppq_graph(*network(), TargetPlatform::QNN_DSP_INT8, folder + "/net.onnx", folder + "/net.json");
  EXPECT_THAT(read_file(folder + "/net.json"), HasSubstr("\"0.6.1\""));
}

TEST(ExportPpqGraph, WithoutAPlaceForTheTableTheGraphAlone) {
  const std::string folder = temporary_dir("graph_alone");
  for (const PlatformSpec& platform : {sample_platform(), find_platform("qnn_htp_int8")})
    export_ppq_graph(*network(), platform, folder + "/" + platform.name);
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path().filename().string());
  EXPECT_THAT(files, testing::UnorderedElementsAre("sample.onnx", "qnn_htp_int8.onnx"));
}

TEST(ExportPpqGraph, TheTableAloneWithoutAPlaceForTheGraph) {
  const std::string folder = temporary_dir("table_alone");
  export_ppq_graph(*network(), sample_platform(), "", folder + "/net.txt");
  EXPECT_EQ(read_file(folder + "/net.txt"), "x 0.500000\nw 0.250000\n");
}

}  // namespace
}  // namespace ppq::test

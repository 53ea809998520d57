#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/file.h"
#include "exporters/exporter.h"
#include "exporters/qualcomm/deploy.h"
#include "ppq/error.h"
#include "ppq/onnx.h"
#include "support/sample_platform.h"
#include "support/thrown.h"

namespace ppq::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::unique_ptr<Graph> network() {
  return read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> net (float[1,4] x) => (float[1,4] y) { y = Relu(x) })");
}

TEST(ExporterTable, EveryRowSaysWhatItWrites) {
  for (const ExporterRow& row : exporter_table()) {
    SCOPED_TRACE(row.name);
    EXPECT_EQ(&find_exporter(row.name), &row);
    EXPECT_STRNE(row.summary, "");
    EXPECT_FALSE(row.files.empty());
    for (const ExportFile& file : row.files) EXPECT_FALSE(file.name.empty() || file.what.empty());
  }
  EXPECT_TRUE(find_exporter("encodings").writes(ExportFile::Kind::Table));
  EXPECT_FALSE(find_exporter("onnx").writes(ExportFile::Kind::Table));
}

TEST(ExporterTable, APlatformsOwnComeFirst) {
  const PlatformSpec platform = sample_platform();
  EXPECT_EQ(&find_exporter("scales", &platform), &scales_exporter());
  EXPECT_EQ(&find_exporter("onnx", &platform), &find_exporter("onnx"));
  const Error error = thrown([] { find_exporter("scales", nullptr, "--export"); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_EQ(error.where(), "--export");
  EXPECT_THAT(thrown([&] { find_exporter("scale", &platform); }).hint(), HasSubstr("scales"));
}

/// What a visitor sees of a row.
struct Seen final : OptionVisitor {
  std::map<std::string, std::string> defaults;
  void field(const char* name, std::string& member, const std::vector<std::string>& choices, const char* summary) override {
    EXPECT_NE(std::find(choices.begin(), choices.end(), member), choices.end()) << name << ": the default is no choice";
    EXPECT_STRNE(summary, "");
    defaults[name] = member;
  }
  void field(const char* name, bool& member, const char*) override { defaults[name] = member ? "true" : "false"; }
};

TEST(ExportOptions, AreVisitedWithTheirDefaults) {
  Seen seen;
  find_exporter("encodings").options(seen);
  EXPECT_EQ(seen.defaults, (std::map<std::string, std::string>{{"encodings", "0.6.1"}, {"int32-bias", "true"}}));
}

TEST(ExportOptions, WhatNoExporterHasAndWhatAnOptionCannotBeAreErrors) {
  ExportOptions options;
  options.set("encodings", "2.0.0");
  EXPECT_NO_THROW(check_options(options));
  options.set("encodings", "2.0", "--encodings");
  Error error = thrown([&] { check_options(options); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_EQ(error.where(), "--encodings");
  EXPECT_THAT(error.what(), AllOf(HasSubstr("'2.0'"), HasSubstr("0.6.1, 1.0.0, 2.0.0 or 2.1.0")));
  EXPECT_THAT(error.hint(), HasSubstr("2.0.0"));
  options.set("encodings", "1.0.0");
  options.set("int32-bias", "yes");
  EXPECT_THAT(thrown([&] { check_options(options); }).what(), AllOf(HasSubstr("export option int32-bias"), HasSubstr("true or false")));
  options.set("int32-bias", "false");
  options.set("encoding", "1.0.0");
  error = thrown([&] { check_options(options); });
  EXPECT_EQ(error.kind(), ErrorKind::Usage);
  EXPECT_THAT(error.what(), AllOf(HasSubstr("'encoding'"), HasSubstr("encodings")));
}

TEST(ExportOptions, APlatformsOwnExportersHaveSomeToo) {
  const PlatformSpec platform = sample_platform();
  ExportOptions options;
  options.set("order", "name");
  EXPECT_NO_THROW(check_options(options, &platform));
  EXPECT_EQ(thrown([&] { check_options(options); }).kind(), ErrorKind::Usage);
}

TEST(ExportOptions, AnExporterLeavesTheOthersOptions) {
  ExportOptions options;
  options.set("order", "name");
  EXPECT_NO_THROW(find_exporter("encodings").write(*network(), find_platform("qnn_dsp_int8"), "", "", options));
}

TEST(DeploymentGuide, IsTheExporters) {
  const auto graph = network();
  const PlatformSpec &dsp = find_platform("qnn_dsp_int8"), sample = sample_platform();
  EXPECT_EQ(deployment_guide(*graph, dsp, dsp.exporters, {}), deploy_guide(*graph, dsp, {}));
  EXPECT_EQ(deployment_guide(*graph, sample, sample.exporters, {}), "# net on sample\n");
  const std::string plain = deployment_guide(*graph, dsp, {"onnx"}, {});
  EXPECT_THAT(plain, AllOf(HasSubstr("qnn_dsp_int8"), HasSubstr("`quantized.onnx`"), Not(HasSubstr("snpe")))) << "no guide: the files";
}

}  // namespace
}  // namespace ppq::test

#include "support/onnxruntime_cases.h"
#include "support/device.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "core/file.h"
#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "support/places.h"
#include "support/python.h"
#include "support/share.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;

Tensors read_all(const fs::path& folder, const std::string& stem, size_t count) {
  Tensors tensors;
  for (size_t i = 0; i < count; ++i) tensors.push_back(read_tensor_proto((folder / (stem + "_" + std::to_string(i) + ".pb")).string()));
  return tensors;
}

std::string disagreement(const at::Tensor& actual, const at::Tensor& expected) {
  std::ostringstream text;
  if (!actual.defined()) return "no output";
  if (actual.scalar_type() != expected.scalar_type())
    text << "got " << actual.scalar_type() << ", expected " << expected.scalar_type();
  else if (actual.sizes() != expected.sizes())
    text << "got shape " << actual.sizes() << ", expected " << expected.sizes();
  if (!text.str().empty() || actual.numel() == 0) return text.str();
  const at::Tensor a = actual.to(at::kDouble), e = expected.to(at::kDouble);
  const bool floating = at::isFloatingType(expected.scalar_type());
  const double allowed = floating ? 1e-5 * std::max(1e-3, e.abs().max().item<double>()) : 0;
  const at::Tensor distance = (a - e).abs().nan_to_num(1e30);
  if (distance.max().item<double>() > allowed) {
    const int64_t at = distance.argmax().item<int64_t>();
    text << (distance > allowed).sum().item<int64_t>() << " of " << a.numel() << " elements differ, worst at " << at << ": got "
         << a.reshape(-1)[at].item<double>() << ", expected " << e.reshape(-1)[at].item<double>();
  }
  return text.str();
}

std::string run_case(const fs::path& folder) {
  try {
    const auto graph = read_onnx((folder / "model.onnx").string(), {.infer_shapes = false, .check = false});
    const Tensors expected = read_all(folder, "output", graph->outputs().size());
    const Tensors actual = run_on_test_device(*lower(*graph, on_test_device()), read_all(folder, "input", graph->inputs().size()));
    for (size_t i = 0; i < expected.size(); ++i)
      if (const std::string text = disagreement(actual[i], expected[i]); !text.empty()) return "output " + std::to_string(i) + ": " + text;
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

void expect_agreement_with_onnxruntime(const std::string& family) {
  const std::string folder = temporary_dir(family);
  std::string script;
  for (const char* part : {"exact_products", "integer_product_cases", "onnxruntime_tensor_cases", "onnxruntime_cases"})
    script += read_file(source_dir() + "/tests/ops/" + std::string(part) + ".py");
  run_python(script, {family, folder});
  std::vector<fs::path> cases;
  for (const auto& entry : fs::directory_iterator(folder)) cases.push_back(entry.path());
  std::sort(cases.begin(), cases.end());
  ASSERT_GE(cases.size(), 20u) << family;
  for (const fs::path& path : cases)
    EXPECT_EQ(run_case(path), "") << path.filename().string() << " " << read_file((path / "attributes.txt").string());
}

}  // namespace ppq::test

// onnx's own node tests: every folder holds a small model, inputs, and the outputs expected from them. Each folder is
// read, lowered, run and compared; folders that cannot run are listed with their reason, and any other that does not run
// is a failure. PPQ_NODE_FILTER=text runs only the folders whose name contains the text.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "node_data_left_out.h"
#include "ppq/error.h"
#include "ppq/executor.h"
#include "ppq/onnx.h"
#include "support/device.h"
#include "support/places.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;
constexpr int kShards = 8;

std::vector<std::string> folders() {
  std::vector<std::string> names;
  const char* filter = std::getenv("PPQ_NODE_FILTER");
  if (fs::is_directory(node_tests()))
    for (const auto& entry : fs::directory_iterator(node_tests())) {
      const std::string name = entry.path().filename().string();
      if (entry.is_directory() && (!filter || name.find(filter) != std::string::npos)) names.push_back(name);
    }
  std::sort(names.begin(), names.end());
  return names;
}

bool matches(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  const auto head = pattern.substr(0, star), tail = pattern.substr(star + 1);
  return name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

const LeftOut* left_out(std::string_view name) {
  for (const LeftOut& entry : kLeftOut)
    if (matches(entry.folder, name)) return &entry;
  return nullptr;
}

enum class Compare { Values, FourDigits, ShapeOnly };

template <class List>
bool is_in(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

Compare comparison_of(std::string_view name) {
  if (is_in(kRandom, name)) return Compare::ShapeOnly;
  return is_in(kFourDigits, name) ? Compare::FourDigits : Compare::Values;
}

struct Tolerance {
  double relative, absolute;
};

/// 16-bit types by the width of their mantissa. (onnx's own runner takes 1e-3 and 1e-7 for all.)
Tolerance tolerance_of(at::ScalarType type, Compare how) {
  if (how == Compare::FourDigits) return {1e-3, 1e-4};
  if (type == at::kHalf) return {5e-3, 1e-3};
  if (type == at::kBFloat16) return {2e-2, 1e-2};
  return {1e-4, 2e-6};
}

/// An empty text when the tensors agree. Integers and 8-bit floats must be equal.
std::string difference(const at::Tensor& actual, const at::Tensor& expected, Compare how) {
  std::ostringstream text;
  if (!actual.defined()) return "no output";
  if (actual.scalar_type() != expected.scalar_type())
    text << "got " << actual.scalar_type() << ", expected " << expected.scalar_type();
  else if (actual.sizes() != expected.sizes())
    text << "got shape " << actual.sizes() << ", expected " << expected.sizes();
  else if (how != Compare::ShapeOnly && actual.numel() > 0) {
    const bool exact = !at::isFloatingType(actual.scalar_type()) || actual.element_size() == 1;
    if (at::isIntegralType(actual.scalar_type(), true)) {
      const auto same = actual.to(at::kLong).eq(expected.to(at::kLong));
      if (!same.all().item<bool>()) text << same.logical_not().sum().item<int64_t>() << " elements differ";
      return text.str();
    }
    const at::Tensor a = actual.to(at::kDouble), e = expected.to(at::kDouble);
    const auto [relative, absolute] = exact ? Tolerance{0, 0} : tolerance_of(actual.scalar_type(), how);
    const auto same = at::isclose(a, e, relative, absolute, /*equal_nan=*/true);
    if (!same.all().item<bool>()) {
      const auto worst = at::sub(a, e).abs().nan_to_num(1e30).argmax();
      text << same.logical_not().sum().item<int64_t>() << " of " << a.numel() << " elements differ, worst: got "
           << a.reshape(-1)[worst].item<double>() << ", expected " << e.reshape(-1)[worst].item<double>();
    }
  }
  return text.str();
}

Tensors read_tensors(const fs::path& folder, const char* stem, size_t count) {
  Tensors tensors;
  for (size_t i = 0; i < count; ++i) tensors.push_back(read_tensor_proto((folder / (stem + std::to_string(i) + ".pb")).string()));
  return tensors;
}

/// Four-dimensional tensors as convolutions leave them: the same numbers, channels last in memory.
Tensors channels_last(const Tensors& tensors) {
  Tensors list;
  for (const auto& t : tensors)
    list.push_back(t.defined() && t.dim() == 4 && t.numel() > 0 ? t.contiguous(at::MemoryFormat::ChannelsLast) : t);
  return list;
}

/// Runs one folder; an empty text means that every output is as expected.
std::string run_folder(const std::string& name) {
  const fs::path folder = fs::path(node_tests()) / name;
  try {
    const auto graph = read_onnx((folder / "model.onnx").string(), {.infer_shapes = false, .check = false});
    if (const auto missing = unsupported_nodes(*graph); !missing.empty()) return "unsupported: " + missing.front();
    const Compare how = comparison_of(name);
    const auto program = lower(*graph, on_test_device());
    for (int set = 0; fs::exists(folder / ("test_data_set_" + std::to_string(set))); ++set) {
      const fs::path data = folder / ("test_data_set_" + std::to_string(set));
      const Tensors inputs = read_tensors(data, "input_", graph->inputs().size());
      const Tensors expected = read_tensors(data, "output_", graph->outputs().size());
      std::vector<at::Tensor> kept;
      for (const auto& input : inputs) kept.push_back(input.clone());
      const Tensors actual = run_on_test_device(*program, inputs);
      if (std::any_of(inputs.begin(), inputs.end(), [](const auto& t) { return t.dim() == 4; })) {
        const Tensors other = run_on_test_device(*program, channels_last(inputs));
        for (size_t i = 0; i < std::min(expected.size(), other.size()); ++i)
          if (auto text = difference(other[i], expected[i], how); !text.empty())
            return "channels last: output " + std::to_string(i) + ": " + text;
      }
      if (actual.size() != expected.size()) return "got " + std::to_string(actual.size()) + " outputs";
      for (size_t i = 0; i < expected.size(); ++i)
        if (auto text = difference(actual[i], expected[i], how); !text.empty()) return "output " + std::to_string(i) + ": " + text;
      for (size_t i = 0; i < inputs.size(); ++i)
        if (!difference(inputs[i], kept[i], Compare::Values).empty()) return "input " + std::to_string(i) + " was written into";
    }
    return "";
  } catch (const std::exception& error) {
    return std::string(error.what()).substr(0, 300);
  }
}

class NodeData : public ::testing::TestWithParam<int> {};

TEST_P(NodeData, AgreesWithOnnx) {
  const auto names = folders();
  if (!std::getenv("PPQ_NODE_FILTER")) {
    ASSERT_GT(names.size(), 1000u) << "no node tests at " << node_tests();
  }
  size_t ran = 0, skipped = 0;
  for (size_t i = 0; i < names.size(); ++i) {
    if (static_cast<int>(i % kShards) != GetParam()) continue;
    const std::string problem = run_folder(names[i]);
    const LeftOut* reason = left_out(names[i]);
    if (reason) {
      ++skipped;
      EXPECT_NE(problem, "") << names[i] << " passes, but is listed as left out (" << reason->reason << ")";
    } else {
      ++ran;
      EXPECT_EQ(problem, "") << names[i];
    }
  }
  std::cout << "node data, shard " << GetParam() << ": " << ran << " folders ran, " << skipped << " left out\n";
}

INSTANTIATE_TEST_SUITE_P(Shards, NodeData, ::testing::Range(0, kShards));

TEST(NodeDataList, NamesOnlyExistingFolders) {
  if (std::getenv("PPQ_NODE_FILTER")) GTEST_SKIP() << "PPQ_NODE_FILTER is set";
  const auto names = folders();
  for (const LeftOut& entry : kLeftOut)
    EXPECT_TRUE(std::any_of(names.begin(), names.end(), [&](const auto& n) { return matches(entry.folder, n); })) << entry.folder;
  for (auto name : kRandom) EXPECT_TRUE(is_in(names, name)) << name;
  for (auto name : kFourDigits) EXPECT_TRUE(is_in(names, name)) << name;
}

}  // namespace
}  // namespace ppq::test

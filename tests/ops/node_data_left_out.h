#pragma once

#include <array>
#include <string_view>

namespace ppq::test {

/// Folders of onnx's node tests that do not run, with the reason. A trailing '*' stands for any ending.
struct LeftOut {
  std::string_view folder, reason;
};

inline constexpr const char* kStrings = "string tensors";
inline constexpr const char* kSequences = "sequence and optional types";
inline constexpr const char* kSubByte = "LibTorch has no arithmetic tensors of this type (sub-byte)";
inline constexpr const char* kTraining = "training operators";
inline constexpr const char* kNewer = "opset newer than 23";
inline constexpr const char* kMachineLearning = "ai.onnx.ml";

inline constexpr std::array kLeftOut = std::to_array<LeftOut>({
    {"test_ai_onnx_ml_*", kMachineLearning},
});

/// Folders whose result is random: only shape and dtype are compared.
inline constexpr std::array kRandom = std::to_array<std::string_view>({
    "test_bernoulli",
    "test_bernoulli_double",
    "test_bernoulli_double_expanded",
    "test_bernoulli_expanded",
    "test_bernoulli_seed",
    "test_bernoulli_seed_expanded",
});

}  // namespace ppq::test

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "onnx/proto.h"

namespace ppq {

// onnx's shape inference takes memory for what a file merely claims. These keep nodes out of its sight, in a domain that it does not know.

/// Throws Model where an operator takes the rank of its result from the length of a shape, and that length is known and above 64.
void check_rank_lengths(const onnx::ModelProto& model);

/// While one lives, nodes that read or give vectors longer than any shape are hidden, their types being those that are inferred without the
/// propagation of data: that would make a dimension of each element.
class LongVectors {
 public:
  explicit LongVectors(onnx::ModelProto& model);
  ~LongVectors();
  LongVectors(const LongVectors&) = delete;

 private:
  onnx::ModelProto& model_;
  std::vector<std::pair<onnx::NodeProto*, std::string>> hidden_;
};

}  // namespace ppq

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ppq {

/// What `ppq_torch export` is told, by the names of its options. Empty: not given.
struct ExportTableOptions {
  std::string model, table, from, platform, output;
  std::vector<std::string> to;
  std::string encodings = "0.6.1";
  std::vector<std::string> export_option;
  std::vector<std::pair<std::string, std::vector<int64_t>>> input_shapes;
};

struct ExportTableResult {
  std::string from;                   ///< the table's format
  std::string platform;               ///< whose rules say what the table does not
  size_t applied = 0;                 ///< what the table says
  std::vector<std::string> unknown;   ///< names in the table that the model does not have
  std::vector<std::string> in_float;  ///< tensors of which it says nothing
  std::vector<std::string> left;      ///< QuantizeLinear and DequantizeLinear that say no quantization of a tensor
  std::vector<std::string> files;     ///< names in the output folder
};

/// A table of one tool as another's, without samples: reads it onto the model, or takes the pairs out of a model that has some, and writes
/// what the formats `to` hold, with DEPLOY.md. Throws Usage, Model, Data, Resource, and Unsupported where a format cannot say what is
/// there; no file is written then.
ExportTableResult export_table(const ExportTableOptions& options);

}  // namespace ppq

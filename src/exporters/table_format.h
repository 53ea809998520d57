#pragma once

#include <string>
#include <utility>
#include <vector>

#include "exporters/exported_tensors.h"
#include "exporters/exporter.h"

// What exporters with a table of one number a tensor (or a channel) have in common.

namespace ppq {

/// What a table's format means by its numbers. It holds no range of integers and no kind, so another one would be read wrongly.
struct TableFormat {
  const char* name;                                 ///< what errors call it: "ncnn's table"
  std::vector<std::pair<double, double>> integers;  ///< ranges that its reader computes in
  bool zero_point = false;                          ///< has one beside the scale
  bool channels = false;                            ///< has a number a channel
};
/// Throws Unsupported, with the tensor's name, for a quantization that the format cannot say.
void require_sayable(const std::string& tensor, const QuantScheme& scheme, const QuantParams& params, const TableFormat& format);
/// The same of a target's usual data, with the platform's name.
void require_sayable(const PlatformSpec& platform, const TableFormat& format);

/// A scale or an offset as numbers: one, or one a channel.
std::vector<double> numbers_of(const at::Tensor& tensor);
/// Offsets, as whole numbers; as many as there are scales.
std::vector<int64_t> zero_points_of(const QuantParams& params);
/// The quantization at input `index`, or where the reader has none of its own what is written for the value; null: float.
TensorQuantPtr quant_read(const Node& node, size_t index);
/// A layer's bias, which targets work out by the scales of input and weight, whether or not it has numbers of its own.
bool feeds_a_bias(const Value& value);
/// "0.0123456789": as many digits as a float32 has.
std::string float_text(double number);
/// Throws Unsupported for names with a character of `separators`, which end a word in the format.
void require_plain_name(const std::string& name, const char* what, const char* separators, const TableFormat& format);

/// `path` with another ending: "net.json" → "net.scale".
std::string with_ending(const std::string& path, const std::string& ending);
/// A file in the folder of `path`.
std::string beside(const std::string& path, const std::string& name);

/// Tensors without a quantization go into the summary, with the reasons.
void note_missing(const Graph& graph, ExportSummary& summary);
void note_missing(const std::string& tensor, const std::string& reason, ExportSummary& summary);

/// Writes the graph, where its path is not empty, and files whose bytes are there already: what a format cannot say leaves no file.
void write_files(const Graph& graph, const std::string& graph_path, const std::vector<std::pair<std::string, std::string>>& files,
                 ExportSummary& summary);

}  // namespace ppq

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exporters/exporter.h"

namespace ppq {

/// One entry of an encodings file, whatever its version. Offsets are counted in an unsigned grid, as Qualcomm's tools
/// do: real = scale × (q + offset) with q in 0 .. 2^bits - 1, so offset is in -(2^bits - 1) .. 0.
struct Encoding {
  std::string name;
  bool parameter = false;
  bool bias = false;      ///< an int32 bias (version 2 only)
  bool floating = false;  ///< stays float; only `bits` counts
  int bits = 8;
  bool symmetric = false;  ///< a signed grid with zero point 0
  bool per_channel = false;
  int axis = -1;  ///< of per-channel entries; -1 where the format does not say (0.6.1, 1.0.0)
  std::vector<double> scale;
  std::vector<int64_t> offset;
};

/// 2.1.0 has the entries of 2.0.0, and scales that are quantized themselves, which a scale a tensor or a channel does not need.
inline bool is_version_2(const std::string& version) { return version == "2.0.0" || version == "2.1.0"; }

struct EncodingFile {
  std::string version;                   ///< "0.6.1", "1.0.0", "2.0.0", "2.1.0"
  std::vector<Encoding> encodings;       ///< in graph order
  std::vector<std::string> float_nodes;  ///< excluded_layers of 1.0.0
};

struct EncodingsOptions {
  std::string encodings = "0.6.1";
  bool int32_bias = true;
  void visit(OptionVisitor& visitor) {
    visitor.field("encodings", encodings, {"0.6.1", "1.0.0", "2.0.0", "2.1.0"}, "version of the encodings JSON");
    visitor.field("int32-bias", int32_bias, "int32 bias entries where the version's reader needs them (2.0.0, 2.1.0)");
  }
};

/// Every encoding of a quantized graph, and in `summary` the tensors that have none. Nodes kept float on request give float entries for
/// their outputs and weights. Throws Unsupported for schemes the format has no words for (per block, floating).
std::vector<Encoding> collect_encodings(const Graph& graph, const EncodingsOptions& options, ExportSummary& summary);

/// The JSON text of one version; floats are printed so that reading gives the same float32 back.
std::string encodings_to_json(const EncodingFile& file, const PlatformSpec& platform);
/// Reads any version; `where` names the file in errors. Throws Data, and Unsupported for entry types without support.
EncodingFile encodings_from_json(const std::string& text, const std::string& where);

/// Puts encodings onto the graph's slots (see read_encodings).
EncodingsRead apply_encodings(Graph& graph, const PlatformSpec& platform, const EncodingFile& file, bool fixed, const std::string& where);

}  // namespace ppq

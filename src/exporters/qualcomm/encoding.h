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
  bool bias = false;      ///< an int32 bias (2.0.0 only)
  bool floating = false;  ///< stays float; only `bits` counts
  int bits = 8;
  bool symmetric = false;  ///< a signed grid with zero point 0
  bool per_channel = false;
  int axis = -1;  ///< of per-channel entries; -1 where the format does not say (0.6.1, 1.0.0)
  std::vector<double> scale;
  std::vector<int64_t> offset;
};

struct EncodingFile {
  std::string version;                   ///< "0.6.1", "1.0.0", "2.0.0"
  std::vector<Encoding> encodings;       ///< in graph order
  std::vector<std::string> float_nodes;  ///< excluded_layers of 1.0.0
};

/// Every encoding of a quantized graph, and the tensors that have none. Where a tensor's producer and its readers
/// disagree, the producer's quantization is written; without one (graph inputs, float producers), the first reader's.
/// Nodes kept float on request give float entries for their outputs and weights. Throws Unsupported for schemes the
/// format has no words for (per block, floating).
std::vector<Encoding> collect_encodings(const Graph& graph, const ExportOptions& options, std::vector<std::string>& missing);
std::vector<std::string> float_nodes(const Graph& graph);

/// The JSON text of one version; floats are printed so that reading gives the same float32 back.
std::string encodings_to_json(const EncodingFile& file, const PlatformSpec& platform);
/// Reads any version; `where` names the file in errors. Throws Data, and Unsupported for entry types without support.
EncodingFile encodings_from_json(const std::string& text, const std::string& where);

/// Puts encodings onto the graph's slots (see read_encodings).
EncodingsRead apply_encodings(Graph& graph, const PlatformSpec& platform, const EncodingFile& file, bool fixed, const std::string& where);

ExportSummary write_encodings_table(const Graph& graph, const PlatformSpec& platform, const std::string& graph_path,
                                    const std::string& table_path, const ExportOptions& options);
ExportSummary write_graph_only(const Graph& graph, const PlatformSpec& platform, const std::string& graph_path,
                               const std::string& table_path, const ExportOptions& options);

}  // namespace ppq

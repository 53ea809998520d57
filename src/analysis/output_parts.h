#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "calibration/measure.h"
#include "ppq/graph.h"

namespace ppq {

/// A stretch of a tensor.
struct PartPlace {
  int64_t axis, begin, length;
};

/// A tensor that became a part of a graph output.
struct OutputPart {
  std::string name;               ///< of the tensor that was joined
  std::vector<PartPlace> places;  ///< where it lies, one inside the other
  Measure measure;
};

/// The tensors that Concats joined to an output, also below other Concats, Transpose and Identity. Less than two where it was computed in
/// one piece, or where declared shapes do not say where its parts lie.
std::vector<OutputPart> parts_of_output(const Value& output);

}  // namespace ppq

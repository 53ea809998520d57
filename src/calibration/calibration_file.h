#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ppq/pass.h"
#include "ppq/quant.h"

namespace ppq::passes {

/// What one observer made of one tensor.
struct CalibratedTensor {
  std::string tensor, observer;
  QuantParams params;
};

/// Writes the numbers of a finished calibration with the checkpoint's fingerprint. Does nothing without a file name.
void save_calibration(const Checkpoint& checkpoint, const std::vector<CalibratedTensor>& tensors);
/// The numbers, exact to the bit, where the checkpoint wants to resume and its file is there; else nothing, and `why` says why
/// unless nothing was asked for. An unreadable file counts as absent. Throws Usage where the file was written with another
/// fingerprint: old and new numbers are never mixed. A fingerprint that is a JSON object names the parts that differ.
std::optional<std::vector<CalibratedTensor>> load_calibration(const Checkpoint& checkpoint, std::string& why);

}  // namespace ppq::passes

#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace ppq::fuzz {

/// What became of a model.
struct Outcome {
  int code = 0;        ///< 0: all of it was done; else the exit code of the error
  bool fault = false;  ///< anything but an error that tells what is wrong with the file
  std::string text;    ///< of the error
};

/// Reads `folder`/model.onnx, runs it, quantizes it for a platform that `choice` picks, exports it, and reads the table back, spoilt and
/// whole; `stage` hears what is being done.
Outcome examine(const std::string& folder, uint64_t choice, const std::function<void(const char*)>& stage);

/// What needs doing once, before processes are forked: no thread may come of it.
void warm_up();

}  // namespace ppq::fuzz

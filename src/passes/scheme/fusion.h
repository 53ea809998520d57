#pragma once

#include "graph/readers.h"
#include "ppq/platform.h"

namespace ppq::passes {

/// Whether the target computes `activation` in one go with the operation before it, so that only its output is ever formed in
/// integers: its type is one of the target's activations, and nobody else reads what it reads.
bool joins_producer(const Node& activation, const PlatformSpec& platform, const Pinned& pinned);

}  // namespace ppq::passes

#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <bit>
#include <variant>

#include "ops/op.h"

namespace ppq::ops {

/// Random numbers of one node. They start from the node's `seed` attribute, or else from its name, so every execution of a
/// node draws the same numbers: float and quantized runs of a network stay comparable.
class Seed {
 public:
  explicit Seed(const OpSpec& spec) {
    if (const AttrValue* seed = spec.node.attributes.find("seed")) {
      const auto* integer = std::get_if<int64_t>(seed);  // Dropout; a float elsewhere
      value_ = integer ? static_cast<uint64_t>(*integer) : std::bit_cast<uint32_t>(spec.node.attributes.get_float("seed", 0));
    } else {
      value_ = 14695981039346656037u;  // FNV-1a, the same on every platform
      for (unsigned char c : spec.node.name) value_ = (value_ ^ c) * 1099511628211u;
    }
  }
  at::Generator generator() const { return at::detail::createCPUGenerator(value_); }

 private:
  uint64_t value_;
};

}  // namespace ppq::ops

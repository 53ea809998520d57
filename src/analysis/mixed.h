#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/sensitivity.h"

namespace ppq {

/// A network with some of its layers at more bits, as measured.
struct MixedPoint {
  size_t layers = 0;                ///< that were moved
  double noise = 0;                 ///< noise over signal of the worst output
  std::optional<double> agreement;  ///< top-1 agreement of the worst output of scores; nullopt: there is none
  double macs_share = 0;            ///< multiply-accumulates that left the platform's width by it
};

/// What a search for mixed precision found (--auto-mixed).
struct MixedPrecision {
  struct Layer {
    LayerSensitivity sensitivity;
    bool to_float = false;  ///< else 16 bits
  };
  std::string budget;
  bool met = false;
  std::vector<Layer> layers;      ///< that were moved, the most sensitive first
  std::string options;            ///< that give the same network without a search
  MixedPoint before, after;       ///< the network without them, and the one that was written
  std::vector<MixedPoint> curve;  ///< networks that were tried, from few layers to many
  double seconds = 0;             ///< of the search
};

nlohmann::ordered_json to_json(const MixedPrecision& mixed);
nlohmann::ordered_json to_json(const std::vector<LayerSensitivity>& layers);
/// Two lines of the summary.
std::string to_summary(const MixedPrecision& mixed);

}  // namespace ppq

#include <algorithm>

#include "observers/observers.h"
#include "ppq/error.h"

namespace ppq {

const std::vector<ObserverRow>& observer_table() {
  using namespace observers;
  static const std::vector<ObserverRow> rows = {
      {"minmax", "smallest and largest value", minmax},
      {"minmax-extended", "smallest and largest value, and how much further more samples would reach where there are fewer than 32",
       minmax_extended},
      {"percentile", "99.99 % of each sample, averaged over samples (PPQ's default)", percentile},
      {"percentile-global", "99.99 % of all values seen", percentile_global},
      {"mse", "the range with the smallest squared quantization error", mse},
      {"kl", "the range that changes the distribution least, near the smallest squared error", kl},
      {"ppq-mse", "PPQ 0.6.6's mse search, bin for bin", ppq_mse},
      {"ppq-kl", "PPQ 0.6.6's kl search, bin for bin (symmetric schemes)", ppq_kl},
      {"isotone", "keeps the largest element of each row largest (Softmax inputs and outputs)", isotone},
      {"constant", "scale 1 (minifloat formats)", constant},
      {"floating", "power-of-two scale with the smallest error, or largest value (minifloat formats)", floating},
  };
  return rows;
}

std::unique_ptr<Observer> make_observer(const std::string& name, const QuantScheme& scheme, const std::string& tensor) {
  std::string wanted = name;
  std::transform(wanted.begin(), wanted.end(), wanted.begin(), [](unsigned char c) { return c == '_' ? '-' : std::tolower(c); });
  std::vector<std::string> names;
  for (const ObserverRow& row : observer_table()) {
    if (wanted == row.name) return row.make(scheme, tensor);
    names.push_back(row.name);
  }
  throw Error(ErrorKind::Usage, "observer", "unknown observer '" + name + "'", did_you_mean(name, names));
}

}  // namespace ppq

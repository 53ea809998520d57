#include <algorithm>
#include <map>

#include "ppq/error.h"
#include "ppq/pass.h"

namespace ppq {
namespace {

/// Where a pass stands in the table; the table's size for others.
size_t rank(const std::string& name) {
  const auto& rows = pass_table();
  return static_cast<size_t>(std::find_if(rows.begin(), rows.end(), [&](const PassRow& row) { return name == row.name; }) - rows.begin());
}

/// The passes of the table that run: those that the setting wants, with what its `passes` add and take away.
std::vector<std::string> pipeline(bool cleans_up, const QuantizationSetting& setting) {
  std::vector<std::string> names;
  for (const PassRow& row : pass_table()) {
    if ((row.phase == Phase::CleanUp) != cleans_up) continue;
    const auto said = setting.extra.passes.find(row.name);
    if (said != setting.extra.passes.end() ? said->second : row.wanted && row.wanted(setting)) names.push_back(row.name);
  }
  return names;
}

/// The target's own passes, unless the setting takes them away. Of those with one place the first listed runs first.
void add_own(std::vector<std::string>& names, const PlatformSpec& platform, const QuantizationSetting& setting) {
  for (const TargetPass& own : platform.passes) {
    const auto said = setting.extra.passes.find(own.name);
    if (said != setting.extra.passes.end() && !said->second) continue;
    if (std::find(names.begin(), names.end(), own.name) != names.end()) continue;
    const std::string& next = own.before.empty() && !own.make ? own.name : own.before;
    if (!next.empty() && rank(next) == pass_table().size())
      throw Error(ErrorKind::Internal, "platform " + platform.name,
                  "place of the pass '" + own.name + "': there is no pass '" + next + "'");
    // The first pass that the table has there or behind it.
    const auto place = std::find_if(names.begin(), names.end(),
                                    [&](const std::string& n) { return rank(n) >= rank(next) && rank(n) < pass_table().size(); });
    names.insert(next.empty() ? names.end() : place, own.name);
  }
}

}  // namespace

std::vector<std::string> cleanup_pipeline() { return cleanup_pipeline({}); }

std::vector<std::string> cleanup_pipeline(const QuantizationSetting& setting) { return pipeline(true, setting); }

std::vector<std::string> quantization_pipeline(const PlatformSpec& platform, const QuantizationSetting& setting) {
  for (const auto& [name, wanted] : setting.extra.passes)
    if (rank(name) == pass_table().size()) make_pass(name, &platform, "setting ppq_torch.passes");  // throws where nobody has it
  std::vector<std::string> names = pipeline(false, setting);
  add_own(names, platform, setting);
  return names;
}

}  // namespace ppq

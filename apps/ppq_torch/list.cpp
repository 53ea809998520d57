#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <thread>

#include "commands.h"
#include "exporters/exporter.h"
#include "kernels/kernels.h"
#include "observers/observer.h"
#include "ops/op.h"
#include "ppq/error.h"
#include "ppq/executor.h"
#include "ppq/pass.h"
#include "ppq/platform.h"
#include "ppq/setting.h"

namespace ppq::app {
namespace {

struct Item {
  std::string name, summary;
};
using Items = std::vector<Item>;

Items list_ops() {
  Items items;
  for (const auto& row : ops::all_ops()) {
    const std::string name = row.domain[0] ? std::string(row.domain) + "." + row.type : row.type;
    if (!items.empty() && items.back().name == name)
      items.back().summary += ", " + std::to_string(row.since);
    else
      items.push_back({name, "opset " + std::to_string(row.since)});
  }
  return items;
}

template <class Table>
Items list_table(const Table& table) {
  Items items;
  for (const auto& row : table) items.push_back({row.name, row.summary});
  return items;
}

Items list_settings() {
  Items items;
  for (const auto& name : QuantizationSettingFactory::names()) {
    const QuantizationSetting s = QuantizationSettingFactory::by_name(name);
    items.push_back({name, std::string("equalization ") + (s.equalization ? "on" : "off") + ", fusion " + (s.fusion ? "on" : "off") +
                               ", bias correction " + (s.bias_correct ? "on" : "off")});
  }
  return items;
}

/// As ATEN_CPU_CAPABILITY spells it: default, avx2, avx512.
std::string libtorch_instruction_set() {
  std::string name = at::get_cpu_capability();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name;
}

Items list_devices() {
  Items items = {{"cpu", std::to_string(std::thread::hardware_concurrency()) + " threads, kernels: " + kernels::cpu_instruction_set() +
                             ", LibTorch: " + libtorch_instruction_set()}};
  if (!at::hasCUDA() || at::detail::getCUDAHooks().deviceCount() == 0) {
    std::string why;
    try {
      resolve_device("cuda");
    } catch (const Error& e) {
      why = e.problem();
    }
    items.push_back({"cuda", "not available: " + why});
    return items;
  }
  for (int i = 0; i < at::detail::getCUDAHooks().deviceCount(); ++i) items.push_back({"cuda:" + std::to_string(i), "available"});
  return items;
}

Items items_of(const std::string& what) {
  if (what == "ops") return list_ops();
  if (what == "passes") return list_table(pass_table());
  if (what == "observers") return list_table(observer_table());
  if (what == "platforms") return list_table(platform_table());
  if (what == "exporters") return list_table(exporter_table());
  if (what == "settings") return list_settings();
  if (what == "devices") return list_devices();
  throw Error(ErrorKind::Usage, "ppq_torch list", "cannot list '" + what + "'",
              did_you_mean(what, {"ops", "passes", "observers", "platforms", "exporters", "settings", "devices"}));
}

void print(const Items& items, bool json) {
  if (json) {
    nlohmann::ordered_json out = nlohmann::ordered_json::array();
    for (const Item& item : items) out.push_back({{"name", item.name}, {"summary", item.summary}});
    std::puts(out.dump(2).c_str());
    return;
  }
  size_t width = 0;
  for (const Item& item : items) width = std::max(width, item.name.size());
  for (const Item& item : items) std::printf("%-*s  %s\n", static_cast<int>(width), item.name.c_str(), item.summary.c_str());
}

}  // namespace

int list_command(const Args& args) {
  CommandLine line("list WHAT", "List ops, passes, observers, platforms, exporters, settings or devices");
  line.group("List")("json", "machine-readable", cxxopts::value<bool>()->default_value("false"));
  line.add_common();
  std::string what;
  Args rest;
  for (const auto& arg : args) {
    if (what.empty() && arg.rfind("-", 0) != 0)
      what = arg;
    else
      rest.push_back(arg);
  }
  if (!line.parse(rest)) return 0;
  if (what.empty())
    throw Error(ErrorKind::Usage, "ppq_torch list", "what to list is missing",
                "one of ops, passes, observers, platforms, exporters, settings, devices");
  print(items_of(what), line.flag("json"));
  return 0;
}

}  // namespace ppq::app

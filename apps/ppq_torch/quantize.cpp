#include <cstdio>
#include <memory>

#include "commands.h"
#include "core/log.h"
#include "job/options.h"
#include "options.h"
#include "ppq/job.h"

namespace ppq::app {
namespace {

/// One bar for each long step.
class Bars {
 public:
  void operator()(const std::string& what, size_t done, size_t total) {
    if (what != current_) {
      bar_.reset();
      bar_ = std::make_unique<ProgressBar>(what, total, total > 0 ? "samples" : "steps");
      current_ = what;
    }
    if (total > 0) bar_->update(done);
  }
  void finish() { bar_.reset(), current_.clear(); }

 private:
  std::unique_ptr<ProgressBar> bar_;
  std::string current_;
};

void show(const JobPlan& plan) {
  std::printf("model: %zu nodes after clean-up\nplatform: %s\ncalibration: %zu samples\nevaluation: %zu %s\npasses:", plan.nodes,
              plan.platform.c_str(), plan.calibration_samples, plan.evaluation_samples, plan.evaluated_on.c_str());
  for (const auto& pass : plan.passes) std::printf(" %s", pass.c_str());
  std::printf("\noutput: %s\n", plan.output.c_str());
}

}  // namespace

int quantize_command(const Args& args) {
  CommandLine line("quantize", "Quantize a model for a platform: the graph, its parameter table and a report");
  JobOptions options;
  line.declare(options);
  line.group("Output")("dry-run", "read everything, say what would be done, and stop", cxxopts::value<bool>()->default_value("false"))(
      "config", "JSON file of these options; the command line beats it", cxxopts::value<std::string>())(
      "dump-config", "print the effective options as JSON and stop", cxxopts::value<bool>()->default_value("false"));
  line.add_common();
  if (!line.parse(args)) return 0;
  if (line.flag("dump-config")) {
    std::puts(line.effective().dump(2).c_str());
    return 0;
  }
  apply_threads(line);
  for (const char* option : {"model", "calib", "platform"}) line.required(option);
  line.read(options);
  Job job(std::move(options));
  Bars bars;
  job.on_progress([&](const std::string& what, size_t done, size_t total) { bars(what, done, total); });
  job.on_say(log_info, log_debug);
  if (line.flag("dry-run")) {
    show(job.plan());
    return 0;
  }
  const JobResult result = job.run();
  bars.finish();
  for (const Warning& warning : result.warnings) log_warning(line_of(warning));
  std::string files;
  for (const std::string& file : result.files) files += " " + file;
  log_info(result.summary + "\nwrote " + result.output + "/:" + files);
  return 0;
}

}  // namespace ppq::app

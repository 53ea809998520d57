#include <malloc.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "commands.h"
#include "core/last_words.h"
#include "core/log.h"
#include "ops/memory_bound.h"
#include "ppq/error.h"

namespace ppq::app {
namespace {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Args&);
};

constexpr Command kCommands[] = {
    {"quantize", "the main job: quantize a model for a platform (the word may be left out)", quantize_command},
    {"run", "run a model, in float or simulated quantized, and write its outputs", run_command},
    {"analyze", "measure the error of a table, tensor by tensor", analyze_command},
    {"compare", "compare two dumps of tensors by name", compare_command},
    {"export", "write a table of one tool as another's, without samples", export_command},
    {"inspect", "what a model is made of and what is unsupported", inspect_command},
    {"list", "ops, passes, observers, platforms, exporters, settings, devices", list_command},
};

void print_help() {
  std::puts("ppq_torch " PPQ_VERSION ": post-training quantization of ONNX models\n\nusage:");
  std::puts("  ppq_torch --model M.onnx --calib PATH --platform P [...]");
  std::puts("  ppq_torch COMMAND [...]\n\ncommands:");
  for (const Command& command : kCommands) std::printf("  %-10s %s\n", command.name, command.summary);
  std::puts(
      "\nenvironment:\n  PPQ_CPU_KERNELS=scalar|avx2|avx512  instructions of the CPU kernels [the best this machine has; same results]");
  std::puts("\n`ppq_torch COMMAND --help` lists a command's options; `ppq_torch list platforms` the targets.");
}

int dispatch(const Args& args) {
  if (args.empty() || args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    print_help();
    return args.empty() ? exit_code(ErrorKind::Usage) : 0;
  }
  if (args[0] == "--version") {
    std::puts("ppq_torch " PPQ_VERSION);
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (args[0] == command.name) return command.run({args.begin() + 1, args.end()});
    names.emplace_back(command.name);
  }
  if (args[0].rfind("-", 0) == 0) return quantize_command(args);
  throw Error(ErrorKind::Usage, "ppq_torch", "unknown command '" + args[0] + "'", did_you_mean(args[0], names));
}

/// Activations are large and come and go with every step: memory that the process keeps costs no page faults.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, INT_MAX);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
}

}  // namespace
}  // namespace ppq::app

int main(int argc, char** argv) {
  ppq::app::keep_freed_memory();
  ppq::leave_with_last_words();
  // A model of a few bytes may ask for any size: the machine is not to be brought down by it.
  ppq::ops::bound_tensor_memory(ppq::ops::share_of_memory());
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file size limit is a write error like a full disk
  int status = 0;
  try {
    status = ppq::with_error_context(ppq::ErrorKind::Internal, "", [&] { return ppq::app::dispatch({argv + 1, argv + argc}); });
    // A reader that has seen enough (head) is no error.
    if (std::fflush(stdout) != 0 && errno != EPIPE && status == 0)
      throw ppq::Error(ppq::ErrorKind::Resource, "standard output", "cannot be written");
  } catch (const ppq::Error& e) {
    ppq::log_error(e.what());
    status = ppq::exit_code(e.kind());
    std::fflush(nullptr);
  }
  // Without the destructors of LibTorch's globals: they take a quarter of a second, and on a lost device they throw.
  std::_Exit(status);
}

// Runs the library on models that somebody spoilt, in forked children: all that may come out is an error that says what is wrong with
// the file. What a run does is decided by its number (--run), which it prints.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <cxxopts.hpp>
#include <filesystem>
#include <limits>
#include <map>

#include "core/file.h"
#include "fuzz/mutant.h"
#include "fuzz/target.h"
#include "fuzz/watch.h"
#include "support/places.h"

// Leaks are not looked for; an allocation beyond all bounds is a failed one; little freed memory is kept.
extern "C" const char* __asan_default_options() {
  return "detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1:quarantine_size_mb=32:handle_abort=1";
}
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1:halt_on_error=1"; }

namespace ppq::fuzz {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kBatch = 100;

uint64_t today() {
  const std::time_t time = std::time(nullptr);
  const std::tm* day = std::gmtime(&time);
  return static_cast<uint64_t>((day->tm_year + 1900) * 10000 + (day->tm_mon + 1) * 100 + day->tm_mday);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "; ") + word;
  return text;
}

/// Two faults of one kind have one text when numbers and quoted names are left out.
std::string kind_of(const std::string& fault) {
  std::string kind;
  for (const char c : fault)
    if (!std::isdigit(static_cast<unsigned char>(c))) kind += c;
  if (const size_t address = kind.find("==ERROR"); address != std::string::npos) kind.resize(address);
  return kind.substr(0, 200);
}

class Fuzzer {
 public:
  Fuzzer(std::vector<Seed> seeds, uint64_t run, std::string folder, std::string keep, Limits limits)
      : seeds_(std::move(seeds)), run_(run), folder_(std::move(folder)), keep_(std::move(keep)), limits_(limits) {}

  /// Returns how many faults there were.
  size_t go(uint64_t from, uint64_t most, double seconds) {
    const uint64_t end = from + std::min(most, std::numeric_limits<uint64_t>::max() - from);
    const auto start = Clock::now();
    const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    uint64_t next = from;
    while (next < end && elapsed() < seconds) {
      const std::string fault = watch(
          [&] {
            for (uint64_t index = next; index < std::min(next + kBatch, end) && elapsed() < seconds; ++index)
              one(index, recipe_of(run_, index, seeds_.size()));
          },
          limits_, log());
      const uint64_t last = board().index;
      if (!fault.empty()) look_into(last, fault);
      next = last + 1;
    }
    summarize(next - from, elapsed());
    return faults_;
  }

  /// One mutant in this process.
  void show(uint64_t index) {
    const Recipe recipe = recipe_of(run_, index, seeds_.size());
    std::printf("%s: %s\n", seeds_[recipe.seed].name.c_str(), joined(make_mutant(seeds_, recipe).changes).c_str());
    one(index, recipe);
    std::printf("no fault\n");
  }

 private:
  std::string log() const { return folder_ + "/log"; }

  void one(uint64_t index, const Recipe& recipe) {
    begin(index);
    set_stage("mutate");
    const Mutant mutant = make_mutant(seeds_, recipe);
    write_file(folder_ + "/model.onnx", mutant.model);
    write_file(folder_ + "/model.data", mutant.data);
    const Outcome outcome = examine(folder_, run_ + index, set_stage);
    if (outcome.fault) end_with(outcome.text);
    ++board().codes[outcome.code < 8 ? outcome.code : 1];
    if (const size_t peak = peak_bytes(); outcome.code == 0 && peak > board().peak_bytes)
      board().peak_bytes = peak, board().peak_index = index;
  }

  std::string alone(uint64_t index, const Recipe& recipe) {
    return watch([&] { one(index, recipe); }, limits_, log());
  }

  /// The fault with as few changes as show it.
  Recipe minimized(uint64_t index, Recipe recipe, const std::string& kind) {
    for (size_t i = recipe.changes.size(); recipe.changes.size() > 1 && i-- > 0;) {
      Recipe less = recipe;
      less.changes.erase(less.changes.begin() + static_cast<long>(i));
      if (kind_of(alone(index, less)) == kind) recipe = less;
    }
    return recipe;
  }

  void look_into(uint64_t index, const std::string& fault) {
    Recipe recipe = recipe_of(run_, index, seeds_.size());
    const std::string stage = board().stage;
    // Whether a computed condition ever becomes false, nobody can tell.
    if (fault.rfind("takes more than", 0) == 0 && fault.ends_with(" s") && make_mutant(seeds_, recipe).open_loop) {
      ++open_;
      return;
    }
    ++faults_;
    const std::string kind = kind_of(fault);
    // A broken limit says little: of each seed one is kept.
    if (++kinds_[fault.starts_with("takes more") ? kind + ": " + seeds_[recipe.seed].name : kind] > 1) return;
    const std::string again = alone(index, recipe);
    if (kind_of(again) == kind) recipe = minimized(index, recipe, kind);
    const Mutant mutant = make_mutant(seeds_, recipe);
    const std::string place = keep_ + "/" + std::to_string(run_) + "_" + std::to_string(index);
    write_file(place + "/model.onnx", mutant.model);
    write_file(place + "/model.data", mutant.data);
    std::printf("FAULT %s\n  while: %s; %s: %s\n  kept: %s, again: ppq_fuzz --run %llu --mutant %llu%s\n", fault.c_str(), stage.c_str(),
                seeds_[recipe.seed].name.c_str(), joined(mutant.changes).c_str(), place.c_str(), static_cast<unsigned long long>(run_),
                static_cast<unsigned long long>(index), again.empty() ? " (not alone: after the ones before it)" : "");
    std::fflush(stdout);
  }

  void summarize(uint64_t count, double seconds) const {
    std::printf("%llu mutants in %.0f s (%.0f a second), %zu faults of %zu kinds", static_cast<unsigned long long>(count), seconds,
                static_cast<double>(count) / seconds, faults_, kinds_.size());
    constexpr const char* kNames[] = {"done", "", "usage", "model", "unsupported", "data", "resource"};
    for (int code : {0, 2, 3, 4, 5, 6}) std::printf(", %s %llu", kNames[code], static_cast<unsigned long long>(board().codes[code]));
    std::printf("; loops without an end that anybody could know: %zu; most memory of one that was done: %llu MB (mutant %llu)\n", open_,
                static_cast<unsigned long long>(board().peak_bytes >> 20), static_cast<unsigned long long>(board().peak_index));
    for (const auto& [kind, times] : kinds_) std::printf("  %zu times: %s\n", times, kind.c_str());
  }

  std::vector<Seed> seeds_;
  uint64_t run_;
  std::string folder_, keep_;
  Limits limits_;
  size_t faults_ = 0, open_ = 0;
  std::map<std::string, size_t> kinds_;
};

int run(int argc, char** argv) {
  cxxopts::Options options("ppq_fuzz",
                           "Runs the library on spoilt models and looks for crashes, hangs, too much memory and internal errors.");
  options.add_options()("seconds", "how long to go on", cxxopts::value<double>()->default_value("60"))(
      "run", "number that decides all; 0: today's date", cxxopts::value<uint64_t>()->default_value("0"))(
      "from", "first mutant", cxxopts::value<uint64_t>()->default_value("0"))(
      "mutants", "how many at most; 0: as many as there is time for", cxxopts::value<uint64_t>()->default_value("0"))(
      "mutant", "this one alone, in this process", cxxopts::value<uint64_t>())("examine", "this folder's model.onnx alone, in this process",
                                                                               cxxopts::value<std::string>())(
      "only", "seeds whose name contains this", cxxopts::value<std::string>()->default_value(""))(
      "keep", "folder for the models of faults", cxxopts::value<std::string>()->default_value("fuzz-faults"))(
      "limit", "seconds for one mutant", cxxopts::value<double>()->default_value("20"))("memory", "MB for one mutant",
                                                                                        cxxopts::value<size_t>()->default_value("4096"))(
      "models", "more seeds", cxxopts::value<std::vector<std::string>>())("help", "");
  options.parse_positional("models");
  const auto given = options.parse(argc, argv);
  if (given.count("help")) return std::puts(options.help().c_str()), 0;
  warm_up();
  if (given.count("examine")) {
    const Outcome outcome =
        examine(given["examine"].as<std::string>(), given["run"].as<uint64_t>(), [](const char* stage) { std::printf("%s\n", stage); });
    std::printf("%d%s %s\n", outcome.code, outcome.fault ? " FAULT" : "", outcome.text.c_str());
    return outcome.fault;
  }
  std::vector<Seed> seeds = make_seeds(test::node_tests());
  if (given.count("models"))
    for (const std::string& path : given["models"].as<std::vector<std::string>>()) seeds.push_back(read_seed(path));
  std::erase_if(seeds, [&](const Seed& seed) { return seed.name.find(given["only"].as<std::string>()) == std::string::npos; });
  if (seeds.empty()) return std::puts("no seeds"), 2;
  // In memory: what is written is synced, file by file.
  const std::filesystem::path memory = "/dev/shm",
                              place = access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
  const std::string folder = place / ("ppq_fuzz_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const uint64_t number = given["run"].as<uint64_t>() ? given["run"].as<uint64_t>() : today();
  std::printf("run %llu over %zu seeds\n", static_cast<unsigned long long>(number), seeds.size());
  std::fflush(stdout);
  Fuzzer fuzzer(std::move(seeds), number, folder, given["keep"].as<std::string>(),
                {given["limit"].as<double>(), given["memory"].as<size_t>() << 20});
  size_t faults = 0;
  const uint64_t most = given["mutants"].as<uint64_t>();
  if (given.count("mutant"))
    fuzzer.show(given["mutant"].as<uint64_t>());
  else
    faults = fuzzer.go(given["from"].as<uint64_t>(), most ? most : std::numeric_limits<uint64_t>::max(), given["seconds"].as<double>());
  std::filesystem::remove_all(folder);
  return faults > 0;
}

}  // namespace
}  // namespace ppq::fuzz

int main(int argc, char** argv) {
  try {
    return ppq::fuzz::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ppq_fuzz: %s\n", error.what());
    return 2;
  }
}

#include "fuzz/target.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "core/log.h"
#include "data/npy.h"
#include "exporters/exporter.h"
#include "fuzz/mutant.h"
#include "ops/memory_bound.h"
#include "ppq/ppq.h"

namespace ppq::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostElements = 1 << 16;
constexpr int kSamples = 3;
constexpr size_t kMostBytes = size_t{1} << 30;  ///< of all tensors, as the program takes a share of its machine

/// Texts of the libraries underneath: whoever reads them does not learn what is wrong with the file.
bool is_of_the_inside(const std::string& text) {
  constexpr const char* kSigns[] = {"_M_",          "INTERNAL ASSERT", "vector::",          "basic_string::", "bad_variant",
                                    "bad_optional", "map::at",         "bad_function_call", "std::get",       "bad any"};
  return std::any_of(std::begin(kSigns), std::end(kSigns), [&](const char* sign) { return text.find(sign) != std::string::npos; });
}

template <class Body>
Outcome outcome_of(const Body& body) {
  try {
    body();
    return {};
  } catch (const Error& error) {
    return {exit_code(error.kind()), error.kind() == ErrorKind::Internal || is_of_the_inside(error.what()), error.what()};
  } catch (const std::exception& error) {
    const std::string text = error.what();
    return {exit_code(ErrorKind::Internal), true, "not an Error: " + text.substr(0, text.find('\n'))};
  } catch (...) {
    return {exit_code(ErrorKind::Internal), true, "not an exception"};
  }
}

at::Tensor some_tensor(const InputSpec& spec, Random& random) {
  std::vector<int64_t> sizes;
  int64_t count = 1;
  for (const Dim& dim : spec.shape) {
    sizes.push_back(dim.known() ? dim.value : static_cast<int64_t>(1 + random.below(3)));
    if (__builtin_mul_overflow(count, sizes.back(), &count) || count > kMostElements)
      throw Error(ErrorKind::Data, spec.name, "no samples of that size");
  }
  const at::ScalarType type = to_scalar_type(spec.dtype);
  at::manual_seed(random.next());
  if (type == at::kBool || at::isIntegralType(type, false)) return at::randint(0, type == at::kBool ? 2 : 4, sizes, at::kLong).to(type);
  return at::randn(sizes).to(type);
}

/// A list of samples in files.
std::string write_samples(const Graph& graph, const std::string& folder, Random& random) {
  std::string list;
  for (int i = 0; i < kSamples; ++i) {
    size_t k = 0;
    for (const InputSpec& spec : input_specs(graph)) {
      const std::string name = std::to_string(i) + "_" + std::to_string(k++) + ".npy";
      write_npy(folder + "/samples/" + name, some_tensor(spec, random));
      list += spec.name + ":=" + name + " ";
    }
    list += "\n";
  }
  write_file(folder + "/samples/list.txt", list);
  return folder + "/samples/list.txt";
}

void run_float(const Graph& graph, const Dataset& samples) {
  const auto program = lower(graph, {});
  for (size_t i = 0; i < samples.size(); ++i) run(*program, samples.sample(i));
}

JobOptions job_options(const std::string& folder, const std::string& samples, Random& random) {
  constexpr const char* kEncodings[] = {"0.6.1", "1.0.0", "2.0.0"};
  constexpr const char* kOtherExports[] = {"ppq-json", "onnx-qdq"};
  constexpr const char* kObservers[] = {"", "", "", "minmax", "percentile", "mse"};
  JobOptions options;
  options.model = folder + "/model.onnx";
  options.calib = samples;
  options.output = folder + "/out";
  options.platform = random.pick(platform_table()).name;
  options.device = "cpu";
  options.encodings = random.pick(kEncodings);
  options.observer = random.pick(kObservers);
  options.max_memory = "64M";
  if (random.one_in(3)) options.export_formats = {random.pick(kOtherExports)};
  return options;
}

/// The written graph with a table for it, and what is simulated with both.
void read_table(const std::string& folder, const std::string& platform, const std::string& table, const Dataset& samples) {
  auto graph = read_onnx(folder + "/out/quantized.onnx");
  read_encodings(*graph, find_platform(platform), table, false);
  LowerOptions options;
  options.mode = ExecutionMode::Simulated;
  const auto program = lower(*graph, options);
  run(*program, samples.sample(0));
}

}  // namespace

Outcome examine(const std::string& folder, uint64_t choice, const std::function<void(const char*)>& stage) {
  Random random(choice);
  std::unique_ptr<Graph> graph;
  stage("read");
  if (Outcome outcome = outcome_of([&] { graph = read_onnx(folder + "/model.onnx"); }); outcome.code) return outcome;
  stage("write");
  if (Outcome outcome = outcome_of([&] { write_onnx_bytes(*graph); }); outcome.code) return outcome;
  stage("samples");
  std::string list;
  DatasetPtr samples;
  if (Outcome outcome = outcome_of([&] {
        list = write_samples(*graph, folder, random);
        DataOptions data;
        data.native_dtype = true;
        samples = open_dataset(list, input_specs(*graph), data);
      });
      outcome.code)
    return outcome;
  stage("run");
  if (Outcome outcome = outcome_of([&] { run_float(*graph, *samples); }); outcome.code) return outcome;
  const JobOptions options = job_options(folder, list, random);
  stage(("quantize for " + options.platform).c_str());
  fs::remove_all(options.output);
  if (Outcome outcome = outcome_of([&] { Job(options).run(); }); outcome.code) return outcome;
  std::string table = options.output + "/quantized.table";
  if (!fs::exists(table)) table = options.output + "/quantized_ppq.json";
  if (!fs::exists(table)) return {};
  stage("its own table");
  if (Outcome outcome = outcome_of([&] { read_table(folder, options.platform, table, *samples); }); outcome.code) return outcome;
  stage("spoilt table");
  write_file(folder + "/spoilt.table", spoil_table(read_file(table), random));
  return outcome_of([&] { read_table(folder, options.platform, folder + "/spoilt.table", *samples); });
}

void warm_up() {
  configure_log({LogLevel::Quiet, false, false});
  at::set_num_threads(1);
  ops::bound_tensor_memory(kMostBytes);
  read_onnx_text("<ir_version: 8, opset_import: [\"\" : 17]> g (float[1] x) => (float[1] y) { y = Relu(x) }");
}

}  // namespace ppq::fuzz

#include "ppq/quantizer.h"

#include <algorithm>
#include <map>
#include <set>

#include "calibration/batching.h"
#include "calibration/reference.h"
#include "calibration/samples.h"
#include "ppq/error.h"

namespace ppq {
namespace {

constexpr size_t kFewSamples = 8, kManySamples = 512;
// Activations of one batch. On a CPU a batch that leaves the caches is slower than its samples one by one; on a GPU this
// keeps room for weights and workspaces.
constexpr size_t kCpuBatchBytes = size_t{16} << 20, kCudaBatchBytes = size_t{2} << 30;
constexpr size_t kMostBatch = 32;
constexpr size_t kKeptSampleBytes = size_t{256} << 20;  // of decoded samples

/// What a setting asks for and this version has no pass for. Never ignored in silence.
std::vector<std::string> without_a_pass(const QuantizationSetting& setting) {
  std::vector<std::string> names;
  for (const auto& [name, wanted] :
       {std::pair{"lsq_optimization", setting.lsq_optimization}, {"blockwise_reconstruction", setting.blockwise_reconstruction}})
    if (wanted) names.push_back(name);
  return names;
}

}  // namespace

Quantizer::Quantizer(Graph& graph, TargetPlatform platform) : Quantizer(graph, find_platform(platform)) {}

Quantizer::Quantizer(Graph& graph, const PlatformSpec& platform)
    : graph_(&graph), platform_(std::make_shared<const PlatformSpec>(platform)) {}

Graph& Quantizer::quantize(const at::Tensor& inputs, const std::vector<at::Tensor>& calib_dataloader, TorchExecutor& executor,
                           const QuantizationSetting& setting, size_t calib_steps, CollateFn collate_fn) {
  return quantize(Tensors{inputs}, make_dataset(calib_dataloader), executor, setting, calib_steps, std::move(collate_fn));
}

Graph& Quantizer::quantize(const Tensors& inputs, DatasetPtr calib_dataloader, TorchExecutor& executor, const QuantizationSetting& setting,
                           size_t calib_steps, CollateFn collate_fn) {
  if (!calib_dataloader || calib_dataloader->size() == 0)
    throw Error(ErrorKind::Data, "calibration", "no samples", "give at least one sample, better 32 to 512");
  if (calib_steps == 0) throw Error(ErrorKind::Usage, "calib_steps", "got 0, expected at least 1");
  warnings_.clear();
  records_.clear();
  for (const std::string& name : without_a_pass(setting))
    warnings_.push_back({"", "the setting asks for " + name + ", which this version does not have: it was left out"});
  if (collate_fn) calib_dataloader = map_dataset(calib_dataloader, std::move(collate_fn));
  samples_ = std::min(calib_steps, calib_dataloader->size());
  if (samples_ < kFewSamples)
    warnings_.push_back(
        {"few-samples",
         "calibrating with " + std::to_string(samples_) + " sample(s): ranges from fewer than 8 depend on which samples they are",
         {},
         {{"samples", static_cast<double>(samples_)}},
         ""});
  if (samples_ > kManySamples)
    warnings_.push_back(
        {"", "calibrating with " + std::to_string(samples_) + " samples: more than 512 rarely change the ranges and take longer"});
  const auto kept = std::make_shared<SampleSet>(part_of(calib_dataloader, Part::all().first(samples_)), kKeptSampleBytes);
  const DatasetPtr samples = kept;

  check_supported(*graph_);
  original_ = graph_->clone();
  executor.load_graph(*graph_);
  executor.tracing_operation_meta(inputs);
  const auto nodes = graph_->nodes();
  if (std::all_of(nodes.begin(), nodes.end(), [](const Node* n) { return n->dispatch == Dispatch::ByPlatform; }))
    dispatch_graph(*graph_, *platform_, setting.dispatcher);
  // On the CPU a batch fits its caches, and several are worked on at once.
  const size_t memory = executor.device().is_cuda() ? (max_memory_ ? max_memory_ : kCudaBatchBytes)
                                                    : std::min(kCpuBatchBytes, max_memory_ ? max_memory_ : kCpuBatchBytes);
  const BatchChoice batching = choose_batch_size(*graph_, *samples, executor.device(), memory, kMostBatch);
  if (batch_size_ == 0) batch_size_ = batching.batch;

  PassContext context;
  context.platform = platform_.get();
  context.setting = &setting;
  context.calibration = samples;
  context.batch_size = batch_size_;
  context.largest_batch = batching.largest;
  context.sample_bytes = batching.sample_bytes;
  context.max_memory = max_memory_;
  context.device = executor.device();
  context.devices = devices_;
  context.device_graphs = device_graphs_;
  context.work = std::make_shared<Work>();
  context.progress = progress_;
  context.warnings = &warnings_;
  context.verify = verify_;
  context.checkpoint = checkpoint_;
  run_ = context;
  run_.progress = nullptr, run_.warnings = nullptr;
  context.outputs = std::make_shared<Reference>(*original_, samples, context);
  const auto pipeline = quantization_pipeline(*platform_, setting);
  const auto configure = std::find_if(pipeline.begin(), pipeline.end(), [](const std::string& name) {
    const PassRow* row = find_pass(name);
    return row && row->phase == Phase::Quantize;
  });
  records_ = run_passes(*graph_, {pipeline.begin(), configure}, context);
  reference_ = graph_->clone();
  context.reference = reference_.get();
  const auto rest = run_passes(*graph_, {configure, pipeline.end()}, context);
  records_.insert(records_.end(), rest.begin(), rest.end());
  run_.work->decoded = kept->decoded();
  executor.load_graph(*graph_);
  return *graph_;
}

std::string Quantizer::report() const {
  size_t quantized_nodes = 0, configs = 0;
  std::set<const Value*> quantized_values;
  std::map<std::string, size_t> states;
  auto count = [&](const std::vector<TensorQuantPtr>& quants, const std::vector<Value*>& values) {
    for (size_t i = 0; i < quants.size(); ++i) {
      if (!quants[i] || !values[i]) continue;
      ++configs;
      ++states[name_of(quants[i]->state)];
      quantized_values.insert(values[i]);
    }
  };
  for (const Node* node : graph_->nodes()) {
    quantized_nodes += node->quantized;
    count(node->input_quant, node->inputs());
    count(node->output_quant, node->outputs());
  }
  auto line = [](std::string label, size_t number) {
    label.resize(std::max<size_t>(label.size(), 30), ' ');
    return label + "[" + std::to_string(number) + "]\n";
  };
  std::string text = "--------- Network Snapshot ---------\n";
  text += line("Num of Op:", graph_->node_count()) + line("Num of Quantized Op:", quantized_nodes);
  text += line("Num of Variable:", graph_->values().size()) + line("Num of Quantized Var:", quantized_values.size());
  text += "------- Quantization Snapshot ------\n" + line("Num of Quant Config:", configs);
  for (const auto& [state, number] : states) text += line(state + ":", number);
  return text + "Network Quantization Finished.\n";
}

}  // namespace ppq

// PPQ's guide to SNPE's DSP as a program: from an ONNX model and a folder of samples to quantized.onnx and quantized.table.
//
//   deploy_snpe_dsp MODEL FOLDER [cpu|cuda] [CALIB_STEPS]
//
// FOLDER holds raw float32 files (.bin) or .npy files, one sample of the model's input each, [1,3,224,224] for most image
// networks, preprocessed as in training. The table goes to `snpe-onnx-to-dlc --quantization_overrides`.
#include <ATen/ATen.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "ppq/ppq.h"

namespace {

constexpr auto kPlatform = ppq::TargetPlatform::QNN_DSP_INT8;

/// Zeros to trace shapes with; dimensions that the model leaves open are 1.
ppq::Tensors trace_inputs(const ppq::Graph& graph) {
  ppq::Tensors inputs;
  for (const ppq::InputSpec& spec : ppq::input_specs(graph)) {
    std::vector<int64_t> sizes;
    for (const ppq::Dim& dim : spec.shape) sizes.push_back(dim.known() ? dim.value : 1);
    inputs.push_back(at::zeros(sizes, ppq::to_scalar_type(spec.dtype)));
  }
  return inputs;
}

void deploy(const std::string& model, const std::string& folder, const std::string& device, size_t calib_steps) {
  auto graph = ppq::load_onnx_graph(model);
  const ppq::DatasetPtr samples = ppq::open_dataset(folder, ppq::input_specs(*graph), {});

  const ppq::QuantizationSetting setting = ppq::QuantizationSettingFactory::dsp_setting();
  ppq::dispatch_graph(*graph, kPlatform, setting.dispatcher);
  ppq::TorchExecutor executor(*graph, device);
  ppq::Quantizer quantizer(*graph, kPlatform);
  quantizer.quantize(trace_inputs(*graph), samples, executor, setting, calib_steps);

  for (const ppq::Warning& warning : quantizer.warnings()) std::fprintf(stderr, "warning: %s\n", line_of(warning).c_str());
  std::fputs(quantizer.report().c_str(), stdout);
  ppq::export_ppq_graph(*graph, kPlatform, "quantized", "quantized.table");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::fprintf(stderr, "usage: %s MODEL FOLDER [cpu|cuda] [CALIB_STEPS]\n", argv[0]);
    return ppq::exit_code(ppq::ErrorKind::Usage);
  }
  try {
    const long steps = argc > 4 ? std::strtol(argv[4], nullptr, 10) : 32;
    if (steps < 1) throw ppq::Error(ppq::ErrorKind::Usage, "CALIB_STEPS", std::string("got '") + argv[4] + "', expected at least 1");
    deploy(argv[1], argv[2], argc > 3 ? argv[3] : "auto", static_cast<size_t>(steps));
  } catch (const ppq::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return ppq::exit_code(error.kind());
  }
}

// DEPLOY.md. Flags and traps: Qualcomm's SNPE and QAIRT tools pages (2.3x), AIMET's issue tracker.
#include "exporters/deploy.h"

#include <algorithm>
#include <cmath>

#include "exporters/encoding.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// QNN widens smaller ranges to this.
constexpr double kMinRange = 1e-4;

struct Input {
  std::string name;
  std::string dims;       ///< "1,3,224,224", or empty when a dimension is open
  int64_t batch = -1;     ///< -1: free
  size_t rank = 0;
  bool is_float = true;
};

struct Facts {
  std::vector<Input> inputs;
  std::vector<std::string> outputs, missing, odd_names, floats, narrow;
  bool per_channel = false, float_entries = false, image_like = false;
  size_t written = 0, dead_channels = 0;
};

bool is_odd(const std::string& name) {
  return std::any_of(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c) && c != '_'; });
}

Facts facts_of(const Graph& graph, const ExportOptions& options) {
  Facts facts;
  for (const InputSpec& spec : input_specs(graph)) {
    Input input{spec.name, "", spec.shape.empty() || !spec.shape[0].known() ? -1 : spec.shape[0].value, spec.shape.size(), spec.dtype == DataType::Float};
    for (size_t i = 0; i < spec.shape.size(); ++i) {
      if (i > 0 && !spec.shape[i].known()) {
        input.dims.clear();
        break;
      }
      input.dims += (i ? "," : "") + std::to_string(spec.shape[i].known() ? spec.shape[i].value : 1);
    }
    facts.image_like |= input.rank == 4 || input.rank == 5;
    if (is_odd(input.name)) facts.odd_names.push_back(input.name);
    facts.inputs.push_back(std::move(input));
  }
  for (const Value* value : graph.outputs()) {
    facts.outputs.push_back(value->name());
    if (is_odd(value->name())) facts.odd_names.push_back(value->name());
  }
  for (const Encoding& entry : collect_encodings(graph, options, facts.missing)) {
    facts.float_entries |= entry.floating;
    if (entry.floating) continue;
    ++facts.written;
    facts.per_channel |= entry.per_channel && !entry.bias;
    const double steps = std::ldexp(1.0, entry.bits) - 1;
    if (!entry.parameter && entry.scale[0] * steps <= kMinRange * 1.001) facts.narrow.push_back(entry.name);
    if (entry.per_channel && !entry.bias)
      facts.dead_channels += static_cast<size_t>(std::count_if(entry.scale.begin(), entry.scale.end(), [](double s) { return s < 2e-7; }));
  }
  facts.floats = float_nodes(graph);
  return facts;
}

std::string joined(const std::vector<std::string>& names, size_t most = 8) {
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), most); ++i) text += (i ? ", " : "") + ("`" + names[i] + "`");
  if (names.size() > most) text += " and " + std::to_string(names.size() - most) + " more";
  return text;
}

std::string shape_flags(const Facts& facts, const std::string& flag) {
  std::string text;
  for (const Input& input : facts.inputs) text += " " + flag + " '" + input.name + "' " + (input.dims.empty() ? "<dimensions>" : input.dims);
  return text;
}

std::string widths(int activation, int weight, const PlatformSpec& platform) {
  std::string text = " --act_bitwidth=" + std::to_string(activation) + " --weights_bitwidth=" + std::to_string(weight) + " --bias_bitwidth=32";
  return text + (platform.weight_per_channel ? " --use_per_channel_quantization" : "");
}

std::string block(const std::string& commands) { return "```\n" + commands + "```\n"; }

std::string snpe_section(const Facts& facts, const PlatformSpec& platform) {
  const int activation = platform.activation.bits, weight = platform.weight.bits;
  const bool htp = platform.name.find("htp") != std::string::npos;
  std::string text = "## SNPE: snpe-onnx-to-dlc, snpe-dlc-quantize, snpe-net-run\n\nRaw files in **NHWC**: the converter turns inputs channels-last.\n\n";
  text += block("snpe-onnx-to-dlc --input_network quantized.onnx" + shape_flags(facts, "--input_dim") + " --quantization_overrides quantized.table --output_path float.dlc\n"
                "snpe-dlc-quantize --input_dlc float.dlc --input_list input_list_nhwc.txt --override_params" + widths(activation, weight, platform) + " --output_dlc quantized.dlc\n");
  text += "\nThe converter must say that it processed encodings: compare its number with the " + std::to_string(facts.written) +
          " of this table. `--override_params` makes the quantizer keep them; the samples of the list only fill gaps. In newer releases the tool is called `snpe-dlc-quant`.\n";
  if (htp) text += "For the HTP add `--enable_htp --htp_socs <SoC>` (for example `sm8550`), which prepares the graph on the host.\n";
  const int other = activation == 16 ? 8 : 16;
  text += "\nWith " + std::to_string(other) + "-bit activations, first make a table of that width (`ppq_torch ... --platform " +
          (other == 16 ? "qnn_htp_a16w8" : "qnn_htp_int8") + "`, or `--bits '.*=" + std::to_string(other) + "'`): entries keep their own width, so the flag alone changes only tensors without one.\n\n";
  text += block("snpe-dlc-quantize --input_dlc float.dlc --input_list input_list_nhwc.txt --override_params" + widths(other, weight, platform) + " --output_dlc quantized_a" + std::to_string(other) + ".dlc\n");
  text += "\nOn the device:\n\n";
  text += block("adb shell mkdir -p /data/local/tmp/ppq\n"
                "adb push quantized.dlc input_list_nhwc.txt raw_nhwc /data/local/tmp/ppq/\n"
                "adb shell 'cd /data/local/tmp/ppq && snpe-net-run --container quantized.dlc --input_list input_list_nhwc.txt --use_dsp --output_dir output'\n"
                "adb pull /data/local/tmp/ppq/output device_output\n");
  text += "\nFor inner tensors add `--debug` to snpe-net-run. Then compare, tensor by tensor, with the simulation:\n\n";
  text += block("ppq_torch run --model quantized.onnx --table quantized.table --platform " + platform.name + " --input input_list_nhwc.txt --raw-layout nhwc --tensors all --output simulated\n"
                "ppq_torch compare --reference simulated --candidate device_output --layout nhwc --table quantized.table\n");
  return text;
}

std::string qairt_section(const Facts& facts, const PlatformSpec& platform) {
  std::string text = "## QAIRT / QNN: qairt-converter, qairt-quantizer\n\nRaw files in **NCHW**: this converter keeps the model's own layout.\n\n";
  text += block("qairt-converter --input_network quantized.onnx" + shape_flags(facts, "--source_model_input_shape") + " --quantization_overrides quantized.table --output_path quantized.dlc\n");
  text += facts.missing.empty() && !facts.float_entries
              ? "\nEvery tensor has an encoding, so this DLC is quantized already. qairt-quantizer is needed only for what the converter adds:\n\n"
              : "\nThe DLC is quantized already; tensors without an encoding are float in it. qairt-quantizer fills those gaps:\n\n";
  text += block("qairt-quantizer --input_dlc quantized.dlc --input_list input_list_nchw.txt" + widths(platform.activation.bits, platform.weight.bits, platform) + " --output_dlc quantized_full.dlc\n");
  text += "\n`--ignore_quantization_overrides` and `--enable_float_fallback` do nothing for a model with overrides; do not pass `--export_format=DLC_STRIP_QUANT`, which drops the encodings.\n";
  return text;
}

std::string old_section(const ExportOptions& options) {
  if (options.encodings != "0.6.1") return "";
  return "## SNPE 1.x without --quantization_overrides\n\nQuantize with the SDK, then write these ranges into the quantized DLC (the SDK's own Python modules do it):\n\n" +
         block("python3 scripts/write_qparams_to_snpe_dlc.py --input_dlc_model quantized.dlc --output_dlc_model ppq_export.dlc --qparam quantized.table\n");
}

std::string traps(const Facts& facts, const PlatformSpec& platform, const ExportOptions& options) {
  std::vector<std::string> items;
  if (facts.image_like)
    items.push_back("**Layout.** The same samples differ between the two converters: NHWC for snpe-onnx-to-dlc and snpe-net-run, NCHW for qairt-converter. Wrong ones give no error, only wrong results. "
                    "`--raw-samples nhwc` and `--raw-samples nchw` write the two sets with their lists.");
  for (const Input& input : facts.inputs) {
    if (input.batch > 1)
      items.push_back("**Batch.** Input `" + input.name + "` has a fixed batch of " + std::to_string(input.batch) + ": the tools calibrate with batch 1. Export the model with a free batch or with 1.");
    if (input.batch < 0 && input.rank > 0)
      items.push_back("**Batch.** Input `" + input.name + "` has a free batch: it must be 1 at conversion, which the shape in the commands says.");
    if (input.dims.empty() && input.rank > 0)
      items.push_back("**Shape.** Input `" + input.name + "` leaves dimensions open: put numbers for `<dimensions>`, or quantize again with `--input-shape`.");
    if (!input.is_float)
      items.push_back("**Types.** Input `" + input.name + "` is no float32: our raw files hold float32, which the tools convert unless `--use_native_input_files` is given.");
  }
  if (facts.inputs.size() > 1) items.push_back("**Several inputs.** Every line of the list names them: `name:=path name:=path`.");
  if (!facts.odd_names.empty())
    items.push_back("**Names.** The table uses the names of quantized.onnx. The tools may write " + joined(facts.odd_names) +
                    " with other characters as `_` in files and logs. After conversion, encodings whose names match nothing are silently unused: check the number of processed encodings. Use the table only with the graph beside it: the passes may have renamed tensors and changed weights.");
  if (options.encodings == "0.6.1")
    items.push_back("**Version 0.6.1.** For SNPE and the legacy converters. Offsets are negative (-zero point); the tools recompute scale and offset from bitwidth, min and max.");
  else
    items.push_back("**Version " + options.encodings + ".** Needs a recent QAIRT; the legacy SNPE tools want 0.6.1. Converters with `--custom_io` have failed with \"Bitwidth must be present\": quantize with `--encodings 0.6.1` then.");
  if (options.encodings == "2.0.0")
    items.push_back(std::string("**Float fallback.** 2.0.0 switches to a quantizer that keeps tensors without an entry in float. Bias entries (int32) are ") + (options.int32_bias ? "written for that reason." : "**not** written: biases, and with them their layers, may become float."));
  if (!facts.missing.empty())
    items.push_back("**Without encoding.** " + std::to_string(facts.missing.size()) + " tensors have none and get what the quantizer measures (legacy tools) or stay float (qairt-converter): " + joined(facts.missing) + ".");
  if (!facts.floats.empty())
    items.push_back("**Float layers.** " + joined(facts.floats) + " are kept in float" + (options.encodings == "2.0.0" ? "" : " by entries of type float") +
                    ". For Conv, Gemm and MatMul one float tensor of output, weight and bias makes all three float. DSPs before the HTP have no float: such layers run elsewhere.");
  if (!facts.narrow.empty())
    items.push_back("**Minimum range.** The tools widen ranges below 0.0001, and so does this table: " + joined(facts.narrow) + ". Such tensors are (nearly) constant.");
  if (facts.dead_channels)
    items.push_back("**Dead channels.** " + std::to_string(facts.dead_channels) + " weight channels are (nearly) zero and have the smallest scale; some releases refuse scales near 1.2e-07.");
  if (facts.per_channel)
    items.push_back("**Per-channel weights** are symmetric with offset " + std::to_string(-(1 << (platform.weight.bits - 1))) + " and taken only for convolutions; the DSP before the HTP does not take them at all.");
  items.push_back("**Not bit-exact.** The simulation and the device differ by a quantization step here and there, which is normal; `ppq_torch compare` counts in steps and names the first tensor that is further away.");
  std::string text = "## Traps that apply to this model\n\n";
  for (const std::string& item : items) text += "- " + item + "\n";
  return text;
}

}  // namespace

std::string deploy_guide(const Graph& graph, const PlatformSpec& platform, const ExportOptions& options) {
  const Facts facts = facts_of(graph, options);
  std::string inputs, outputs = joined(facts.outputs);
  for (const Input& input : facts.inputs) inputs += (inputs.empty() ? "" : ", ") + ("`" + input.name + "`") + (input.dims.empty() ? "" : " [" + input.dims + "]");
  return "# Deploying quantized.onnx on " + platform.name + "\n\n" +
         "`quantized.onnx` holds float weights, `quantized.table` the encodings (version " + options.encodings + ", " + std::to_string(facts.written) + " tensors). Inputs: " + inputs +
         ". Outputs: " + outputs + ". Run the commands in this folder, with the SDK's environment set up. The lists and raw files come from `ppq_torch ... --raw-samples nhwc` (SNPE) or `nchw` (QAIRT).\n\n" +
         snpe_section(facts, platform) + "\n" + qairt_section(facts, platform) + "\n" + old_section(options) + "\n" + traps(facts, platform, options);
}

}  // namespace ppq

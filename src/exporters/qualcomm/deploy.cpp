// DEPLOY.md. Flags and traps: Qualcomm's SNPE and QAIRT tools pages (2.3x), AIMET's issue tracker.
#include "exporters/qualcomm/deploy.h"

#include <algorithm>
#include <cmath>

#include "core/words.h"
#include "exporters/exported_tensors.h"
#include "exporters/qualcomm/encoding.h"
#include "ops/op_facts.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// QNN widens smaller ranges to this.
constexpr double kMinRange = 1e-4;

struct Input {
  std::string name;
  std::string dims;    ///< "1,3,224,224", or empty when a dimension is open
  int64_t batch = -1;  ///< -1: free
  size_t rank = 0;
  bool is_float = true;
};

struct Facts {
  std::vector<Input> inputs;
  std::vector<std::string> outputs, missing, odd_names, floats, narrow;  ///< names of tensors and nodes
  bool per_channel = false, per_row = false, image_like = false;
  size_t written = 0, dead_channels = 0;
};

bool is_odd(const std::string& name) {
  return std::any_of(name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c) && c != '_'; });
}

Facts facts_of(const Graph& graph, const EncodingsOptions& options) {
  Facts facts;
  for (const InputSpec& spec : input_specs(graph)) {
    Input input{spec.name, "", spec.shape.empty() || !spec.shape[0].known() ? -1 : spec.shape[0].value, spec.shape.size(),
                spec.dtype == DataType::Float};
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
  ExportSummary summary;
  for (const Encoding& entry : collect_encodings(graph, options, summary)) {
    if (entry.floating) continue;
    ++facts.written;
    facts.per_channel |= entry.per_channel && !entry.bias;
    if (entry.per_channel && entry.parameter && !entry.bias)
      for (const Use& use : graph.find_value(entry.name)->uses()) facts.per_row |= is_matrix_product(*use.node);
    const double steps = std::ldexp(1.0, entry.bits) - 1;
    const bool smallest = entry.scale[0] * steps <= kMinRange * 1.001 || entry.scale[0] <= QuantScheme{}.min_scale * 1.001;
    if (!entry.parameter && smallest) facts.narrow.push_back(entry.name);
    if (entry.per_channel && !entry.bias)
      facts.dead_channels += static_cast<size_t>(std::count_if(entry.scale.begin(), entry.scale.end(), [](double s) { return s < 2e-7; }));
  }
  facts.missing = summary.missing;
  facts.floats = float_nodes(graph);
  return facts;
}

std::string joined(const std::vector<std::string>& names, size_t most = 8) { return listed(names, most, "`"); }

/// " --input_dim x 1,8" for inputs whose declared shape the converter could not use as it is.
std::string shape_flags(const Facts& facts, const std::string& flag) {
  std::string text;
  for (const Input& input : facts.inputs)
    if (input.batch < 0 && input.rank > 0) text += " " + flag + " " + input.name + " " + (input.dims.empty() ? "<dimensions>" : input.dims);
  return text;
}

std::string widths(int activation, const Facts& facts, const PlatformSpec& platform) {
  std::string text = " --act_bitwidth " + std::to_string(activation) + " --weights_bitwidth " +
                     std::to_string(platform.scheme(SlotRole::Weight).bits) + " --bias_bitwidth 32";
  if (platform.weights_per_channel()) text += " --use_per_channel_quantization";
  return text + (facts.per_row ? " --use_per_row_quantization" : "");
}

std::string block(const std::string& commands) { return "```\n" + commands + "```\n"; }

std::string samples_note(const Facts& facts, const char* layout) {
  if (!facts.image_like) return "";
  return "Raw files as `ppq_torch ... --raw-samples " + std::string(layout) + "` writes them.\n\n";
}

std::string quantize_command(int activation, const Facts& facts, const PlatformSpec& platform) {
  return "snpe-dlc-quantize --input_dlc model.dlc --input_list input_list.txt --override_params" + widths(activation, facts, platform) +
         " --output_dlc model_a" + std::to_string(activation) + ".dlc\n";
}

std::string snpe_section(const Facts& facts, const PlatformSpec& platform) {
  const int activation = platform.scheme(SlotRole::Data).bits, other = activation == 16 ? 8 : 16;
  const std::string dlc = "model_a" + std::to_string(activation) + ".dlc";
  std::string text = "## SNPE: snpe-onnx-to-dlc, snpe-dlc-quantize, snpe-net-run\n\n" + samples_note(facts, "nhwc");
  text += block("snpe-onnx-to-dlc --input_network quantized.onnx" + shape_flags(facts, "--input_dim") +
                " --quantization_overrides quantized.table --output_path model.dlc\n" + quantize_command(activation, facts, platform));
  text += "\nThe converter must say that it processed encodings: compare its number with the " + std::to_string(facts.written) +
          " of this table. `--override_params` makes the quantizer keep them; the samples of the list only fill gaps. In newer releases "
          "the tool is called `snpe-dlc-quant`.\n";
  if (platform.name.find("htp") != std::string::npos)
    text +=
        "For the HTP, `--enable_htp --htp_socs <SoC>` (for example `sm8550`) prepares the graph on the host. Without an SDK, "
        "`scripts/make_dlc` writes a DLC and a context from the file of `--export onnx-qdq --export-option qdq-pairs=all`.\n";
  text += "\nFor " + std::to_string(other) + "-bit activations first make a table of that width (" +
          (other == 16 ? "`--platform qnn_htp_a16w8`, or `--bits '.*=16'`" : "`--platform qnn_htp_int8`, or `--bits 'activation:.*=8'`") +
          "): entries keep their own width, so the option alone changes only tensors without one.\n\n" +
          block(quantize_command(other, facts, platform));
  text += "\nOn the device, with the DLC, the list and the folder `raw` in one place:\n\n" +
          block("snpe-net-run --container " + dlc + " --input_list input_list.txt --use_dsp --output_dir device_output\n");
  const std::string raw_layout = facts.image_like ? " --raw-layout nhwc" : "", layout = facts.image_like ? " --layout nhwc" : "";
  text += "\nFor inner tensors add `--debug`. Then compare with the simulation, tensor by tensor:\n\n" +
          block("ppq_torch run --model quantized.onnx --table quantized.table --platform " + platform.name + " --input input_list.txt" +
                raw_layout + " --tensors all --output simulated\n" + "ppq_torch compare --reference simulated --candidate device_output" +
                layout + " --table quantized.table\n");
  return text;
}

std::string qairt_section(const Facts& facts, const PlatformSpec& platform) {
  std::string text = "## QAIRT / QNN: qairt-converter, qairt-quantizer\n\n" + samples_note(facts, "nchw");
  text += block("qairt-converter --input_network quantized.onnx" + shape_flags(facts, "--source_model_input_shape") +
                " --quantization_overrides quantized.table --output_path model_qairt.dlc\n");
  text += facts.missing.empty() && facts.floats.empty()
              ? "\nEvery tensor has an encoding, so this DLC is quantized already. qairt-quantizer is needed only for what the converter "
                "adds:\n\n"
              : "\nThis DLC is quantized already; tensors without an encoding are float in it. qairt-quantizer fills those gaps:\n\n";
  text += block("qairt-quantizer --input_dlc model_qairt.dlc --input_list input_list.txt" +
                widths(platform.scheme(SlotRole::Data).bits, facts, platform) + " --output_dlc model_qairt_full.dlc\n");
  return text +
         "\n`--ignore_quantization_overrides` and `--enable_float_fallback` do nothing where there are overrides, and "
         "`--export_format=DLC_STRIP_QUANT` drops the encodings.\n";
}

std::string old_section(const EncodingsOptions& options) {
  if (options.encodings != "0.6.1") return "";
  return "## SNPE 1.x without --quantization_overrides\n\nQuantize with the SDK, then write these ranges into the quantized DLC (the SDK's "
         "own Python modules do it):\n\n" +
         block(
             "python3 scripts/write_qparams_to_snpe_dlc.py --input_dlc_model quantized.dlc --output_dlc_model ppq_export.dlc --qparam "
             "quantized.table\n") +
         "\n";
}

std::string list_line(const Facts& facts) {
  std::string line;
  for (const Input& input : facts.inputs) line += (line.empty() ? "" : " ") + input.name + ":=" + raw_sample_path(input.name, true, 0);
  return line;
}

void input_traps(const Facts& facts, std::vector<std::string>& items) {
  if (facts.image_like)
    items.push_back(
        "Layout: the same samples differ between the two converters: NHWC for snpe-onnx-to-dlc and snpe-net-run, NCHW for qairt-converter. "
        "A wrong one gives no error, only wrong results. `--raw-samples nhwc` or `nchw` writes either.");
  for (const Input& input : facts.inputs) {
    if (input.batch > 1)
      items.push_back(
          "Batch: input `" + input.name + "` has a fixed leading dimension of " + std::to_string(input.batch) +
          ". The tools convert and calibrate with batch 1: if that dimension is a batch, export the model with a free one or with 1.");
    if (input.batch < 0 && input.rank > 0)
      items.push_back("Batch: input `" + input.name + "` has a free one; it must be 1 at conversion, as the commands say.");
    if (input.dims.empty() && input.rank > 0)
      items.push_back("Shape: input `" + input.name +
                      "` leaves dimensions open: put numbers for `<dimensions>`, or quantize again with `--input-shape`.");
    if (!input.is_float)
      items.push_back("Types: input `" + input.name +
                      "` is not float32. The raw files hold float32, which the tools convert unless `--use_native_input_files` is given.");
  }
  if (facts.inputs.size() > 1)
    items.push_back("Inputs: there are " + std::to_string(facts.inputs.size()) + ", so every line of the list names them: `" +
                    list_line(facts) + "`.");
  if (!facts.odd_names.empty())
    items.push_back("Names: " + joined(facts.odd_names) +
                    " have characters that the tools write as `_` in files and logs. Encodings whose names match nothing are silently "
                    "unused: check the number of processed encodings.");
}

void table_traps(const Facts& facts, const PlatformSpec& platform, const EncodingsOptions& options, std::vector<std::string>& items) {
  if (options.encodings == "0.6.1")
    items.push_back(
        "Version 0.6.1 is for SNPE and the legacy converters. Offsets are negative (-zero point); the tools recompute scale and offset "
        "from bitwidth, min and max.");
  else
    items.push_back("Version " + options.encodings +
                    " needs a recent QAIRT; the legacy SNPE tools want 0.6.1. Converters with `--custom_io` have failed with \"Bitwidth "
                    "must be present\": quantize with `--encodings 0.6.1` then.");
  if (is_version_2(options.encodings))
    items.push_back(
        std::string(
            "Float fallback: version 2 brings a quantizer that keeps tensors without an entry in float. Bias entries (int32) are ") +
        (options.int32_bias ? "written for that reason." : "not written: biases, and with them their layers, may become float."));
  if (!facts.missing.empty())
    items.push_back("Without encoding: " + std::to_string(facts.missing.size()) +
                    " tensors get what the quantizer measures (legacy tools) or stay float (qairt-converter): " + joined(facts.missing) +
                    ".");
  if (!facts.floats.empty())
    items.push_back("Float layers: " + joined(facts.floats) + (is_version_2(options.encodings) ? "." : ", by entries of type float.") +
                    " For Conv, Gemm and MatMul one float tensor of output, weight and bias makes all three float. DSPs before the HTP "
                    "have no float: such layers run elsewhere.");
  if (!facts.narrow.empty())
    items.push_back("Minimum range: " + joined(facts.narrow) +
                    " are (nearly) constant; the tools widen ranges below 0.0001, and so does this table.");
  if (facts.dead_channels)
    items.push_back("Dead channels: " + std::to_string(facts.dead_channels) +
                    " weight channels are (nearly) zero and have the smallest scale; some releases refuse scales near 1.2e-07.");
  if (facts.per_channel)
    items.push_back("Per-channel weights are symmetric with offset " +
                    std::to_string(-(1 << (platform.scheme(SlotRole::Weight).bits - 1))) + "; the DSP before the HTP does not take them.");
  if (facts.per_row)
    items.push_back(
        "Per-row weights: the weights of MatMul and Gemm have a scale a row, for which the quantizer wants `--use_per_row_quantization`.");
  items.push_back("Use the table only with the graph beside it: the passes changed weights and may have renamed tensors.");
  items.push_back(
      "The simulation and the device differ by a quantization step here and there, which is normal; `ppq_torch compare` counts in steps "
      "and names the first tensor that is further away.");
}

}  // namespace

std::string deploy_guide(const Graph& graph, const PlatformSpec& platform, const ExportOptions& given) {
  const auto options = read_options<EncodingsOptions>(given);
  const Facts facts = facts_of(graph, options);
  std::string inputs, traps;
  for (const Input& input : facts.inputs)
    inputs += (inputs.empty() ? "" : ", ") + ("`" + input.name + "`") + (input.dims.empty() ? "" : " [" + input.dims + "]");
  std::vector<std::string> items;
  input_traps(facts, items);
  table_traps(facts, platform, options, items);
  for (const std::string& item : items) traps += "- " + item + "\n";
  return "# Deploying quantized.onnx on " + platform.name + "\n\n" +
         "`quantized.onnx` holds float weights, `quantized.table` the encodings (version " + options.encodings + ", " +
         std::to_string(facts.written) + " tensors). Inputs: " + inputs + ". Outputs: " + joined(facts.outputs) +
         ". Run the commands in this folder, with the SDK's environment set up.\n\n" + snpe_section(facts, platform) + "\n" +
         qairt_section(facts, platform) + "\n" + old_section(options) + "## Traps that apply to this model\n\n" + traps;
}

}  // namespace ppq

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "ppq/job.h"

namespace ppq {

/// What a calibration that was kept owes to an option: whether --resume may go on from it.
enum class Bears {
  Nothing,        ///< the numbers of calibration are the same whatever it says
  Numbers,        ///< they may change with what it says
  Preprocessing,  ///< they change with it, and the report says it: how files became samples
  Contents,       ///< what it names counts, not its name: the job knows the contents
};

/// An option as `--help` shows it.
struct OptionFacts {
  const char* group;
  const char* name;
  const char* help;
  Bears bears = Bears::Nothing;
};

/// The list of data options: calls `visit(facts, field)` for each.
template <class Options, class Visitor>
requires std::is_same_v<std::remove_const_t<Options>, DataOptions>
void visit_options(Options& o, Visitor&& visit) {
  const char *data = "Data", *images = "Images (no defaults that change pixel values)";
  visit(OptionFacts{data, "input-shape", "name:1x3x224x224; fixes symbolic dimensions (repeatable)", Bears::Numbers}, o.input_shapes);
  visit(OptionFacts{data, "native-dtype", "raw files hold the input's own element type", Bears::Numbers}, o.native_dtype);
  visit(OptionFacts{data, "raw-layout", "layout of .bin and .raw files: nchw or nhwc", Bears::Preprocessing}, o.raw_layout);
  visit(OptionFacts{data, "layout", "layout of the model's image input: auto, nchw or nhwc", Bears::Preprocessing}, o.layout);
  visit(OptionFacts{images, "resize-shorter", "resize the shorter side to N", Bears::Preprocessing}, o.resize_shorter);
  visit(OptionFacts{images, "image-size", "resize to HxW", Bears::Preprocessing}, o.image_size);
  visit(OptionFacts{images, "crop", "centre crop HxW", Bears::Preprocessing}, o.crop);
  visit(OptionFacts{images, "mean", "a,b,c on the 0..255 scale", Bears::Preprocessing}, o.mean);
  visit(OptionFacts{images, "std", "a,b,c on the 0..255 scale", Bears::Preprocessing}, o.std);
  visit(OptionFacts{images, "color", "rgb, bgr or gray", Bears::Preprocessing}, o.color);
}

/// The one list of a job's options: the command line, --config, --dump-config, what --resume compares and the report come from it.
template <class Options, class Visitor>
requires std::is_same_v<std::remove_const_t<Options>, JobOptions>
void visit_options(Options& o, Visitor&& visit) {
  const char *job = "Job", *quantization = "Quantization", *output = "Output";
  visit(OptionFacts{job, "model", "the ONNX model", Bears::Contents}, o.model);
  visit(OptionFacts{job, "calib", "calibration samples: a folder, a file or an input list", Bears::Contents}, o.calib);
  visit(OptionFacts{job, "platform", "the target (see `ppq_torch list platforms`), or a JSON file of your own", Bears::Numbers},
        o.platform);
  visit(OptionFacts{job, "eval", "samples to measure the result on (default: samples that were not used for calibration)"}, o.eval);
  visit(OptionFacts{job, "output", "output folder (default: <model>_<platform>)"}, o.output);
  visit(OptionFacts{job, "device", "auto, cpu, cuda, cuda:N, or cuda:N,M to share the calibration", Bears::Contents}, o.device);
  visit(OptionFacts{job, "allow-tf32", "let CUDA compute float32 with 10 bits of mantissa: faster, less exact", Bears::Numbers},
        o.allow_tf32);
  visit(OptionFacts{job, "no-cuda-graphs", "do not record batches as CUDA graphs"}, o.no_cuda_graphs);
  visit(OptionFacts{job, "calib-steps", "calibrate with at most N samples", Bears::Contents}, o.calib_steps);
  visit(OptionFacts{job, "batch-size", "samples run together (0: chosen)"}, o.batch_size);
  visit(OptionFacts{job, "max-memory", "memory for activations, such as 512M or 4G (0: chosen)", Bears::Numbers}, o.max_memory);

  visit(OptionFacts{quantization, "setting", "a setting's name or JSON file (default: chosen for the platform)", Bears::Contents},
        o.setting);
  visit(OptionFacts{quantization, "observer", "observer of activations (see `ppq_torch list observers`)", Bears::Contents}, o.observer);
  visit(OptionFacts{quantization, "passes", "a,b,-c: add or remove passes", Bears::Contents}, o.passes);
  visit(OptionFacts{quantization, "keep-float", "node name, op type or regex to leave in float (repeatable)", Bears::Contents},
        o.keep_float);
  visit(OptionFacts{quantization, "bits", "PATTERN=16: another width (repeatable)", Bears::Contents}, o.bits);
  visit(
      OptionFacts{quantization, "auto-mixed",
                  "noise=N,agreement=N,macs=N,to=16|float: the most sensitive layers get 16 bits until noise/signal or top-1 agreement is "
                  "met, or this share of MACs"},
      o.auto_mixed);
  visit(OptionFacts{quantization, "dispatch", "conservative, pointwise, allin, …", Bears::Contents}, o.dispatch);
  visit(OptionFacts{quantization, "overrides", "encodings JSON to start from; they stay fixed", Bears::Contents}, o.overrides);
  visit(OptionFacts{quantization, "split-output",
                    "end the network before the Concat that makes this output; DEPLOY.md joins its parts "
                    "(repeatable)",
                    Bears::Numbers},
        o.split_output);
  visit(OptionFacts{quantization, "verify", "check the graph after every pass"}, o.verify);
  visit(OptionFacts{quantization, "seed", "seed of random choices; no pass of this version makes any, so results never depend on it"},
        o.seed);

  visit(OptionFacts{output, "export", "formats, comma separated (default: the platform's)"}, o.export_formats);
  visit(OptionFacts{output, "encodings", "version of encodings JSON: 0.6.1, 1.0.0, 2.0.0 or 2.1.0"}, o.encodings);
  visit(OptionFacts{output, "export-option", "NAME=VALUE: an option of an exporter (repeatable)"}, o.export_option);
  visit(OptionFacts{output, "save-graph", "also write the graph here"}, o.save_graph);
  visit(OptionFacts{output, "save-table", "also write the table here"}, o.save_table);
  visit(OptionFacts{output, "raw-samples",
                    "also write the calibration samples as raw float32 files and input_list.txt: nhwc (SNPE) or nchw (QAIRT)"},
        o.raw_samples);
  visit(OptionFacts{output, "layerwise-samples", "samples of the layerwise analysis (0: none)"}, o.layerwise_samples);
  visit(OptionFacts{output, "resume", "go on from the calibration that an interrupted run with the same inputs kept in the output folder"},
        o.resume);
  visit_options(o.data, visit);
}

/// An option's value as words of a command line, one for each time it is given; none where it is not.
std::vector<std::string> words_of(bool value);
std::vector<std::string> words_of(int64_t value);
std::vector<std::string> words_of(const std::string& value);
std::vector<std::string> words_of(const std::vector<std::string>& value);
std::vector<std::string> words_of(const std::vector<double>& value);
std::vector<std::string> words_of(Layout value);
std::vector<std::string> words_of(const std::optional<int64_t>& value);
std::vector<std::string> words_of(const std::optional<std::pair<int64_t, int64_t>>& value);
std::vector<std::string> words_of(const std::vector<std::pair<std::string, std::vector<int64_t>>>& value);

/// Reads what words_of gives. `option` ("--mean") is what errors name. Throws Usage.
void read_words(bool& value, const std::vector<std::string>& words, const std::string& option);
void read_words(int64_t& value, const std::vector<std::string>& words, const std::string& option);
void read_words(std::string& value, const std::vector<std::string>& words, const std::string& option);
void read_words(std::vector<std::string>& value, const std::vector<std::string>& words, const std::string& option);
void read_words(std::vector<double>& value, const std::vector<std::string>& words, const std::string& option);
void read_words(Layout& value, const std::vector<std::string>& words, const std::string& option);
void read_words(std::optional<int64_t>& value, const std::vector<std::string>& words, const std::string& option);
void read_words(std::optional<std::pair<int64_t, int64_t>>& value, const std::vector<std::string>& words, const std::string& option);
void read_words(std::vector<std::pair<std::string, std::vector<int64_t>>>& value, const std::vector<std::string>& words,
                const std::string& option);

/// Options whose values cannot be: a resize to nothing, a division by 0. Throws Usage.
void check_data_options(const DataOptions& options);
/// "4G", "512M", "1048576" in bytes. Throws Usage.
size_t parse_bytes(const std::string& text);

}  // namespace ppq

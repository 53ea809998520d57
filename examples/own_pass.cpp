// A pass of one's own in the usual job: each activation's range gets some headroom, for inputs beyond what the samples show.
//
//   own_pass MODEL FOLDER PLATFORM OUTPUT [HEADROOM]
//
// From `register_pass` on, the pass runs in every job of this process, under its name in the report, and a setting's
// `ppq_torch.passes` or JobOptions::passes can leave it out ("-add-headroom").
#include <ATen/ATen.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>

#include "ppq/ppq.h"

namespace {

class AddHeadroom final : public ppq::Pass {
 public:
  explicit AddHeadroom(float factor) : factor_(factor) {}
  const char* name() const override { return "add-headroom"; }

  size_t run(ppq::Graph& graph, ppq::PassContext&) override {
    std::set<ppq::TensorQuant*> widened;  // several slots may share one
    const auto widen = [&](const ppq::Value* value, const ppq::TensorQuantPtr& quant) {
      if (!value || value->is_constant() || !quant || quant->fixed || quant->state != ppq::QuantState::Active) return;
      if (widened.insert(quant.get()).second) quant->params.scale = quant->params.scale * factor_;
    };
    for (const ppq::Node* node : graph.nodes()) {
      for (size_t i = 0; i < node->input_quant.size(); ++i) widen(node->input(i), node->input_quant[i]);
      for (size_t i = 0; i < node->output_quant.size(); ++i) widen(node->outputs()[i], node->output_quant[i]);
    }
    return widened.size();
  }

 private:
  float factor_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5 || argc > 6) {
    std::fprintf(stderr, "usage: %s MODEL FOLDER PLATFORM OUTPUT [HEADROOM]\n", argv[0]);
    return ppq::exit_code(ppq::ErrorKind::Usage);
  }
  try {
    const float factor = argc > 5 ? std::strtof(argv[5], nullptr) : 1.05f;
    if (!(factor >= 1)) throw ppq::Error(ppq::ErrorKind::Usage, "HEADROOM", std::string("got '") + argv[5] + "', expected at least 1");
    ppq::PassRow row;
    row.name = "add-headroom";
    row.summary = "activations' ranges with some headroom";
    row.phase = ppq::Phase::Quantize;
    row.changes = ppq::Changes::Scheme;
    row.wanted = [](const ppq::QuantizationSetting&) { return true; };
    row.make = [factor] { return std::make_unique<AddHeadroom>(factor); };
    // Biases are corrected, and follow the scales, after it.
    ppq::register_pass(row, "correct-bias");

    ppq::JobOptions options;
    options.model = argv[1], options.calib = argv[2], options.platform = argv[3], options.output = argv[4];
    ppq::Job job(options);
    const ppq::JobResult result = job.run();
    for (const ppq::PassRecord& pass : result.records)
      if (pass.name == row.name) std::printf("%s: %zu ranges widened\n", pass.name.c_str(), pass.changes);
    std::fputs(result.summary.c_str(), stdout);
  } catch (const ppq::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return ppq::exit_code(error.kind());
  }
}

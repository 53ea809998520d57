#include <cstdio>
#include <string>

#include "calibration/reference.h"
#include "passes/equalize/choice.h"
#include "passes/passes.h"

/// Layer-wise equalization (arXiv 1906.04721): between layers joined by scale-free operations (Relu, pooling, PRelu, …),
/// output channels of the upstream layer are multiplied by s and the downstream layer's input channels divided by it, so
/// that both have like ranges and one scale a tensor loses less. s = 1/sqrt(max|W_up| / max|W_down|), within 0.1 and 10,
/// as PPQ computes it in float32. The float result is unchanged but for rounding.
///
/// With cross_clip_equalization pairs also lead through Clip(0, b), Pad, Flatten and the like, and the scales are those with the
/// least rounding noise behind the downstream layer, of weights and activations, by what the samples show of the channels
/// (pair_noise.h), sweep after sweep until nothing moves. A Clip is not scale-free: a channel that the bound cuts off keeps
/// its scale, one below shrinks at will and grows as far as half of the samples could foretell of the other half
/// (equalization_statistics.h). On samples never seen the float result can still move a little, which is measured and said.
///
/// With choose_equalization_by_data the rest of the pipeline runs on copies of the graph, calibrated on a few samples and
/// measured on a few others: as the network came, with the setting's equalization, through Clip, and through Add too. The
/// next one is taken only where it is clearly better. Then each pair is run alone with its scales and without, and those that
/// are clearly better without are left as they came, where that lowers the error of the whole network again.
/// Does not fire where a graph output, a shared tensor or an encoding that the user fixed lies between the layers.
namespace ppq::passes {
namespace {

constexpr size_t kCheckSamples = 8;

class EqualizeLayers final : public Pass {
 public:
  const char* name() const override { return "equalize-layers"; }

  size_t run(Graph& graph, PassContext& context) override {
    const QuantizationSetting& setting = *context.setting;
    const bool samples = context.calibration && context.calibration->size() > 0 && context.platform;
    EqualizationChoice choice{plain_equalization(setting), {}};
    if (samples && setting.extra.choose_equalization_by_data) {
      choice = choose_equalization(graph, context);
    } else if (samples && setting.extra.cross_clip_equalization) {
      choice = {least_noise_equalization(setting), equalization_statistics(graph, context)};
    } else if (samples && setting.equalization_setting.including_act) {
      choice.statistics = equalization_statistics(graph, context);
    }
    const bool through_clip = choice.variant.search.through_clip;
    const auto before = through_clip ? graph.clone() : nullptr;
    Equalizer equalizer(graph, choice.variant, std::move(choice.statistics), context);
    const size_t changes = equalizer.run();
    if (context.outputs) context.outputs->means = equalizer.scaled(std::move(context.outputs->means));
    if (through_clip) report_change(graph, *before, context);
    return changes;
  }

 private:
  /// The float network moves where a bound cuts off what it did not on the samples, or no more.
  static void report_change(const Graph& graph, const Graph& before, PassContext& context) {
    char change[32];
    const double moved = float_change(graph, before, part_of(context.calibration, Part::held_back().spread(kCheckSamples)), context);
    std::snprintf(change, sizeof change, "%.3g", moved);
    if (context.record) {
      std::string& text = context.record->decision;
      text += (text.empty() ? "through Clip" : "") + std::string("; the float outputs moved by ") + change + " (noise over signal)";
    }
    if (moved > 1e-2)
      context.warn(std::string("equalize-layers: equalization through Clip moves the float outputs by ") + change +
                   " (noise over signal); switch it off with ppq_torch.cross_clip_equalization = false");
  }
};

}  // namespace

std::unique_ptr<Pass> make_equalize_layers() { return std::make_unique<EqualizeLayers>(); }

}  // namespace ppq::passes

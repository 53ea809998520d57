#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "kernels/cpu/cpu_kernels.h"
#include "kernels/cpu/histogram_rows.h"
#include "kernels/cpu/layout.h"
#include "kernels/cpu/observe_interleaved.h"
#include "kernels/cpu/parallel.h"
#include "ppq/error.h"

namespace ppq::kernels::cpu {
namespace {

constexpr int64_t kGrain = 32768;  ///< elements a thread takes at least
constexpr int64_t kGather = 1024;  ///< elements of one channel brought together where they lie scattered
constexpr float kInfinity = std::numeric_limits<float>::infinity();

const void* advance(const void* data, int64_t elements, int64_t size) { return static_cast<const char*>(data) + elements * size; }

/// What a thread counted: mostly in the filler's counters; in a row of its own what did not stay there.
struct Part {
  std::vector<int64_t> counts;
  HistogramRow row;
  BinFiller filler;
  Part(const Level& level, const HistogramRow& like)
      : counts(like.bins), row{counts.data(), like.bins, 0, kEmptyExponent, kInfinity, -kInfinity, 0}, filler(level, like.bins) {
    filler.start(like);
  }
};

struct Source {
  const void* data;
  Type type;
  int64_t size;
  Layout layout;
};

void observe_one(const Level& level, const Source& source, const Rows& rows) {
  int64_t count = source.layout.count();
  HistogramRow row = rows.load(0);
  int64_t parts = std::min<int64_t>(thread_count(), count / kGrain);
  if (parts <= 1) {
    BinFiller filler(level, row.bins);
    filler.add(row, source.data, source.type, count);
    filler.finish(row);
    rows.store(0, row);
    return;
  }
  std::vector<std::unique_ptr<Part>> own(parts);
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t start = count * p / parts, stop = count * (p + 1) / parts;
      own[p] = std::make_unique<Part>(level, row);
      own[p]->filler.add(own[p]->row, advance(source.data, start, source.size), source.type, stop - start);
    }
  });
  std::vector<int64_t> scratch;
  for (auto& part : own) {
    row.add(part->row, scratch);
    part->filler.finish(row);
  }
  rows.store(0, row);
}

/// Channels in runs of `inner` elements; short runs are brought together first.
void observe_runs(const Level& level, const Source& source, const Rows& rows) {
  const Layout& layout = source.layout;
  int64_t inner = layout.inner, together = inner < 256 ? std::max<int64_t>(1, kGather / inner) : 1;
  int64_t grain = std::max<int64_t>(1, kGrain / (layout.outer * inner));
  parallel_for(layout.channels, grain, [&](int64_t begin, int64_t end) {
    BinFiller filler(level, rows.bins());
    std::vector<char> buffer(together > 1 ? together * inner * source.size : 0);
    for (int64_t c = begin; c < end; ++c) {
      HistogramRow row = rows.load(c);
      for (int64_t o = 0; o < layout.outer; o += together) {
        int64_t runs = std::min(together, layout.outer - o);
        const void* run = advance(source.data, (o * layout.channels + c) * inner, source.size);
        if (runs == 1) {
          filler.add(row, run, source.type, inner);
          continue;
        }
        for (int64_t r = 0; r < runs; ++r) {
          const char* from = static_cast<const char*>(advance(run, r * layout.channels * inner, source.size));
          std::copy(from, from + inner * source.size, buffer.data() + r * inner * source.size);
        }
        filler.add(row, buffer.data(), source.type, runs * inner);
      }
      filler.finish(row);
      rows.store(c, row);
    }
  });
}

void check_channels(int64_t channels, const Layout& layout, const char* function) {
  if (channels != layout.channels) {
    throw Error(ErrorKind::Internal, function,
                "channels: got " + std::to_string(layout.channels) + ", expected " + std::to_string(channels));
  }
}

}  // namespace

void observe(const at::Tensor& x_in, int64_t axis, Histogram& histogram) {
  at::Tensor x = dense(x_in);
  Source source{x.const_data_ptr(), type_of(x, "observe"), static_cast<int64_t>(x.element_size()), layout_of(x, axis)};
  check_channels(histogram.channels(), source.layout, "observe");
  if (source.layout.count() == 0) return;
  const Level& level = current_level();
  Rows rows(histogram);
  if (source.layout.channels == 1) {
    observe_one(level, source, rows);
  } else if (source.layout.inner == 1) {
    observe_interleaved(level, source.data, source.type, source.layout.outer, source.layout.channels, rows);
  } else {
    observe_runs(level, source, rows);
  }
}

void observe_many(const std::vector<Observation>& observations) {
  // Observations of one histogram follow each other on one thread.
  std::vector<std::vector<const Observation*>> groups;
  for (const Observation& one : observations) {
    auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& group) { return group[0]->histogram == one.histogram; });
    (same == groups.end() ? groups.emplace_back() : *same).push_back(&one);
  }
  // The level is the calling thread's.
  const Level& level = current_level();
  parallel_for(static_cast<int64_t>(groups.size()), 1, [&](int64_t begin, int64_t end) {
    UseLevel use(level);
    for (int64_t g = begin; g < end; ++g)
      for (const Observation* one : groups[g]) cpu::observe(one->x, one->axis, *one->histogram);
  });
}

void merge(Histogram& histogram, const Histogram& other) {
  if (histogram.counts.sizes() != other.counts.sizes()) {
    throw Error(ErrorKind::Internal, "merge", "histograms differ in channels or bins");
  }
  Histogram from{other.counts.cpu().contiguous(),  other.first.cpu().contiguous(),   other.exponent.cpu().contiguous(),
                 other.minimum.cpu().contiguous(), other.maximum.cpu().contiguous(), other.nonfinite.cpu().contiguous()};
  Rows into(histogram), added(from);
  std::vector<int64_t> scratch;
  for (int64_t c = 0; c < histogram.channels(); ++c) {
    HistogramRow row = into.load(c);
    row.add(added.load(c), scratch);
    into.store(c, row);
  }
}

void observe_range(const at::Tensor& x_in, int64_t axis, Range& range) {
  at::Tensor x = dense(x_in);
  Type type = type_of(x, "observe_range");
  Layout layout = layout_of(x, axis);
  check_channels(range.minimum.numel(), layout, "observe_range");
  if (layout.count() == 0) return;
  const Level& level = current_level();
  const void* data = x.const_data_ptr();
  int64_t size = x.element_size(), channels = layout.channels;
  float* minimum = range.minimum.mutable_data_ptr<float>();
  float* maximum = range.maximum.mutable_data_ptr<float>();
  int64_t* nonfinite = range.nonfinite.mutable_data_ptr<int64_t>();

  // Pieces of the memory, each with its own ranges; folded in order.
  bool interleaved = layout.inner == 1 && channels > 1;
  int64_t rows = interleaved ? layout.outer : channels == 1 ? layout.count() : layout.outer * channels;
  int64_t parts = std::max<int64_t>(1, std::min<int64_t>({thread_count(), layout.count() / kGrain, rows}));
  std::vector<float> lows(parts * channels, kInfinity), highs(parts * channels, -kInfinity);
  std::vector<int64_t> strange(parts * channels, 0);
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      int64_t start = rows * p / parts, stop = rows * (p + 1) / parts;
      float *low = &lows[p * channels], *high = &highs[p * channels];
      int64_t* odd = &strange[p * channels];
      if (interleaved) {
        level.range_varying(data, type, start, stop, channels, low, high, odd);
      } else if (channels == 1) {
        level.range(advance(data, start, size), type, stop - start, low, high, odd);
      } else {
        for (int64_t r = start; r < stop; ++r) {
          int64_t c = r % channels;
          level.range(advance(data, r * layout.inner, size), type, layout.inner, low + c, high + c, odd + c);
        }
      }
    }
  });
  for (int64_t i = 0; i < parts * channels; ++i) {
    int64_t c = i % channels;
    minimum[c] = numerics::canonical_zero(std::min(minimum[c], lows[i]));
    maximum[c] = numerics::canonical_zero(std::max(maximum[c], highs[i]));
    nonfinite[c] += strange[i];
  }
}

}  // namespace ppq::kernels::cpu

#include <ATen/ATen.h>

#include <numeric>
#include <utility>

#include "ops/memory_bound.h"
#include "ops/resize.h"
#include "ops/window.h"

namespace ppq::ops {
namespace {

int64_t block_size_of(const Node& node) {
  const int64_t block = node.attributes.get_int("blocksize", 0);
  if (block < 1) fail(node, "blocksize: got " + std::to_string(block) + ", expected at least 1");
  return block;
}

struct Col2ImAttributes {
  std::vector<int64_t> strides, dilations, pads;
};

/// Of Col2Im: as many as wanted (or none, where a default stands in), and sizes that can be: a number above 2^24 is none.
void check_list(const char* what, const std::vector<int64_t>& list, size_t count, int64_t least) {
  constexpr int64_t kMost = int64_t{1} << 24;
  if (!list.empty() && list.size() != count)
    reject("Col2Im", std::string(what) + ": got " + std::to_string(list.size()) + " entries, expected " + std::to_string(count));
  for (const int64_t number : list)
    if (number < least || number > kMost)
      reject("Col2Im", std::string(what) + ": got " + std::to_string(number) + ", expected " + std::to_string(least) + " to " +
                           std::to_string(kMost));
}

/// x [N, C * prod(block), L] -> [N, C, image…]: every column is added back to the places it was taken from.
at::Tensor col2im(const at::Tensor& x, const std::vector<int64_t>& image, const std::vector<int64_t>& block, const Col2ImAttributes& a) {
  const size_t rank = image.size();
  if (block.size() != rank)
    reject("Col2Im", "block_shape: got " + std::to_string(block.size()) + " entries, expected " + std::to_string(rank));
  check_list("image_shape", image, rank, 1);
  check_list("block_shape", block, rank, 1);
  check_list("strides", a.strides, rank, 1);
  check_list("dilations", a.dilations, rank, 1);
  check_list("pads", a.pads, 2 * rank, 0);
  auto pick = [](const std::vector<int64_t>& list, size_t i, int64_t fallback) { return i < list.size() ? list[i] : fallback; };
  int64_t taps = 1, places = 1, padded_count = 1;
  std::vector<int64_t> counts(rank), padded(rank);
  for (size_t i = 0; i < rank; ++i) {
    padded[i] = image[i] + pick(a.pads, i, 0) + pick(a.pads, rank + i, 0);
    if ((block[i] - 1) * pick(a.dilations, i, 1) >= padded[i])
      reject("Col2Im",
             "block_shape: got " + std::to_string(block[i]) + ", expected a block inside the padded image of " + std::to_string(padded[i]));
    counts[i] = (padded[i] - (block[i] - 1) * pick(a.dilations, i, 1) - 1) / pick(a.strides, i, 1) + 1;
  }
  for (const std::vector<int64_t>* sizes : {&std::as_const(padded), &block, &std::as_const(counts)}) check_room("Col2Im", *sizes);
  for (size_t i = 0; i < rank; ++i) {
    taps *= block[i];
    places *= counts[i];
    padded_count *= padded[i];
  }
  if (x.dim() != 3 || x.size(1) % taps != 0 || x.size(2) != places)
    reject("Col2Im",
           "input: got " + to_string(x.sizes()) + ", expected [N, C * " + std::to_string(taps) + ", " + std::to_string(places) + "]");

  // Flat position in the padded image of every (block element, place), row-major over both.
  at::Tensor flat = at::zeros({1, 1}, at::kLong);
  for (size_t i = 0; i < rank; ++i) {
    const at::Tensor element = at::arange(block[i], at::kLong).mul_(pick(a.dilations, i, 1));
    const at::Tensor place = at::arange(counts[i], at::kLong).mul_(pick(a.strides, i, 1));
    const at::Tensor position = element.reshape({1, -1, 1, 1}) + place.reshape({1, 1, 1, -1});
    flat = (flat.reshape({flat.size(0), 1, flat.size(1), 1}) * padded[i] + position).reshape({flat.size(0) * block[i], -1});
  }
  const int64_t n = x.size(0), c = x.size(1) / taps;
  std::vector<int64_t> shape{n, c};
  shape.insert(shape.end(), padded.begin(), padded.end());
  at::Tensor y = at::zeros({n, c, padded_count}, x.options())
                     .index_add_(2, flat.reshape({-1}).to(x.device()), x.reshape({n, c, taps * places}))
                     .reshape(shape);
  for (size_t i = 0; i < rank; ++i) y = y.narrow(2 + static_cast<int64_t>(i), pick(a.pads, i, 0), image[i]);
  return y.contiguous();
}

}  // namespace

/// DCR reads the depth as [block, block, C], CRD as [C, block, block].
Kernel make_depth_to_space(const OpSpec& spec) {
  const std::string mode = spec.node.attributes.get_string("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") fail(spec.node, "mode: got " + mode + ", expected DCR or CRD");
  return [block = block_size_of(spec.node), crd = mode == "CRD"](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    if (x.dim() != 4 || block > x.size(1) || x.size(1) % (block * block) != 0)
      reject("DepthToSpace", "input: got " + to_string(x.sizes()) + ", expected [N, C * " + std::to_string(block * block) + ", H, W]");
    if (crd) {
      out[0] = at::pixel_shuffle(x, block);
      return;
    }
    const int64_t n = x.size(0), c = x.size(1) / (block * block), h = x.size(2), w = x.size(3);
    out[0] = x.reshape({n, block, block, c, h, w}).permute({0, 3, 4, 1, 5, 2}).reshape({n, c, h * block, w * block});
  };
}

/// The depth becomes [block, block, C].
Kernel make_space_to_depth(const OpSpec& spec) {
  return [block = block_size_of(spec.node)](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    if (x.dim() != 4 || x.size(2) % block != 0 || x.size(3) % block != 0)
      reject("SpaceToDepth",
             "input: got " + to_string(x.sizes()) + ", expected [N, C, H, W] with H and W multiples of " + std::to_string(block));
    const int64_t n = x.size(0), c = x.size(1), h = x.size(2) / block, w = x.size(3) / block;
    out[0] = x.reshape({n, c, h, block, w, block}).permute({0, 3, 5, 1, 2, 4}).reshape({n, c * block * block, h, w});
  };
}

Kernel make_col2im(const OpSpec& spec) {
  const Attributes& attributes = spec.node.attributes;
  Col2ImAttributes a{attributes.get_ints("strides"), attributes.get_ints("dilations"), attributes.get_ints("pads")};
  return [a](Inputs in, Outputs out) { out[0] = col2im(in[0], to_ints(in[1]), to_ints(in[2]), a); };
}

/// Of an odd difference the larger half is cropped or padded at the end.
Kernel make_center_crop_pad(const OpSpec& spec) {
  return [axes = spec.node.attributes.get_ints("axes")](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const std::vector<int64_t> shape = to_ints(in[1]);
    std::vector<int64_t> dims = axes;
    if (dims.empty()) {
      dims.resize(x.dim());
      std::iota(dims.begin(), dims.end(), 0);
    }
    if (shape.size() != dims.size())
      reject("CenterCropPad", "shape: got " + std::to_string(shape.size()) + " entries, expected " + std::to_string(dims.size()));
    std::vector<int64_t> pads(2 * x.dim(), 0);
    for (size_t i = 0; i < dims.size(); ++i) {
      if (shape[i] < 0) reject("CenterCropPad", "shape: got " + std::to_string(shape[i]) + ", expected 0 or more");
      const int64_t axis = normalize_axis(dims[i], x.dim()), difference = shape[i] - x.size(axis);
      const int64_t begin = difference / 2;  // toward zero, for crops too
      pads[2 * (x.dim() - 1 - axis)] = begin;
      pads[2 * (x.dim() - 1 - axis) + 1] = difference - begin;
    }
    out[0] = at::constant_pad_nd(x, pads, 0);
  };
}

}  // namespace ppq::ops

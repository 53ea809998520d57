#include "ops/window.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "ops/memory_bound.h"
#include "ppq/error.h"

namespace ppq::ops {
namespace {

WindowAttributes::AutoPad parse_auto_pad(const Node& node) {
  const std::string name = node.attributes.get_string("auto_pad", "NOTSET");
  if (name == "NOTSET" || name.empty()) return WindowAttributes::AutoPad::NotSet;
  if (name == "SAME_UPPER") return WindowAttributes::AutoPad::SameUpper;
  if (name == "SAME_LOWER") return WindowAttributes::AutoPad::SameLower;
  if (name == "VALID") return WindowAttributes::AutoPad::Valid;
  fail(node, "auto_pad: got " + name + ", expected NOTSET, SAME_UPPER, SAME_LOWER or VALID");
}

int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b > 0 ? 1 : 0); }

std::vector<int64_t> list_or(const WindowAttributes& a, const std::vector<int64_t>& list, size_t count, int64_t fallback,
                             const char* what) {
  if (list.empty()) return std::vector<int64_t>(count, fallback);
  if (list.size() != count)
    reject(a.type, std::string(what) + ": got " + std::to_string(list.size()) + " entries, expected " + std::to_string(count) +
                       " (one for each spatial dimension of the input)");
  return list;
}

/// Output size without auto_pad. A last window that would start in the end padding is dropped, as ONNX says.
int64_t explicit_output(const WindowAttributes& a, int64_t input, int64_t begin, int64_t end, int64_t extent, int64_t stride) {
  const int64_t room = input + begin + end - extent;
  if (room < 0)
    reject(a.type, "the window is larger than its input: got " + std::to_string(extent) + " elements, expected at most " +
                       std::to_string(input + begin + end));
  if (!a.ceil_mode) return room / stride + 1;
  int64_t output = ceil_div(room, stride) + 1;
  if ((output - 1) * stride >= input + begin) --output;
  return output;
}

}  // namespace

WindowAttributes::WindowAttributes(const Node& node)
    : type(node.op_type),
      kernel(node.attributes.get_ints("kernel_shape")),
      strides(node.attributes.get_ints("strides")),
      dilations(node.attributes.get_ints("dilations")),
      pads(node.attributes.get_ints("pads")),
      auto_pad(parse_auto_pad(node)),
      ceil_mode(node.attributes.get_int("ceil_mode", 0) != 0) {
  auto check = [&](const char* what, const std::vector<int64_t>& list, int64_t least) {
    constexpr int64_t kMost = int64_t{1} << 30;  // so that sums and products of two of them hold
    for (int64_t number : list)
      if (number < least || number > kMost)
        fail(node, std::string(what) + ": got " + std::to_string(number) +
                       (number < least ? ", expected at least " + std::to_string(least) : ", expected at most " + std::to_string(kMost)));
  };
  check("kernel_shape", kernel, 1);
  check("strides", strides, 1);
  check("dilations", dilations, 1);
  check("pads", pads, -(int64_t{1} << 30));
}

bool Window::symmetric() const {
  return begin == end && std::all_of(begin.begin(), begin.end(), [](int64_t p) { return p >= 0; });
}

bool Window::dilated() const {
  return std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d != 1; });
}

std::vector<int64_t> Window::torch_pads() const {
  std::vector<int64_t> pads;
  for (size_t i = rank(); i-- > 0;) {
    pads.push_back(begin[i]);
    pads.push_back(end[i]);
  }
  return pads;
}

std::vector<int64_t> Window::covering_pads(at::IntArrayRef input) const {
  std::vector<int64_t> pads;
  for (size_t i = rank(); i-- > 0;) {
    pads.push_back(begin[i]);
    pads.push_back((output[i] - 1) * strides[i] + extent(i) - input[i] - begin[i]);
  }
  return pads;
}

Window resolve_window(const WindowAttributes& a, at::IntArrayRef input, at::IntArrayRef kernel) {
  const size_t rank = input.size();
  if (kernel.empty()) kernel = a.kernel;
  if (kernel.size() != rank || rank == 0)
    reject(a.type, "kernel_shape: got " + std::to_string(kernel.size()) + " entries, expected " + std::to_string(rank) +
                       " (one for each spatial dimension of the input)");
  if (!a.kernel.empty() && kernel != at::IntArrayRef(a.kernel))
    reject(a.type, "kernel_shape: got " + to_string(at::IntArrayRef(a.kernel)) + ", expected the weight's " + to_string(kernel));

  Window w;
  w.kernel = kernel.vec();
  w.strides = list_or(a, a.strides, rank, 1, "strides");
  w.dilations = list_or(a, a.dilations, rank, 1, "dilations");
  w.begin.assign(rank, 0);
  w.end.assign(rank, 0);
  w.output.resize(rank);
  if (a.auto_pad == WindowAttributes::AutoPad::NotSet && !a.pads.empty()) {
    list_or(a, a.pads, 2 * rank, 0, "pads");
    w.begin.assign(a.pads.begin(), a.pads.begin() + rank);
    w.end.assign(a.pads.begin() + rank, a.pads.end());
  }
  const bool same = a.auto_pad == WindowAttributes::AutoPad::SameUpper || a.auto_pad == WindowAttributes::AutoPad::SameLower;
  for (size_t i = 0; i < rank; ++i) {
    if (same) {
      w.output[i] = ceil_div(input[i], w.strides[i]);
      const int64_t total = std::max<int64_t>((w.output[i] - 1) * w.strides[i] + w.extent(i) - input[i], 0);
      const int64_t small = total / 2, large = total - small;
      w.begin[i] = a.auto_pad == WindowAttributes::AutoPad::SameUpper ? small : large;
      w.end[i] = total - w.begin[i];
    } else {
      w.output[i] = explicit_output(a, input[i], w.begin[i], w.end[i], w.extent(i), w.strides[i]);
    }
  }
  check_room(a.type, w.output);
  return w;
}

at::Tensor window_view(const at::Tensor& x, const Window& w) {
  at::Tensor view = x;
  const int64_t rank = static_cast<int64_t>(w.rank());
  for (int64_t i = 0; i < rank; ++i) view = view.unfold(2 + i, w.extent(i), w.strides[i]);
  for (int64_t i = 0; i < rank; ++i)
    if (w.dilations[i] != 1) view = view.slice(2 + rank + i, 0, w.extent(i), w.dilations[i]);
  return view;
}

void reject(const std::string& type, const std::string& problem, const std::string& hint) {
  throw Error(ErrorKind::Model, type, problem, hint);
}

void reject_unsupported(const std::string& type, const std::string& problem, const std::string& hint) {
  throw Error(ErrorKind::Unsupported, type, problem, hint);
}

}  // namespace ppq::ops

#include <ATen/ATen.h>

#include <algorithm>

#include "ops/arithmetic.h"
#include "ops/dtypes.h"
#include "ops/families.h"
#include "ops/memory_bound.h"
#include "ppq/error.h"

namespace ppq::ops {
namespace {

using Ints = std::vector<int64_t>;

/// `values` as a tensor on the host.
at::Tensor host_ints(const Ints& values) { return at::tensor(at::IntArrayRef(values), at::kLong); }

Kernel shape_of(const OpSpec& spec) {
  const int64_t start = spec.node.attributes.get_int("start", 0), end = spec.node.attributes.get_int("end", INT64_MAX);
  return [start, end](Inputs in, Outputs out) {
    const int64_t rank = in[0].dim();
    auto clamped = [rank](int64_t i) { return std::clamp<int64_t>(i < 0 ? i + rank : i, 0, rank); };
    const int64_t first = clamped(start), last = std::max(first, clamped(end));
    out[0] = host_ints({in[0].sizes().begin() + first, in[0].sizes().begin() + last});
  };
}

at::Tensor size_of(const at::Tensor& x) { return at::scalar_tensor(x.numel(), at::TensorOptions(at::kLong)); }

/// 0 copies the input's dimension (unless `allow_zero`), -1 is what remains.
at::Tensor reshape(const at::Tensor& x, Ints sizes, bool allow_zero) {
  int64_t known = 1, free = -1;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0 && !allow_zero) {
      TORCH_CHECK(static_cast<int64_t>(i) < x.dim(), "shape: 0 at position ", i, " of a tensor of rank ", x.dim());
      sizes[i] = x.size(static_cast<int64_t>(i));
    }
    if (sizes[i] == -1) {
      TORCH_CHECK(free < 0, "shape: more than one -1");
      free = static_cast<int64_t>(i);
    } else {
      TORCH_CHECK(!__builtin_mul_overflow(known, sizes[i], &known), "shape: more elements than can be counted");
    }
  }
  if (free >= 0) sizes[static_cast<size_t>(free)] = known == 0 ? 0 : x.numel() / known;
  return x.reshape(sizes);
}

Kernel reshape_by_attribute(const OpSpec& spec) {
  return [sizes = spec.node.attributes.get_ints("shape")](Inputs in, Outputs out) { out[0] = reshape(in[0], sizes, false); };
}

Kernel reshape_by_input(const OpSpec& spec) {
  return [allow_zero = spec.node.attributes.get_int("allowzero", 0) != 0](Inputs in, Outputs out) {
    out[0] = reshape(in[0], to_ints(in[1]), allow_zero);
  };
}

Kernel flatten(const OpSpec& spec) {
  return [axis = spec.node.attributes.get_int("axis", 1)](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    const int64_t first = axis == x.dim() ? axis : normalize_axis(axis, std::max<int64_t>(x.dim(), 1));
    int64_t rows = 1, columns = 1;
    for (int64_t i = 0; i < x.dim(); ++i) (i < first ? rows : columns) *= x.size(i);
    out[0] = x.reshape({rows, columns});
  };
}

/// Axes of Squeeze and Unsqueeze: attribute, or from 13 on input 1.
Ints axes_of(Inputs in, const Ints& fixed) { return in.size() > 1 ? to_ints(in[1]) : fixed; }

Kernel squeeze(const OpSpec& spec) {
  const bool given = spec.node.attributes.has("axes") || spec.node.input(1);
  return [given, fixed = spec.node.attributes.get_ints("axes")](Inputs in, Outputs out) {
    const at::Tensor& x = in[0];
    if (!given) {
      out[0] = x.squeeze();
      return;
    }
    std::vector<bool> drop(static_cast<size_t>(x.dim()), false);
    for (int64_t axis : axes_of(in, fixed)) drop[static_cast<size_t>(normalize_axis(axis, x.dim()))] = true;
    Ints sizes;
    for (int64_t i = 0; i < x.dim(); ++i) {
      if (!drop[static_cast<size_t>(i)])
        sizes.push_back(x.size(i));
      else
        TORCH_CHECK(x.size(i) == 1, "cannot squeeze axis ", i, " of shape ", x.sizes());
    }
    out[0] = x.reshape(sizes);
  };
}

/// Axes count in the result.
Kernel unsqueeze(const OpSpec& spec) {
  return [fixed = spec.node.attributes.get_ints("axes")](Inputs in, Outputs out) {
    const Ints axes = axes_of(in, fixed);
    const int64_t rank = in[0].dim() + static_cast<int64_t>(axes.size());
    Ints places;
    for (int64_t axis : axes) places.push_back(normalize_axis(axis, rank));
    std::sort(places.begin(), places.end());
    at::Tensor y = in[0];
    for (int64_t place : places) y = y.unsqueeze(place);
    TORCH_CHECK(std::adjacent_find(places.begin(), places.end()) == places.end(), "axes: an axis is given twice");
    out[0] = y;
  };
}

Kernel transpose(const OpSpec& spec) {
  return [perm = spec.node.attributes.get_ints("perm")](Inputs in, Outputs out) {
    if (!perm.empty()) {
      out[0] = in[0].permute(perm);
      return;
    }
    Ints reversed(static_cast<size_t>(in[0].dim()));
    for (size_t i = 0; i < reversed.size(); ++i) reversed[i] = static_cast<int64_t>(reversed.size() - 1 - i);
    out[0] = in[0].permute(reversed);
  };
}

/// Broadcasts both ways: a 1 in the shape keeps the input's dimension.
Kernel expand(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    Ints sizes = to_ints(in[1]);
    for (const int64_t size : sizes) TORCH_CHECK(size >= 0, "shape: got ", size, ", expected 0 or more");
    const auto have = in[0].sizes();
    if (sizes.size() < have.size()) sizes.insert(sizes.begin(), have.size() - sizes.size(), 1);
    for (size_t i = 0; i < have.size(); ++i) {
      int64_t& wanted = sizes[sizes.size() - have.size() + i];
      if (wanted == 1) wanted = have[i];
    }
    // It takes no memory itself; what is computed from it does, and time.
    check_room("Expand", sizes, in[0].element_size());
    out[0] = in[0].expand(sizes);
  };
}

Kernel tile(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    const Ints repeats = to_ints(in[1]);
    for (const int64_t count : repeats) TORCH_CHECK(count >= 0, "repeats: got ", count, ", expected 0 or more");
    out[0] = in[0].repeat(repeats);
  };
}

/// Opset 1: the number of tiles along one axis.
Kernel tile_axis(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    Ints repeats(static_cast<size_t>(in[0].dim()), 1);
    repeats.at(static_cast<size_t>(normalize_axis(to_int(in[2], "axis"), in[0].dim()))) = to_int(in[1], "tiles");
    out[0] = in[0].repeat(repeats);
  };
}

at::Tensor constant_value(const OpSpec& spec) {
  const Attributes& a = spec.node.attributes;
  if (const AttrValue* value = a.find("value"); value && std::holds_alternative<at::Tensor>(*value)) return std::get<at::Tensor>(*value);
  if (a.has("value_float")) return at::scalar_tensor(a.get_float("value_float", 0), at::TensorOptions(at::kFloat));
  if (a.has("value_int")) return at::scalar_tensor(a.get_int("value_int", 0), at::TensorOptions(at::kLong));
  if (a.has("value_ints")) return host_ints(a.get_ints("value_ints"));
  if (a.has("value_floats")) {
    const auto values = a.get_floats("value_floats");
    return at::tensor(at::ArrayRef<float>(values), at::kFloat);
  }
  for (const char* name : {"value", "value_string", "value_strings", "sparse_value"})
    if (a.has(name))
      throw Error(ErrorKind::Unsupported, spec.node.name + " (Constant)",
                  std::string("attribute ") + name + ": strings, sparse and sub-byte tensors cannot be computed with");
  fail(spec.node, "no value attribute");
}

Kernel constant(const OpSpec& spec) {
  return [value = constant_value(spec)](Inputs, Outputs out) { out[0] = value; };
}

Kernel constant_of_shape(const OpSpec& spec) {
  at::Tensor value = spec.node.attributes.get_tensor("value");
  if (!value.defined()) value = at::zeros({1}, at::kFloat);
  if (value.numel() != 1) fail(spec.node, "value: got " + std::to_string(value.numel()) + " elements, expected 1");
  return [value = value.reshape({})](Inputs in, Outputs out) {
    check_room("ConstantOfShape", to_ints(in[0]), value.element_size());
    out[0] = moved(value, [&](const at::Tensor& v) { return v.expand(to_ints(in[0])).contiguous(); });
  };
}

Kernel range(const OpSpec&) {
  return [](Inputs in, Outputs out) {
    const at::Tensor start = in[0].reshape({}), delta = on_device_of(in[2], start).reshape({});
    const auto type = start.scalar_type();
    int64_t count;
    if (at::isFloatingType(type)) {
      const double first = in[0].item<double>(), limit = in[1].item<double>(), step = in[2].item<double>();
      const double steps = std::ceil((limit - first) / step);
      TORCH_CHECK(std::abs(steps) < 0x1p62, "got ", first, " to ", limit, " in steps of ", step, ", expected a finite number of them");
      count = static_cast<int64_t>(steps);
    } else {
      const int64_t first = in[0].item<int64_t>(), limit = in[1].item<int64_t>(), step = in[2].item<int64_t>();
      TORCH_CHECK(step != 0, "delta: got 0");
      using Wide = __int128;  // the difference of two int64
      const Wide steps = (Wide{limit} - first + step - (step > 0 ? 1 : -1)) / step;
      count = static_cast<int64_t>(std::clamp<Wide>(steps, 0, INT64_MAX));
    }
    check_room("Range", {std::max<int64_t>(count, 0)}, start.element_size());
    out[0] = start + at::arange(std::max<int64_t>(count, 0), start.options().dtype(type)) * delta;
  };
}

at::Tensor identity(const at::Tensor& x) { return x; }

}  // namespace

Rows shape() {
  using enum OpKind;
  return {
      {.type = "Shape", .since = 1, .make = shape_of, .facts = {Description, "d", "s"}, .host_outputs = true},
      {.type = "Size", .since = 1, .make = unary<size_of>, .facts = {Description, "d", "s"}, .host_outputs = true},
      {"Reshape", 1, reshape_by_attribute, {Movement, "ds", "d"}},
      {.type = "Reshape", .since = 5, .make = reshape_by_input, .facts = {Movement, "ds", "d"}, .host_inputs = 0b10},
      {"Flatten", 1, flatten, {Movement, "d", "d"}},
      {"Squeeze", 1, squeeze, {Movement, "ds", "d"}},
      {.type = "Squeeze", .since = 13, .make = squeeze, .facts = {Movement, "ds", "d"}, .host_inputs = 0b10},
      {"Unsqueeze", 1, unsqueeze, {Movement, "ds", "d"}},
      {.type = "Unsqueeze", .since = 13, .make = unsqueeze, .facts = {Movement, "ds", "d"}, .host_inputs = 0b10},
      {"Transpose", 1, transpose, {Movement, "d", "d"}},
      {.type = "Expand", .since = 8, .make = expand, .facts = {Movement, "ds", "d"}, .host_inputs = 0b10},
      {.type = "Tile", .since = 1, .make = tile_axis, .facts = {Movement, "ds", "d"}, .host_inputs = 0b110},
      {.type = "Tile", .since = 6, .make = tile, .facts = {Movement, "ds", "d"}, .host_inputs = 0b10},
      {.type = "Constant", .since = 1, .make = constant, .facts = {Description, "", "d"}, .host_outputs = true},
      {.type = "ConstantOfShape",
       .since = 9,
       .make = constant_of_shape,
       .facts = {Description, "s", "d"},
       .host_inputs = 0b1,
       .host_outputs = true},
      {.type = "Range", .since = 11, .make = range, .facts = {Description, "s", "d"}, .host_inputs = 0b111, .host_outputs = true},
      {"Identity", 1, unary<identity>, {Movement, "d", "d", {.scale_free = true}}},
  };
}

}  // namespace ppq::ops

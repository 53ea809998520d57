#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/readers.h"
#include "ppq/graph.h"

namespace ppq::passes {

/// Sizes where every dimension is known.
std::optional<std::vector<int64_t>> static_sizes(const Value* value);
/// -1 where even the rank is unknown.
int64_t rank_of(const Value* value);

/// Gives input `index` of `node` a new constant. A constant that only this slot reads keeps its name; else (absent, shared,
/// pinned) a new one named after `name` is made.
void put_constant(Graph& graph, Node* node, size_t index, at::Tensor tensor, const std::string& name, const Pinned& pinned);

/// `first` takes over the output of `second`, its only reader; `second` and the value between go. Names of `second`'s
/// output stay.
void absorb_reader(Graph& graph, Node* first, Node* second);

/// One node of type `type` for several in execution order, whose last one's output and name it takes; what lies between goes, with
/// the constants that only they read.
Node* put_in_place(Graph& graph, const std::vector<Node*>& nodes, const std::string& type, const std::vector<Value*>& inputs,
                   const Pinned& pinned);

/// A floating-point constant of `node`'s input; undefined when it is anything else.
at::Tensor float_constant(const Node& node, size_t index);

/// The element type of what flows into `node`: that of the data where it is known, else of constant `index`. (BatchNormalization's
/// parameters may be float32 beside float16 data.)
at::ScalarType data_type(const Node& node, size_t index);
/// Numbers that were computed in float64 keep their value in `type`: nothing overflows, and rounding loses next to nothing.
bool fits(const at::Tensor& values, at::ScalarType type);

/// True when broadcasting `tensor` over a value of `rank` dimensions touches only dimension `axis`, with `channels` elements
/// (or one for all), and does not change the value's shape.
bool is_per_channel(const at::Tensor& tensor, int64_t rank, int64_t axis, int64_t channels);
/// Such a tensor as float64 of [channels].
at::Tensor per_channel(const at::Tensor& tensor, int64_t channels);

}  // namespace ppq::passes

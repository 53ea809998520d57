#include <unordered_map>

#include "onnx/inference.h"
#include "onnx/types.h"
#include "onnx/writer.h"
#include "ppq/onnx.h"

namespace ppq {
namespace {

/// What the graph knows takes the place of what its file declared.
void declare(const Graph& graph, onnx::GraphProto& proto) {
  proto.clear_value_info();
  for (const Value* value : graph.values()) {
    if (value->is_constant() || value->is_outer() || value->is_graph_input() || value->is_graph_output() ||
        value->dtype == DataType::Undefined)
      continue;
    auto* info = proto.add_value_info();
    info->set_name(value->name());
    write_type(*value, *info->mutable_type());
  }
}

/// Takes over what was not known: the whole shape, or single dimensions.
void refine(Value& value, const std::optional<Shape>& inferred) {
  if (!value.shape) value.shape = inferred;
  if (!inferred || inferred->size() != value.shape->size()) return;
  for (size_t i = 0; i < inferred->size(); ++i)
    if (!(*value.shape)[i].known() && (*inferred)[i].known()) (*value.shape)[i] = (*inferred)[i];
}

void fill(Graph& graph, const onnx::GraphProto& proto) {
  for (const auto* infos : {&proto.value_info(), &proto.output()})
    for (const auto& info : *infos) {
      Value* value = graph.find_value(info.name());
      if (!value || value->is_constant() || value->is_graph_input()) continue;
      if (value->dtype == DataType::Undefined && !value->opaque_type) {
        const std::string doc = value->doc;
        read_type(info, *value);
        value->doc = doc;
      } else if (dtype_of(info.type()) == value->dtype) {
        refine(*value, shape_of(info.type()));
      }
    }
  const auto nodes = graph.nodes();
  for (size_t i = 0; i < nodes.size(); ++i)
    for (const auto& attribute : proto.node(static_cast<int>(i)).attribute()) {
      const AttrValue* value = nodes[i]->attributes.find(attribute.name());
      if (auto* body = std::get_if<std::shared_ptr<Graph>>(value)) fill(**body, attribute.g());
      if (auto* bodies = std::get_if<std::vector<std::shared_ptr<Graph>>>(value))
        for (size_t j = 0; j < bodies->size(); ++j) fill(*(*bodies)[j], attribute.graphs(static_cast<int>(j)));
    }
}

}  // namespace

void infer_shapes(Graph& graph) {
  onnx::ModelProto model = light_model(graph);
  declare(graph, *model.mutable_graph());
  infer_types(model);
  fill(graph, model.graph());
}

}  // namespace ppq

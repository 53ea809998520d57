#pragma once

#include <functional>

#include "onnx/tensors.h"

namespace ppq {

using GraphReader = std::function<std::shared_ptr<Graph>(const onnx::GraphProto&)>;
using GraphWriter = std::function<void(const Graph&, onnx::GraphProto&)>;

/// The attribute's type, also where an old file leaves it out.
onnx::AttributeProto::AttributeType type_of(const onnx::AttributeProto& proto);

/// Kinds that the IR does not read (sparse tensors, types, references to function attributes) come back as Opaque.
AttrValue read_attribute(const onnx::AttributeProto& proto, ExternalFiles& files, const GraphReader& read_graph, const std::string& where);
void write_attribute(const std::string& name, const AttrValue& value, onnx::AttributeProto& proto, TensorSink& sink,
                     const GraphWriter& write_graph);

}  // namespace ppq

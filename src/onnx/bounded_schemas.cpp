#include "onnx/bounded_schemas.h"

#include <algorithm>
#include <unordered_map>

#include "onnx/types.h"

namespace ppq {
namespace {

constexpr int64_t kMostElements = 1 << 14;  ///< of a vector whose elements are followed

bool reads_long_vector(const onnx::DataPropagationContext& context) {
  for (size_t i = 0; i < context.getNumInputs(); ++i) {
    const onnx::TypeProto* type = context.getInputType(i);
    const auto shape = type ? shape_of(*type) : std::nullopt;
    if (shape && shape->size() == 1 && (*shape)[0].value > kMostElements) return true;
  }
  return false;
}

/// Whose inference takes it that all types of inputs are known, and that those whose values are known have an element.
bool reads_unseen(const onnx::OpSchema& schema) { return schema.Name() == "EyeLike" || schema.Name() == "OneHot"; }

bool is_empty(const onnx::TensorProto* values) {
  return values && std::any_of(values->dims().begin(), values->dims().end(), [](int64_t size) { return size == 0; });
}

class BoundedSchemas final : public onnx::ISchemaRegistry {
 public:
  BoundedSchemas() {
    for (const onnx::OpSchema& schema : onnx::OpSchemaRegistry::get_all_schemas_with_history()) {
      const auto* own = onnx::OpSchemaRegistry::Schema(schema.Name(), schema.SinceVersion(), schema.domain());
      if (!own || (!own->has_data_propagation_function() && !reads_unseen(*own))) continue;
      onnx::OpSchema& bounded = bounded_.emplace(own, *own).first->second;
      if (own->has_data_propagation_function())
        bounded.PartialDataPropagationFunction([own](onnx::DataPropagationContext& context) {
          if (!reads_long_vector(context)) own->GetDataPropagationFunction()(context);
        });
      if (reads_unseen(*own))
        bounded.TypeAndShapeInferenceFunction([own](onnx::InferenceContext& context) {
          bool all = context.getNumInputs() >= static_cast<size_t>(own->min_input());
          for (size_t i = 0; i < context.getNumInputs(); ++i)
            all &= context.getInputType(i) != nullptr && !is_empty(context.getInputData(i));
          if (all) own->GetTypeAndShapeInferenceFunction()(context);
        });
    }
  }

  const onnx::OpSchema* GetSchema(const std::string& type, const int version, const std::string& domain) const override {
    const onnx::OpSchema* own = onnx::OpSchemaRegistry::Instance()->GetSchema(type, version, domain);
    const auto bounded = bounded_.find(own);
    return bounded == bounded_.end() ? own : &bounded->second;
  }

 private:
  std::unordered_map<const onnx::OpSchema*, onnx::OpSchema> bounded_;
};

}  // namespace

const onnx::ISchemaRegistry& bounded_schemas() {
  static const BoundedSchemas schemas;
  return schemas;
}

}  // namespace ppq

#include "ppq/onnx.h"

#include <algorithm>

#include "core/log.h"
#include "onnx/build.h"
#include "onnx/checks.h"
#include "onnx/inference.h"
#include "onnx/node_checks.h"
#include "onnx/parse.h"
#include "onnx/residual.h"
#include "ppq/error.h"

namespace ppq {
namespace {

/// Drops the declared types that the nodes contradict: written back they would be wrong.
void drop(onnx::GraphProto& residual, const std::set<std::string>& names) {
  if (names.empty()) return;
  auto* infos = residual.mutable_value_info();
  infos->erase(std::remove_if(infos->begin(), infos->end(), [&](const auto& info) { return names.count(info.name()) > 0; }), infos->end());
}

std::unique_ptr<Graph> read_model(onnx::ModelProto model, ExternalFiles& files, const std::string& where, const ReadOptions& options) {
  check_versions(model, where);
  auto& graph = *model.mutable_graph();
  BuildInput input;
  input.initializers = with_error_context(ErrorKind::Model, where, [&] { return read_initializers(graph, files); });
  input.inputs = graph.input_size();
  with_error_context(ErrorKind::Model, where, [&] { order_nodes(graph, "graph " + graph.name()); });
  const onnx::GraphProto whole_rest = graph_residual(graph);
  lighten(graph, input.initializers, kLightBytes);
  with_error_context(ErrorKind::Model, where, [&] { load_all_external_data(model, files); });
  check_calls(model, where);
  with_error_context(ErrorKind::Model, where, [&] { check_attributes(model); });
  if (options.check) run_checker(model, where, false);
  if (options.inline_functions) inline_functions(model, where);
  with_error_context(ErrorKind::Model, where, [&] { check_inputs(model); });
  name_nodes(graph);
  input.residuals = graph_residuals(graph);
  auto& residual = input.residuals.front();
  residual.mutable_input()->DeleteSubrange(input.inputs, residual.input_size() - input.inputs);
  *residual.mutable_initializer() = whole_rest.initializer();
  // Of the file as it came: declarations that its nodes contradict are about to go.
  const std::string fault = options.check ? with_error_context(ErrorKind::Model, where, [&] { return fault_of(model); }) : "not checked";
  if (options.infer_shapes) drop(residual, with_error_context(ErrorKind::Model, where, [&] { return infer_types(model); }));
  auto read = with_error_context(ErrorKind::Model, where, [&] { return build_graph(model, std::move(input), files); });
  if (!fault.empty()) {
    log_debug(where + ": onnx refuses it: " + fault);
    read->extras.push_back({kRefusedSource, fault});
  }
  return read;
}

}  // namespace

std::unique_ptr<Graph> read_onnx(const std::string& path, const ReadOptions& options) {
  onnx::ModelProto model;
  {
    const MappedFile file(path, path);
    model = parse_model({file.data(), file.size()}, path);
  }
  ExternalFiles files(std::filesystem::absolute(path).parent_path());
  return read_model(std::move(model), files, path, options);
}

std::unique_ptr<Graph> read_onnx_bytes(const std::string& bytes, const ReadOptions& options) {
  ExternalFiles files("");
  return read_model(parse_model(bytes, "model"), files, "model", options);
}

std::unique_ptr<Graph> read_onnx_text(const std::string& text, const ReadOptions& options) {
  ExternalFiles files("");
  return read_model(parse_model_text(text, "model"), files, "model", options);
}

}  // namespace ppq

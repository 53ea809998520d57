#include "ppq/onnx.h"
#include "ppq/pass.h"

namespace ppq {

std::unique_ptr<Graph> load_onnx_graph(const std::string& path) {
  std::unique_ptr<Graph> graph = read_onnx(path);
  PassContext context;
  run_passes(*graph, cleanup_pipeline(), context);
  return graph;
}

}  // namespace ppq

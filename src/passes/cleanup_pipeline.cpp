#include <algorithm>

#include "ppq/pass.h"

namespace ppq {

std::vector<std::string> cleanup_pipeline() {
  return {
      "constants-to-values",
      "fold-constants",   // before remove-identity: makes the shapes known by which no-ops are proved
      "remove-identity",  // before the fusions: they look at direct neighbours
      "fuse-matmul-add",
      "fuse-bias-add",  // before fuse-batch-norm: Conv, Add, BatchNormalization
      "fuse-batch-norm",
      "batch-norm-to-conv",  // what no operation could take up
      "merge-equal-constants", "remove-dead-code",
  };
}

std::vector<std::string> cleanup_pipeline(const QuantizationSetting& setting) {
  // format_paramters and format_cast have nothing to switch here: shared parameters are copied when a pass writes to one of
  // them, and a Cast's type is read where it is needed.
  const GraphFormatSetting& format = setting.graph_format_setting;
  std::vector<std::string> off;
  if (!format.format_constant_op) off.push_back("constants-to-values");
  if (!format.fuse_conv_bn) off.insert(off.end(), {"fuse-batch-norm", "batch-norm-to-conv"});
  if (!format.delete_isolate) off.push_back("remove-dead-code");
  for (const auto& [name, wanted] : setting.extra.passes)
    if (!wanted) off.push_back(name);
  std::vector<std::string> names = cleanup_pipeline();
  names.erase(std::remove_if(names.begin(), names.end(),
                             [&](const std::string& name) { return std::find(off.begin(), off.end(), name) != off.end(); }),
              names.end());
  return names;
}

}  // namespace ppq

#include "ppq/pass.h"

namespace ppq {

std::vector<std::string> cleanup_pipeline() {
  return {
      "constants-to-values",
      "fold-constants",         // before remove-identity: makes the shapes known by which no-ops are proved
      "remove-identity",        // before the fusions: they look at direct neighbours
      "fuse-matmul-add",
      "fuse-bias-add",          // before fuse-batch-norm: Conv, Add, BatchNormalization
      "fuse-batch-norm",
      "batch-norm-to-conv",     // what no operation could take up
      "merge-equal-constants",
      "remove-dead-code",
  };
}

}  // namespace ppq

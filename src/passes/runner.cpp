#include <chrono>

#include "ppq/error.h"
#include "ppq/pass.h"

namespace ppq {

std::unique_ptr<Pass> make_pass(const std::string& name) {
  std::vector<std::string> names;
  for (const PassRow& row : pass_table()) {
    if (name == row.name) return row.make();
    names.push_back(row.name);
  }
  throw Error(ErrorKind::Usage, "passes", "unknown pass '" + name + "'", did_you_mean(name, names));
}

std::vector<PassRecord> run_passes(Graph& graph, const std::vector<std::string>& names, PassContext& context) {
  std::vector<PassRecord> records;
  for (size_t i = 0; i < names.size(); ++i) {
    auto pass = make_pass(names[i]);
    const auto start = std::chrono::steady_clock::now();
    PassRecord record{names[i]};
    with_error_context(ErrorKind::Internal, "pass " + names[i], [&] {
      record.changes = pass->run(graph, context);
      if (context.verify) graph.verify();
    });
    record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    records.push_back(record);
  }
  return records;
}

}  // namespace ppq

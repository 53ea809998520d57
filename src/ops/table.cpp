#include <algorithm>
#include <tuple>

#include "ops/families.h"
#include "ops/op.h"

namespace ppq::ops {
namespace {

std::vector<OpRow> sorted_rows() {
  std::vector<OpRow> rows;
  for (auto family : kFamilies) {
    auto part = family();
    rows.insert(rows.end(), part.begin(), part.end());
  }
  auto key = [](const OpRow& r) { return std::make_tuple(std::string_view(r.domain), std::string_view(r.type), r.since); };
  std::sort(rows.begin(), rows.end(), [&](const OpRow& a, const OpRow& b) { return key(a) < key(b); });
  return rows;
}

const std::vector<OpRow>& table() {
  static const std::vector<OpRow> rows = sorted_rows();
  return rows;
}

}  // namespace

const OpRow* find_op(std::string_view domain, std::string_view type, int64_t opset) {
  if (domain == "ai.onnx") domain = "";
  const OpRow* found = nullptr;
  for (const OpRow& row : table())
    if (row.type == type && row.domain == domain && row.since <= opset) found = &row;
  return found;
}

std::vector<OpRow> all_ops() { return table(); }

}  // namespace ppq::ops

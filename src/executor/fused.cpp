#include "executor/fused.h"

#include "ops/op_facts.h"

namespace ppq {

bool is_fused_interior(const Value& value, const Pinned& pinned) {
  const Node *producer = value.producer(), *reader = only_reader(&value, pinned);
  if (!producer || !reader || !is_activation(*reader)) return false;
  const TensorQuantPtr quant = producer->quant_of_output(value.producer_index());
  return quant && reader->quant_of_input(value.uses()[0].index) == quant && reader->quant_of_output() == quant;
}

}  // namespace ppq

#pragma once

#include <functional>
#include <string>

#include "ppq/dataset.h"
#include "ppq/run_context.h"

namespace ppq {

/// Shows all samples, batch by batch, loaded, put together and uploaded to the context's device ahead of the work. When memory
/// does not suffice a batch is shown again in halves, and later ones are as small, with a warning; so `show` leaves nothing
/// behind when it throws. Progress is reported as `what` unless that is empty.
void visit_samples(const DatasetPtr& samples, const RunContext& context, const std::string& what,
                   const std::function<void(const Tensors& inputs, size_t first, size_t count)>& show);

/// How many batches the CPU works on at once, each in one thread: as many as it has threads and memory allows. 1 on other
/// devices, whose kernels fill them.
size_t batches_at_once(const RunContext& context);
/// As visit_samples, for work that splits into what a batch needs alone, and a rest that takes turns: `work` is called for several
/// batches at once where the CPU has the threads (one network a thread leaves none of them waiting for the others after each
/// layer), and what it returns is called in the order of the samples.
void visit_samples_at_once(const DatasetPtr& samples, const RunContext& context, const std::string& what,
                           const std::function<std::function<void()>(const Tensors& inputs, size_t first, size_t count)>& work);

/// Whether the exception in flight says that memory did not suffice. To be called while one is handled.
bool out_of_memory();
/// Whether the inputs of `samples` samples can be divided by samples along dimension 0.
bool divides(const Tensors& inputs, size_t samples);
/// The inputs of `count` of `samples` samples, from number `first` on.
Tensors rows_of(const Tensors& inputs, size_t samples, size_t first, size_t count);
/// What the user is told when batches become smaller.
std::string halving_text(size_t samples, size_t now);

}  // namespace ppq

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/capture.h"
#include "ppq/executor.h"

namespace ppq {

/// Work that is done many times over inputs of one shape, such as a batch of a calibration. Where the device has graphs it
/// is done twice as it comes, which also settles which algorithms are taken, then recorded, and from then on replayed: one
/// launch instead of hundreds. The work must do nothing on the host that matters beside launching: what it keeps it updates in
/// place. Work that was seen to wait for the device, that cannot be recorded, or that is soon done is done as it comes; `obstacle`
/// says why.
class RepeatedWork {
 public:
  using Work = std::function<void(const Tensors& inputs)>;
  using Capture = std::function<std::unique_ptr<kernels::CapturedWork>(const std::function<void()>&)>;
  /// Without `capture` the work is always done as it comes.
  RepeatedWork(Work work, Capture capture) : work_(std::move(work)), capture_(std::move(capture)) {}

  /// How many runs there will be, where that is known: recording costs as much as some of them.
  void expect(size_t runs) { expected_ = runs; }
  /// Inputs are on the device already. Throws what the work throws.
  void run(const Tensors& inputs);

  /// How often a recorded graph stood for the work.
  size_t replays() const { return replays_; }
  /// Why the work is not recorded; empty while it may be, or is.
  const std::string& obstacle() const { return obstacle_; }

 private:
  struct Shape {
    std::vector<int64_t> sizes, strides;
    at::ScalarType type = at::kFloat;
    bool operator==(const Shape&) const = default;
  };
  static std::vector<Shape> shapes_of(const Tensors& inputs);
  void run_plainly(const Tensors& inputs);
  bool worth_recording();
  void record(const Tensors& inputs);
  void forget();

  Work work_;
  Capture capture_;
  size_t expected_ = SIZE_MAX, runs_ = 0;
  std::vector<Shape> shapes_;  ///< of the inputs that are counted, or recorded
  size_t plain_runs_ = 0;      ///< with these shapes
  size_t others_ = 0;          ///< runs in a row with other shapes
  Tensors fixed_;              ///< where the graph reads its inputs
  std::unique_ptr<kernels::CapturedWork> graph_;
  size_t replays_ = 0;
  std::string obstacle_;
};

/// Recording for `device`: null where it has no graphs.
RepeatedWork::Capture capture_on(at::Device device);

/// A program that runs again and again. Its outputs are the caller's to keep.
class RepeatedProgram {
 public:
  RepeatedProgram(std::shared_ptr<const Program> program, RepeatedWork::Capture capture);
  RepeatedProgram(const RepeatedProgram&) = delete;
  RepeatedProgram& operator=(const RepeatedProgram&) = delete;
  /// As `run`; inputs are on the program's device already.
  Tensors run(const Tensors& inputs);

 private:
  Tensors outputs_;   ///< of the run that was just made, or recorded
  Tensors recorded_;  ///< where the graph leaves its outputs
  RepeatedWork work_;
};

}  // namespace ppq

#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "executor/repeated_work.h"
#include "ppq/error.h"

namespace ppq::test {

/// Stands in for a device that has graphs: a graph does, when it is replayed, what was recorded, and nothing while recording.
struct Recorder {
  struct Graph final : kernels::CapturedWork {
    explicit Graph(std::function<void()> recorded) : work(std::move(recorded)) {}
    void replay() override { work(); }
    std::function<void()> work;
  };
  RepeatedWork::Capture capture() {
    return [this](const std::function<void()>& work) -> std::unique_ptr<kernels::CapturedWork> {
      ++recorded;
      if (!refuse) return std::make_unique<Graph>(work);
      if (half_way) work();
      throw Error(*refuse, "CUDA graph", "operation not permitted");
    };
  }
  int recorded = 0;
  std::optional<ErrorKind> refuse;  ///< every recording fails so
  bool half_way = false;            ///< after the work's host side was run
};

}  // namespace ppq::test

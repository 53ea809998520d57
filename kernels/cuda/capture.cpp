#include "kernels/capture.h"

#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

#include <exception>
#include <map>
#include <mutex>
#include <string>

#include "ppq/error.h"

namespace ppq::kernels::cuda {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

/// An error of CUDA goes on for lines about how to look for it.
[[noreturn]] void fail(const std::string& problem) {
  throw Error(ErrorKind::Unsupported, "CUDA graph", problem.substr(0, problem.find('\n')));
}

/// The stream that is recorded: the default one cannot be. One for each device, since LibTorch keeps a workspace of cuBLAS for
/// each stream that ever used it, in the memory of the graph that was recorded then. Called by one thread at a time.
c10::cuda::CUDAStream recorded_stream(c10::DeviceIndex device) {
  static std::map<c10::DeviceIndex, c10::cuda::CUDAStream> streams;
  const auto found = streams.find(device);
  if (found != streams.end()) return found->second;
  return streams.emplace(device, c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device)).first->second;
}

/// Tensors made while it records come from a pool of their own, which lives as long as the graph.
class Pool {
 public:
  Pool(c10::DeviceIndex device, cudaStream_t stream) : device_(device), id_(at::cuda::graph_pool_handle()) {
    allocator::beginAllocateToPool(device_, id_, [stream](cudaStream_t other) { return other == stream; });
    records_ = true;
  }
  ~Pool() {
    try {
      close();
      allocator::releasePool(device_, id_);
    } catch (const c10::Error&) {
      // The device is lost; whoever used it has been told.
    }
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  void close() {
    if (records_) allocator::endAllocateToPool(device_, id_);
    records_ = false;
  }

 private:
  c10::DeviceIndex device_;
  c10::MempoolId_t id_;
  bool records_ = false;
};

class CudaGraph final : public CapturedWork {
 public:
  CudaGraph(at::Device device, const std::function<void()>& work) : device_(device) {
    const c10::cuda::CUDAGuard guard(device_);
    // Memory that plain runs left in the allocator is not the graph's: it would lie idle beside it.
    allocator::emptyCache();
    at::cuda::CUDAEvent before;
    before.record(c10::cuda::getCurrentCUDAStream(device_.index()));
    const c10::cuda::CUDAStream side = recorded_stream(device_.index());
    const c10::cuda::CUDAStreamGuard on_side(side);
    before.block(side);
    pool_ = std::make_unique<Pool>(device_.index(), side.stream());
    cudaGraph_t graph = record(side.stream(), work);
    const cudaError_t made = cudaGraphInstantiate(&graph_, graph, 0);
    cudaGraphDestroy(graph);
    if (made != cudaSuccess) {
      cudaGetLastError();
      fail(std::string("cannot be instantiated: ") + cudaGetErrorString(made));
    }
  }
  ~CudaGraph() override {
    if (!graph_) return;
    try {
      const c10::cuda::CUDAGuard guard(device_);
      // The last replay may still read the pool's memory.
      cudaDeviceSynchronize();
      cudaGraphExecDestroy(graph_);
    } catch (const c10::Error&) {
      // The device is lost; whoever used it has been told.
    }
  }
  void replay() override {
    const c10::cuda::CUDAGuard guard(device_);
    const cudaError_t error = cudaGraphLaunch(graph_, c10::cuda::getCurrentCUDAStream(device_.index()).stream());
    if (error != cudaSuccess)
      throw Error(ErrorKind::Internal, "CUDA graph", std::string("cannot be launched: ") + cudaGetErrorString(error));
  }

 private:
  cudaGraph_t record(cudaStream_t stream, const std::function<void()>& work) {
    // Only this thread: others load and upload samples meanwhile.
    const cudaError_t begun = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    if (begun != cudaSuccess) {
      cudaGetLastError();
      fail(std::string("cannot be begun: ") + cudaGetErrorString(begun));
    }
    std::exception_ptr thrown;
    try {
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
    cudaGraph_t graph = nullptr;
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    pool_->close();
    if (thrown || ended != cudaSuccess || !graph) {
      // Recording went wrong, not the device: the next call is not to find this error.
      cudaGetLastError();
      if (graph) cudaGraphDestroy(graph);
      if (!thrown) fail(std::string("cannot be ended: ") + cudaGetErrorString(ended));
      try {
        std::rethrow_exception(thrown);
      } catch (const c10::Error& error) {
        fail(error.what_without_backtrace());
      } catch (const std::exception& error) {
        fail(error.what());
      }
    }
    return graph;
  }

  at::Device device_;
  std::unique_ptr<Pool> pool_;  ///< outlives the graph
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace

std::unique_ptr<CapturedWork> capture(at::Device device, const std::function<void()>& work) {
  // Memory cannot be given back, on any device, while another thread records.
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  return std::make_unique<CudaGraph>(device, work);
}

}  // namespace ppq::kernels::cuda

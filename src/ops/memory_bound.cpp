#include "ops/memory_bound.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <limits>
#include <mutex>

#include "ppq/error.h"
#include "ppq/graph.h"

namespace ppq::ops {
namespace {

constexpr size_t kNone = std::numeric_limits<size_t>::max();

thread_local size_t most_of_one = kNone;
std::atomic<size_t> most_of_all{kNone}, in_use{0};
c10::DeleterFnPtr plain_deleter = nullptr;

[[noreturn]] void too_large(size_t bytes, size_t most) {
  throw Error(ErrorKind::Resource, "", "is too large: got " + std::to_string(bytes) + " bytes, expected at most " + std::to_string(most),
              "smaller inputs (--input-shape), a larger --max-memory, or a machine with more memory");
}

void check_bytes(size_t bytes) {
  if (bytes > most_of_one) too_large(bytes, most_of_one);
  const size_t most = most_of_all, used = in_use;
  if (most != kNone && bytes > most - std::min(used, most)) too_large(bytes, most - std::min(used, most));
}

void delete_counted(void* data) {
  in_use -= malloc_usable_size(data);
  plain_deleter(data);
}

/// LibTorch's allocator behind the bounds.
class BoundedAllocator final : public c10::Allocator {
 public:
  explicit BoundedAllocator(c10::Allocator& plain) : plain_(plain) {}

  at::DataPtr allocate(size_t bytes) override {
    check_bytes(bytes);
    at::DataPtr data = plain_.allocate(bytes);
    if (!data.get()) return data;
    if (data.compare_exchange_deleter(plain_deleter, delete_counted)) in_use += malloc_usable_size(data.get());
    return data;
  }
  c10::DeleterFnPtr raw_deleter() const override { return delete_counted; }
  void copy_data(void* to, const void* from, size_t bytes) const override { plain_.copy_data(to, from, bytes); }

 private:
  c10::Allocator& plain_;
};

void install() {
  static std::once_flag once;
  std::call_once(once, [] {
    c10::Allocator* plain = c10::GetCPUAllocator();
    plain_deleter = plain->raw_deleter();
    // One that somebody else has put in, whose memory is not malloc's, stays.
    if (plain_deleter && plain == c10::GetDefaultCPUAllocator()) c10::SetCPUAllocator(new BoundedAllocator(*plain));
  });
}

size_t number_in(const char* file) {
  size_t number = kNone;
  std::ifstream stream(file);
  return stream >> number ? number : kNone;
}

}  // namespace

TensorBound::TensorBound(size_t bytes) : before_(most_of_one) {
  install();
  most_of_one = std::min(most_of_one, bytes);
}

TensorBound::~TensorBound() { most_of_one = before_; }

void bound_tensor_memory(size_t bytes) {
  install();
  most_of_all = bytes ? bytes : kNone;
}

GrowthBound::GrowthBound(size_t bytes) : before_(most_of_all) {
  install();
  const size_t used = in_use;
  most_of_all = std::min(before_, used + std::min(bytes, kNone - used));
}

GrowthBound::~GrowthBound() { most_of_all = before_; }

size_t share_of_memory() {
  const size_t machine = static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t container = std::min(number_in("/sys/fs/cgroup/memory.max"), number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
  return std::min(machine, container) / 10 * 9;
}

void check_room(const std::string& type, at::IntArrayRef sizes, size_t element_bytes) {
  double bytes = static_cast<double>(element_bytes);
  for (const int64_t size : sizes) {
    if (size < 0) throw Error(ErrorKind::Model, type, "output: got shape " + to_string(sizes) + ", expected no negative sizes");
    bytes *= static_cast<double>(size);
  }
  if (bytes >= 0x1p62) too_large(size_t{1} << 62, std::min(most_of_one, most_of_all.load()));
  check_bytes(static_cast<size_t>(bytes));
}

}  // namespace ppq::ops

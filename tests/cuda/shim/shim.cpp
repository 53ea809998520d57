#include "tests/cuda/shim/shim.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <deque>
#include <exception>
#include <map>
#include <random>

namespace shim {
namespace {

constexpr size_t kStack = 128 << 10;

enum class State { Ready, AtBarrier, AtShuffle, Done };

struct Fiber {
  ucontext_t context{};
  State state = State::Ready;
  unsigned thread = 0;
  const char* file = "";
  int line = 0;
  bool predicate = false;
  unsigned shuffles = 0;
};

struct Block {
  std::vector<Fiber> fibers;
  std::deque<unsigned> ready;
  std::vector<uint64_t> lanes;  ///< two shuffle values a thread, used in turn
  std::vector<int> at_shuffle;  ///< a warp
  int done = 0;
  bool any = false;
  uint32_t epoch = 0;
  std::string error;
};

struct Machine {
  ucontext_t scheduler{};
  Block* block = nullptr;
  Fiber* running = nullptr;
  const std::function<void()>* kernel = nullptr;
  unsigned seed = 0;
  std::mt19937 random;
  uint64_t blocks = 0;
  int64_t dynamic_bytes = 0;
  char* stacks = nullptr;
  size_t stack_count = 0;
};
Machine machine;

std::string place(const char* path, int line) {
  std::string file = path;
  return file.substr(file.rfind('/') + 1) + ":" + std::to_string(line);
}
std::string place(const Fiber& fiber) { return place(fiber.file, fiber.line); }

/// Barriers reached so far, by line and file; true: broken.
std::map<std::pair<int, const char*>, bool> barriers;
bool is_broken(const char* file, int line) { return barriers.try_emplace({line, file}, false).first->second; }

void give_up(State state, const char* file = "", int line = 0) {
  Fiber& self = *machine.running;
  self.state = state;
  self.file = file;
  self.line = line;
  swapcontext(&self.context, &machine.scheduler);
}

void fiber_main() {
  try {
    (*machine.kernel)();
  } catch (const std::exception& error) {
    machine.block->error = error.what();
  }
  ++machine.block->done;
  give_up(State::Done);
}

void release(Block& block, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    block.fibers[i].state = State::Ready;
    block.ready.push_back(static_cast<unsigned>(i));
  }
}

/// All threads wait or have ended: lets them pass the barrier, or says why they cannot.
void pass_barrier(Block& block) {
  const Fiber* waiting = nullptr;
  for (const Fiber& fiber : block.fibers) {
    if (fiber.state == State::Done) continue;
    if (fiber.state == State::AtShuffle) {
      block.error = "shuffle at " + place(fiber) + ": not all lanes of the warp reach it";
      return;
    }
    if (waiting != nullptr && (waiting->line != fiber.line || strcmp(waiting->file, fiber.file) != 0)) {
      block.error = "barrier divergence: thread " + std::to_string(waiting->thread) + " waits at " + place(*waiting) + ", thread " +
                    std::to_string(fiber.thread) + " at " + place(fiber);
      return;
    }
    waiting = &fiber;
  }
  if (block.done > 0) {
    block.error = "barrier divergence: " + std::to_string(block.done) + " threads have ended, thread " + std::to_string(waiting->thread) +
                  " waits at " + place(*waiting);
    return;
  }
  block.any = false;
  for (const Fiber& fiber : block.fibers) block.any = block.any || fiber.predicate;
  ++block.epoch;
  release(block, 0, block.fibers.size());
}

unsigned next_ready(Block& block) {
  if (machine.seed != 0) std::swap(block.ready[machine.random() % block.ready.size()], block.ready.front());
  unsigned front = block.ready.front();
  block.ready.pop_front();
  return front;
}

void run_block(unsigned index, int threads) {
  Block block;
  block.fibers.resize(threads);
  block.lanes.resize(2 * static_cast<size_t>(threads));
  block.at_shuffle.resize((threads + 31) / 32);
  machine.block = &block;
  ++machine.blocks;
  block_index.x = index;
  for (int t = 0; t < threads; ++t) {
    Fiber& fiber = block.fibers[t];
    fiber.thread = static_cast<unsigned>(t);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = machine.stacks + static_cast<size_t>(t) * kStack;
    fiber.context.uc_stack.ss_size = kStack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, fiber_main, 0);
  }
  release(block, 0, block.fibers.size());
  while (block.error.empty() && block.done < threads) {
    if (block.ready.empty()) {
      pass_barrier(block);
      continue;
    }
    Fiber& fiber = block.fibers[next_ready(block)];
    machine.running = &fiber;
    thread_index.x = fiber.thread;
    swapcontext(&machine.scheduler, &fiber.context);
    if (fiber.state == State::Ready) block.ready.push_back(fiber.thread);
    if (fiber.state == State::AtShuffle) {
      size_t warp = fiber.thread / 32, begin = warp * 32, end = std::min<size_t>(begin + 32, threads);
      if (++block.at_shuffle[warp] == static_cast<int>(end - begin)) {
        block.at_shuffle[warp] = 0;
        release(block, begin, end);
      }
    }
  }
  machine.block = nullptr;
  if (!block.error.empty()) throw std::runtime_error("shim: " + block.error);
}

}  // namespace

void set_schedule(unsigned seed) {
  machine.seed = seed;
  machine.random.seed(seed);
}

std::vector<std::string> barrier_places() {
  std::vector<std::string> places;
  for (auto& [at, broken] : barriers) places.push_back(place(at.second, at.first));
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}
void break_barrier(const std::string& broken_place) {
  for (auto& [at, broken] : barriers) broken = place(at.second, at.first) == broken_place;
}

void run_grid(int64_t grid, int block, int64_t shared_bytes, const std::function<void()>& kernel) {
  if (grid <= 0) return;
  if (block < 1 || block > 1024 || shared_bytes > 227 << 10 || grid > 0x7fffffff) throw std::runtime_error("shim: launch configuration");
  if (machine.stack_count < static_cast<size_t>(block)) {
    if (machine.stacks != nullptr) munmap(machine.stacks, machine.stack_count * kStack);
    machine.stack_count = static_cast<size_t>(block);
    void* memory = mmap(nullptr, machine.stack_count * kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("shim: no memory for stacks");
    machine.stacks = static_cast<char*>(memory);
  }
  machine.kernel = &kernel;
  machine.dynamic_bytes = shared_bytes;
  block_size = {static_cast<unsigned>(block), 1, 1};
  grid_size = {static_cast<unsigned>(grid), 1, 1};
  std::vector<unsigned> order(static_cast<size_t>(grid));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<unsigned>(i);
  if (machine.seed != 0) std::shuffle(order.begin(), order.end(), machine.random);
  for (unsigned index : order) run_block(index, block);
}

void barrier(const char* file, int line) { barrier_or(false, file, line); }

int barrier_or(bool predicate, const char* file, int line) {
  if (is_broken(file, line)) return predicate ? 1 : 0;
  machine.running->predicate = predicate;
  give_up(State::AtBarrier, file, line);
  return machine.block->any ? 1 : 0;
}

uint64_t shuffle_xor(uint64_t value, int step, const char* file, int line) {
  Fiber& self = *machine.running;
  uint64_t* slots = machine.block->lanes.data() + (self.shuffles++ % 2) * machine.block->fibers.size();
  slots[self.thread] = value;
  give_up(State::AtShuffle, file, line);
  return slots[self.thread ^ static_cast<unsigned>(step)];
}

bool any_lane(bool predicate, const char* file, int line) {
  Fiber& self = *machine.running;
  uint64_t* slots = machine.block->lanes.data() + (self.shuffles++ % 2) * machine.block->fibers.size();
  slots[self.thread] = predicate ? 1 : 0;
  give_up(State::AtShuffle, file, line);
  const size_t begin = self.thread / 32 * 32, end = std::min<size_t>(begin + 32, machine.block->fibers.size());
  return std::any_of(slots + begin, slots + end, [](uint64_t lane) { return lane != 0; });
}

void may_switch() {
  if (machine.seed != 0 && machine.random() % 16 == 0) give_up(State::Ready);
}

void fail(const std::string& problem) { throw std::runtime_error(problem); }

unsigned current_thread() { return machine.running->thread; }
uint64_t current_block() { return machine.blocks; }
uint32_t current_epoch() { return machine.block->epoch; }
int64_t dynamic_bytes() { return machine.dynamic_bytes; }

void Shadow::touch(Access access, const char* name, size_t index) {
  uint32_t now = current_epoch();
  uint16_t self = static_cast<uint16_t>(current_thread());
  auto others = [&](Access kind) {
    int i = static_cast<int>(kind);
    return epoch[i] == now && (many[i] || thread[i] != self);
  };
  bool race = access == Access::Read    ? others(Access::Write) || others(Access::Atomic)
              : access == Access::Write ? others(Access::Read) || others(Access::Write) || others(Access::Atomic)
                                        : others(Access::Read) || others(Access::Write);
  if (race || (access != Access::Write && !written)) {
    const char* kNames[] = {"read", "write", "atomic"};
    std::string what =
        std::string(name) + "[" + std::to_string(index) + "], " + kNames[static_cast<int>(access)] + " by thread " + std::to_string(self);
    if (race) fail("race on shared " + what + ": no barrier since another thread touched it");
    fail("uninitialised shared " + what);
  }
  written = true;
  int i = static_cast<int>(access);
  if (epoch[i] == now) {
    many[i] = many[i] || thread[i] != self;
  } else {
    epoch[i] = now;
    thread[i] = self;
    many[i] = false;
  }
}

}  // namespace shim

#pragma once

#include <cstdint>
#include <iterator>
#include <string>
#include <vector>

namespace ppq::fuzz {

/// Numbers that are the same on every machine.
class Random {
 public:
  explicit Random(uint64_t state) : state_(state) {}
  uint64_t next();
  /// 0 .. count - 1; `count` is not 0.
  size_t below(size_t count) { return static_cast<size_t>(next() % count); }
  bool one_in(size_t count) { return below(count) == 0; }
  template <class List>
  auto& pick(List& list) {
    return list[below(std::size(list))];
  }

 private:
  uint64_t state_;
};

/// A valid model: a serialized ModelProto.
struct Seed {
  std::string name, model;
};

/// Small graphs with everything that the program treats by itself, and onnx's node tests in `node_tests` with their small integer
/// inputs as constants, so that shapes, axes and counts can be spoilt too.
std::vector<Seed> make_seeds(const std::string& node_tests);
/// A model file as a seed.
Seed read_seed(const std::string& path);

/// How a mutant comes about: a seed and a number for each change. A list with some of the numbers left out is a recipe too.
struct Recipe {
  size_t seed = 0;
  std::vector<uint64_t> changes;
};
/// The `index`-th of a run.
Recipe recipe_of(uint64_t run, uint64_t index, size_t seeds);

struct Mutant {
  std::string model;                 ///< bytes of the file
  std::string data;                  ///< of "model.data" beside it
  std::vector<std::string> changes;  ///< in words
  bool open_loop = false;            ///< has a Loop of many trips, or one that ends by a computed condition: nobody can tell when it does
};
Mutant make_mutant(const std::vector<Seed>& seeds, const Recipe& recipe);

/// An encodings JSON with one to three changes.
std::string spoil_table(std::string table, Random random);

}  // namespace ppq::fuzz

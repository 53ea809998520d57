#pragma once

#include <onnx/onnx_pb.h>

#include <limits>
#include <string>
#include <vector>

#include "fuzz/mutant.h"

namespace ppq::fuzz {

constexpr int64_t kLeast = std::numeric_limits<int64_t>::min(), kMost = std::numeric_limits<int64_t>::max();
constexpr int64_t kIntegers[] = {0,
                                 1,
                                 -1,
                                 2,
                                 3,
                                 7,
                                 -2,
                                 64,
                                 255,
                                 -129,
                                 1 << 16,
                                 1 << 20,
                                 2147483647,
                                 2147483648,
                                 -2147483648LL,
                                 4294967296,
                                 int64_t{1} << 40,
                                 int64_t{1} << 62,
                                 kMost,
                                 kLeast};
constexpr float kReals[] = {0,
                            -0.0f,
                            1,
                            -1,
                            0.5f,
                            3,
                            1e-30f,
                            1e-45f,
                            1e30f,
                            3.4e38f,
                            -3.4e38f,
                            std::numeric_limits<float>::quiet_NaN(),
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity()};

/// What a change works on: the model, all graphs in it (sub-graphs too), the file of external data, and other models to take from.
struct Work {
  onnx::ModelProto& model;
  std::vector<onnx::GraphProto*> graphs;
  std::string& data;
  const std::vector<Seed>& seeds;

  onnx::GraphProto& graph(Random& random) const;
  /// Of any graph; null where there is none.
  onnx::NodeProto* node(Random& random) const;
  /// An initializer, or a tensor of an attribute; null where there is none.
  onnx::TensorProto* tensor(Random& random) const;
};

/// One kind of change: says what it did, or nothing where the model has no place for it.
struct Mutation {
  int weight;
  std::string (*make)(Work&, Random&);
};
std::vector<Mutation> value_mutations();      ///< attributes, constants, declared types
std::vector<Mutation> tensor_mutations();     ///< storage of constants: dimensions, types, external data
std::vector<Mutation> wiring_mutations();     ///< links, names, operators, versions
std::vector<Mutation> structure_mutations();  ///< chains, nests, loops, functions, pieces of other models

/// Of the file's bytes.
std::string spoil_bytes(std::string& bytes, Random& random);

/// A name that some value of the graph has.
std::string some_name(const onnx::GraphProto& graph, Random& random);

}  // namespace ppq::fuzz

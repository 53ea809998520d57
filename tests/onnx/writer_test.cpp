// What is read and written back is what the file said: compared by onnx's Python package, field by field.
#include "onnx/files.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;

/// Reads and writes every model; what the independent reader finds different.
std::string differences(const std::vector<std::string>& models, const std::string& folder) {
  std::string faults;
  std::vector<std::string> pairs;
  for (size_t i = 0; i < models.size(); ++i) {
    const std::string written = folder + "/" + std::to_string(i) + ".onnx";
    try {
      auto graph = read_onnx(models[i]);
      graph->verify();
      write_onnx(*graph, written);
      pairs.insert(pairs.end(), {models[i], written});
    } catch (const std::exception& error) {
      faults += models[i] + ": " + error.what() + "\n";
    }
  }
  // Long lists do not fit a command line.
  const std::string list = folder + "/pairs.txt";
  std::string lines;
  for (const auto& path : pairs) lines += path + "\n";
  save(list, lines);
  return faults + run_script("same_model.py", {"@" + list});
}

std::vector<std::string> models_below(const std::string& folder) {
  std::vector<std::string> models;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == ".onnx") models.push_back(entry.path().string());
  std::sort(models.begin(), models.end());
  return models;
}

TEST(WriteOnnx, RealModelsComeBackTheSame) {
  PPQ_REQUIRE_SHARED();
  PPQ_REQUIRE_PYTHON();
  const auto models = models_below(shared("models"));
  ASSERT_GE(models.size(), 16u);
  EXPECT_EQ(differences(models, temporary_dir("real")), "");
}

TEST(WriteOnnx, EveryFeatureComesBackTheSame) {
  PPQ_REQUIRE_PYTHON();
  const std::string folder = temporary_dir("features");
  fs::create_directories(folder + "/made");
  ASSERT_EQ(run_script("make_models.py", {folder + "/made"}), "");
  const auto models = models_below(folder + "/made");
  ASSERT_EQ(models.size(), 9u);
  EXPECT_EQ(differences(models, folder), "");
}

TEST(WriteOnnx, OnnxNodeTestsComeBackTheSame) {
  PPQ_REQUIRE_PYTHON();
  std::vector<std::string> models;
  for (const auto& model : models_below(PPQ_NODE_TESTS))
    if (model.find("/test_not_") == std::string::npos) models.push_back(model);  // of opset 1
  ASSERT_GE(models.size(), 1000u);
  EXPECT_EQ(differences(models, temporary_dir("nodes")), "");
}

TEST(WriteOnnx, TheComparisonSeesAChangedWeightNameAndSymbol) {
  PPQ_REQUIRE_PYTHON();
  const std::string folder = temporary_dir("changed");
  const std::string text = text_model("g (float[N, 2] x) => (float[N, 2] y) <float[2] w = {1, 2}> { y = Mul (x, w) }");
  const auto graph = read_onnx_text(text);
  write_onnx(*graph, folder + "/a.onnx");
  const auto compare = [&](const Graph& changed) {
    write_onnx(changed, folder + "/b.onnx");
    return run_script("same_model.py", {folder + "/a.onnx", folder + "/b.onnx"});
  };
  EXPECT_EQ(compare(*graph), "");
  auto weight = graph->clone();
  weight->find_value("w")->set_constant(weight->find_value("w")->constant() + 1);
  EXPECT_NE(compare(*weight).find("initializer[w]"), std::string::npos);
  auto renamed = graph->clone();
  renamed->rename(renamed->find_value("w"), "v");
  EXPECT_NE(compare(*renamed).find("initializer[w].name"), std::string::npos);
  auto fixed = graph->clone();
  fixed->inputs()[0]->shape->front() = Dim{4, ""};
  EXPECT_NE(compare(*fixed).find("dim_value"), std::string::npos);
}

TEST(WriteOnnx, ChangesReachTheFile) {
  auto graph = read_onnx_text(
      text_model("g (float[N, 2] x) => (float[N, 2] y) <float[2] w = {1, 2}, float[N, 2] m> { m = Mul (x, w)  y = Relu (m) }"));
  Node* relu = graph->nodes()[1];
  graph->set_input(relu, 0, graph->inputs()[0]);
  graph->remove_node(graph->nodes()[0]);
  graph->remove_value(graph->find_value("m"));
  graph->remove_value(graph->find_value("w"));
  const auto back = read_onnx_bytes(write_onnx_bytes(*graph));
  EXPECT_EQ(back->node_count(), 1u);
  EXPECT_EQ(back->find_value("m"), nullptr) << "value_info of a removed value was written";
  EXPECT_TRUE(back->constants().empty());
}

TEST(WriteOnnx, NewConstantsOfIr3AreInputsToo) {
  auto graph = read_onnx_text(text_model("g (float[2] x) => (float[2] y) { y = Relu (x) }", "ir_version: 3, opset_import: [\"\" : 9]"));
  Node* relu = graph->nodes()[0];
  Value* w = graph->add_constant("w", at::ones({2}));
  Value* m = graph->add_value("m");
  graph->add_node("Mul", "mul", {graph->inputs()[0], w}, {m}, relu);
  graph->set_input(relu, 0, m);
  EXPECT_NO_THROW(check_onnx(*graph));
  const auto back = read_onnx_bytes(write_onnx_bytes(*graph));
  ASSERT_EQ(back->inputs().size(), 2u);
  EXPECT_TRUE(back->find_value("w")->is_graph_input() && back->find_value("w")->is_constant());
}

TEST(CheckOnnx, NamesTheFault) {
  auto graph = read_onnx_text(text_model("g (float[2] x) => (float[2] y) { y = Relu (x) }"));
  EXPECT_NO_THROW(check_onnx(*graph));
  graph->nodes()[0]->op_type = "Rellu";
  EXPECT_NE(error_of(ErrorKind::Model, [&] { check_onnx(*graph); }).find("Rellu"), std::string::npos);
}

/// A shape that the file declares and its nodes do not compute comes to light when constants are folded: the computed one is written.
TEST(WriteOnnx, ShapesThatNodesContradictAreComputed) {
  const std::string folder = temporary_dir("contradicted");
  const auto graph =
      read_onnx_text(R"(<ir_version: 8, opset_import: ["" : 17]> g (float[2,3] x, float[3,4] w) => (float[2,4] y) { y = MatMul(x, w) })");
  graph->find_value("y")->shape = Shape{};  // as of a file whose shapes could not be told when it was read
  ASSERT_NO_THROW(write_onnx(*graph, folder + "/m.onnx"));
  EXPECT_TRUE(graph->find_value("y")->shape && graph->find_value("y")->shape->empty()) << "the graph itself stays";
  const auto back = read_onnx(folder + "/m.onnx");
  EXPECT_NO_THROW(check_onnx(*back));
  ASSERT_TRUE(back->outputs()[0]->shape);
  EXPECT_EQ(to_string(*back->outputs()[0]->shape), "[2, 4]");
}

/// What onnx's checker or strict inference refuses is not written, unless the file that was read was refused too.
TEST(WriteOnnx, ShapesThatSubGraphsContradictAreComputed) {
  const std::string path = temporary_dir("contradicted_inside") + "/model.onnx";
  const auto graph = read_onnx_text(text_model(R"(g (float[N,3] x, bool c) => (float[N,3] y) {
    y = If (c) <then_branch = t () => (float[2,3] p) { p = Relu (x) }, else_branch = e () => (float[2,3] q) { q = Neg (x) }> })"));
  graph->find_value("x")->shape = Shape{{1, ""}, {3, ""}};  // as a traced batch has it
  write_onnx(*graph, path);
  const auto again = read_onnx(path);
  EXPECT_NO_THROW(check_onnx(*again));
  const auto branch = again->nodes()[0]->attributes.get_graph("then_branch");
  EXPECT_NE(to_string(branch->outputs()[0]->shape.value_or(Shape{})), "[2, 3]");
}

TEST(WriteOnnx, WhatOnnxRefusesIsNotWritten) {
  const std::string folder = temporary_dir("refused");
  auto graph =
      read_onnx_text(text_model("g (float16[1,1,2,2] x) => (float16[1,1,2,2] y) <float16[1,1,1,1] w = {1}> "
                                "{ [layer] c = Conv (x, w)  y = Relu (c) }"));
  graph->set_input(graph->find_node("layer"), 2, graph->add_constant("b", at::zeros({1})));  // float32
  const std::string refused = error_of(ErrorKind::Model, [&] { write_onnx(*graph, folder + "/bias.onnx"); });
  EXPECT_NE(refused.find("layer"), std::string::npos) << refused;
  auto types = read_onnx_text(text_model("g (float[2] x) => (float[2] y) { [first] m = Relu (x)  [second] y = Neg (m) }"));
  types->find_node("second")->op_type = "Neg2";
  EXPECT_NO_THROW(write_onnx(*types, folder + "/unknown.onnx")) << "of an operator that onnx does not know it knows nothing";
  types->find_node("second")->op_type = "Not";
  EXPECT_NE(error_of(ErrorKind::Model, [&] { write_onnx(*types, folder + "/types.onnx", {.external_above = 0}); }).find("second"),
            std::string::npos);
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path().filename().string());
  EXPECT_EQ(files, std::vector<std::string>{"unknown.onnx"});
}

TEST(WriteOnnx, WhatCameWrongMayGoWrong) {
  const std::string folder = temporary_dir("came_wrong");
  for (const char* wrong : {"g (float[2] x) => (float[2] y) <int64[2] k = {1, 2}> { y = Add (x, k) }",
                            "g (float[2] x) => (float[2] y) { y = Cast<to = 7> (x) }",
                            "g (float[2] x) => (float[7] y) <float[9] m> { m = Neg (x)  y = Relu (m) }"}) {
    auto graph = read_onnx_text(text_model(wrong));
    EXPECT_NO_THROW(write_onnx(*graph->clone(), folder + "/model.onnx")) << wrong;
  }
}

TEST(WriteOnnx, UnwritableFolderIsAResourceError) {
  auto graph = read_onnx_text(text_model("g (float[2] x) => (float[2] y) { y = Relu (x) }"));
  EXPECT_NE(error_of(ErrorKind::Resource, [&] { write_onnx(*graph, "/proc/none/model.onnx"); }).find("/proc/none"), std::string::npos);
}

}  // namespace
}  // namespace ppq::test

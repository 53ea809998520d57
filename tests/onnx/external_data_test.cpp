// Weights beside the model: written, read, compared, and every way in which the file beside can be wrong.
#include "onnx/files.h"

namespace ppq::test {
namespace {

namespace fs = std::filesystem;

const char* const kText = R"(g (float[N, 6] x) => (float[N, 6] y)
  <float[6] w = {1, 2, 3, 4, 5, 6}, int64[6] k = {1, 2, 3, 4, 5, 6}, float[1] small = {7}> {
    c = Constant <value = float[8] {1, 2, 3, 4, 5, 6, 7, 8}> ()
    a = Mul (x, w)
    b = Mul (a, small)
    f = Cast <to = 1> (k)
    y = Add (b, f)
  })";

/// A folder with model.onnx and model.onnx.data: w at 0 (24 bytes), k at 64 (48), the constant at 128 (32).
std::string external_model(const std::string& name) {
  const std::string folder = temporary_dir(name);
  write_onnx(*read_onnx_text(text_model(kText)), folder + "/model.onnx", {16, 0});
  return folder;
}

/// Replaces `from` in the model file by `to` of the same length.
void edit(const std::string& folder, const std::string& from, const std::string& to) {
  std::string bytes = load(folder + "/model.onnx");
  ASSERT_EQ(from.size(), to.size());
  ASSERT_NE(bytes.find(from), std::string::npos);
  for (size_t at; (at = bytes.find(from)) != std::string::npos;) bytes.replace(at, from.size(), to);
  save(folder + "/model.onnx", bytes);
}

std::string model_error(const std::string& folder) {
  const std::string error = error_of(ErrorKind::Model, [&] { read_onnx(folder + "/model.onnx"); });
  EXPECT_NE(error.find(folder + "/model.onnx"), std::string::npos) << "the file is not named: " << error;
  EXPECT_NE(error.find("w"), std::string::npos) << "the tensor is not named: " << error;
  EXPECT_NE(error.find("Hint"), std::string::npos) << error;
  return error;
}

TEST(ExternalData, WrittenFileIsWhatOnnxReads) {
  PPQ_REQUIRE_PYTHON();
  const std::string folder = external_model("external");
  write_onnx(*read_onnx_text(text_model(kText)), folder + "/inside.onnx");
  EXPECT_EQ(run_script("same_model.py", {folder + "/inside.onnx", folder + "/model.onnx"}), "");
  EXPECT_EQ(fs::file_size(folder + "/model.onnx.data"), 128 + 32u) << "64-byte aligned pieces";
  EXPECT_FALSE(fs::exists(folder + "/inside.onnx.data"));
  // Offsets are those of w, k and the constant node, in the order of writing.
  const std::string offsets = run_python(R"(
import onnx, sys
m = onnx.load(sys.argv[1], load_external_data=False)
for t in list(m.graph.initializer) + [n.attribute[0].t for n in m.graph.node if n.op_type == "Constant"]:
    print(t.name, [(e.key, e.value) for e in t.external_data])
)",
                                         {folder + "/model.onnx"});
  for (const char* offset : {"'offset', '0'", "'offset', '64'", "'offset', '128'", "'location', 'model.onnx.data'", "small []"})
    EXPECT_NE(offsets.find(offset), std::string::npos) << offsets;
}

TEST(ExternalData, ReadValuesAreTheSame) {
  const std::string folder = external_model("values");
  const auto graph = read_onnx(folder + "/model.onnx");
  const auto inside = read_onnx_text(text_model(kText));
  for (const Value* value : inside->constants())
    EXPECT_TRUE(at::equal(value->constant(), graph->find_value(value->name())->constant())) << value->name();
  EXPECT_TRUE(at::equal(graph->nodes()[0]->attributes.get_tensor("value"), inside->nodes()[0]->attributes.get_tensor("value")));
}

TEST(ExternalData, TensorsOutliveGraphAndFile) {
  const std::string folder = external_model("outlive");
  auto graph = read_onnx(folder + "/model.onnx");
  const at::Tensor w = graph->find_value("w")->constant();
  graph.reset();
  for (const char* file : {"/model.onnx", "/model.onnx.data"}) fs::remove(folder + file);
  EXPECT_EQ(w.sum().item<float>(), 21);
}

TEST(ExternalData, ModelIsWrittenOverItself) {
  const std::string folder = external_model("over");
  const auto graph = read_onnx(folder + "/model.onnx");
  write_onnx(*graph, folder + "/model.onnx", {16, 0});
  EXPECT_EQ(graph->find_value("w")->constant().sum().item<float>(), 21);
  EXPECT_EQ(read_onnx(folder + "/model.onnx")->find_value("k")->constant().sum().item<int64_t>(), 21);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 2) << "temporary files are left";
}

TEST(ExternalData, StoresIntoATensorDoNotReachTheFile) {
  const std::string folder = external_model("private");
  const std::string before = load(folder + "/model.onnx.data");
  {
    const auto graph = read_onnx(folder + "/model.onnx");
    graph->find_value("w")->constant().fill_(0);
  }
  EXPECT_EQ(load(folder + "/model.onnx.data"), before);
}

TEST(ExternalData, MisalignedDataIsRead) {
  const std::string folder = external_model("misaligned");
  save(folder + "/model.onnx.data", std::string(1, 'x') + load(folder + "/model.onnx.data"));
  edit(folder, std::string("offset\x12\x01", 8) + "0", std::string("offset\x12\x01", 8) + "1");
  EXPECT_EQ(read_onnx(folder + "/model.onnx")->find_value("w")->constant().sum().item<float>(), 21);
}

TEST(ExternalData, MoreThanTwoGigabytesAreMapped) {
  // Holes in the data file stand for weights of 3 GB; nothing of them is read.
  const std::string folder = external_model("huge");
  PPQ_REQUIRE_PYTHON();
  ASSERT_EQ(run_python(R"(
import onnx, sys
from onnx import helper, TensorProto
t = TensorProto(name="w", dims=[3 << 28], data_type=1, data_location=TensorProto.EXTERNAL)
for k, v in (("location", "big.data"), ("offset", "0"), ("length", str(3 << 30))):
    e = t.external_data.add(); e.key, e.value = k, v
g = helper.make_graph([helper.make_node("Relu", ["w"], ["y"])], "g", [], [helper.make_tensor_value_info("y", 1, [3 << 28])], [t])
open(sys.argv[1] + "/big.onnx", "wb").write(helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())
with open(sys.argv[1] + "/big.data", "wb") as f:
    f.seek((3 << 30) - 4); f.write(b"\x00\x00\x80\x3f")
)",
                       {folder}),
            "");
  const auto graph = read_onnx(folder + "/big.onnx");
  const at::Tensor w = graph->find_value("w")->constant();
  EXPECT_EQ(w.nbytes(), size_t{3} << 30);
  EXPECT_EQ(w[(3 << 28) - 1].item<float>(), 1.0f);
  EXPECT_NE(error_of(ErrorKind::Resource, [&] { write_onnx_bytes(*graph); }).find("larger than protobuf can write"), std::string::npos);
  EXPECT_NO_THROW(check_onnx(*graph));
}

TEST(ExternalData, MissingFile) {
  const std::string folder = external_model("missing");
  fs::remove(folder + "/model.onnx.data");
  EXPECT_NE(model_error(folder).find("is missing"), std::string::npos);
}

TEST(ExternalData, ShortFile) {
  const std::string folder = external_model("short");
  fs::resize_file(folder + "/model.onnx.data", 20);
  EXPECT_NE(model_error(folder).find("too short: got 20 bytes, expected 24 at offset 0"), std::string::npos);
}

TEST(ExternalData, WrongLength) {
  const std::string folder = external_model("length");
  edit(folder, std::string("length\x12\x02", 8) + "24", std::string("length\x12\x02", 8) + "20");
  EXPECT_NE(model_error(folder).find("got 20, expected 24"), std::string::npos);
}

TEST(ExternalData, OffsetThatIsNoNumberOrTooLarge) {
  const std::string folder = external_model("offset");
  edit(folder, std::string("offset\x12\x02", 8) + "64", std::string("offset\x12\x02", 8) + "-4");
  EXPECT_NE(error_of(ErrorKind::Model, [&] { read_onnx(folder + "/model.onnx"); }).find("bad offset"), std::string::npos);
  edit(folder, std::string("offset\x12\x02", 8) + "-4", std::string("offset\x12\x02", 8) + "99");
  fs::resize_file(folder + "/model.onnx.data", 140);
  EXPECT_NE(error_of(ErrorKind::Model, [&] { read_onnx(folder + "/model.onnx"); }).find("initializer k"), std::string::npos);
}

TEST(ExternalData, PathsOutOfTheFolderAreRefused) {
  for (const char* location : {"/etc/model.data", "../../onnx.data", "sub/../../m.dat"}) {
    const std::string folder = external_model("outside");
    edit(folder, "model.onnx.data", location);
    EXPECT_NE(model_error(folder).find("outside the model's folder"), std::string::npos);
  }
}

TEST(ExternalData, LinksOutOfTheFolderAreRefusedAndThoseInsideFollowed) {
  const std::string folder = external_model("link"), outside = temporary_dir("target");
  fs::rename(folder + "/model.onnx.data", outside + "/data");
  fs::create_symlink(outside + "/data", folder + "/model.onnx.data");
  EXPECT_NE(model_error(folder).find("is a link to"), std::string::npos);
  fs::remove(folder + "/model.onnx.data");
  fs::rename(outside + "/data", folder + "/inside");
  fs::create_symlink("inside", folder + "/model.onnx.data");
  EXPECT_NO_THROW(read_onnx(folder + "/model.onnx"));
  fs::create_directory_symlink(outside, folder + "/sub");
  save(outside + "/onnx.datax!", std::string(300, '\0'));
  edit(folder, "model.onnx.data", "sub/onnx.datax!");
  EXPECT_NE(model_error(folder).find("is a link to"), std::string::npos) << "a linked folder on the way";
}

TEST(ExternalData, FoldersAreRefused) {
  const std::string folder = external_model("folder");
  fs::remove(folder + "/model.onnx.data");
  fs::create_directory(folder + "/model.onnx.data");
  EXPECT_NE(model_error(folder).find("is a folder"), std::string::npos);
}

TEST(ExternalData, ModelFromMemoryHasNoFiles) {
  const std::string folder = external_model("memory");
  const std::string bytes = load(folder + "/model.onnx");
  EXPECT_NE(error_of(ErrorKind::Model, [&] { read_onnx_bytes(bytes); }).find("comes from memory"), std::string::npos);
}

}  // namespace
}  // namespace ppq::test

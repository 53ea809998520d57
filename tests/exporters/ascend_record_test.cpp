// AMCT's record of factors, parsed by protobuf's own text format against the message that AMCT declares.
#include <cmath>

#include "exporters/twelve_ops.h"
#include "support/python.h"

namespace ppq::test {
namespace {

using testing::AllOf;

PlatformSpec ascend() {
  const QuantScheme weight = rules::signed_symmetric(8);
  PlatformSpec spec = target(rules::unsigned_asymmetric(8), weight, {"Conv", "ConvTranspose", "Gemm", "AveragePool"});
  spec.slots.insert(spec.slots.begin(), rules::quantized(SlotRole::Weight, rules::per_channel(weight), {"Conv", "ConvTranspose"}));
  return spec;
}

/// Prints the records as JSON, in order.
const char* const kParse = R"(
import json, sys
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
F = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name='record.proto', package='p', syntax='proto2')
def message(name, fields):
    m = file.message_type.add(name=name)
    for number, (field, kind, label) in enumerate(fields, 1):
        f = m.field.add(name=field, number=number, label=label)
        if isinstance(kind, str): f.type, f.type_name = F.TYPE_MESSAGE, '.p.' + kind
        else: f.type = kind
one, many = F.LABEL_OPTIONAL, F.LABEL_REPEATED
message('Layer', [('scale_d', F.TYPE_FLOAT, one), ('offset_d', F.TYPE_INT32, one), ('scale_w', F.TYPE_FLOAT, many),
                  ('offset_w', F.TYPE_INT32, many), ('channels', F.TYPE_UINT32, one), ('height', F.TYPE_UINT32, one),
                  ('width', F.TYPE_UINT32, one)])
message('Entry', [('key', F.TYPE_STRING, one), ('value', 'Layer', one)])
message('Records', [('record', 'Entry', many)])
pool = descriptor_pool.DescriptorPool()
pool.Add(file) if not hasattr(pool, 'AddSerializedFile') else pool.AddSerializedFile(file.SerializeToString())
get = getattr(message_factory, 'GetMessageClass', None) or message_factory.MessageFactory(pool).GetPrototype
records = text_format.Parse(open(sys.argv[1]).read(), get(pool.FindMessageTypeByName('p.Records'))())
print(json.dumps([{'key': r.key, 'scale_d': r.value.scale_d, 'offset_d': r.value.offset_d, 'scale_w': list(r.value.scale_w),
                   'offset_w': list(r.value.offset_w), 'shape': [r.value.channels, r.value.height, r.value.width]}
                  for r in records.record]))
)";

Json parsed(const Exported& out) { return Json::parse(run_python(kParse, {out.path("quantized_ascend.txt")})); }

TEST(AscendRecord, RecordsOfTheTwelveOps) {
  PPQ_REQUIRE_PYTHON();
  const QuantizedGraph q(ascend());
  const Exported out("ascend-record", q);
  EXPECT_EQ(out.summary.written, 6u);
  Json records = parsed(out);
  ASSERT_EQ(records.size(), 3u);
  for (const auto& [index, name, shape] :
       {std::tuple(0, "conv1", Json{3, 16, 16}), {1, "conv2", Json{8, 8, 8}}, {2, "fc1", Json{16, 1, 1}}}) {
    Json& record = records[static_cast<size_t>(index)];
    EXPECT_EQ(record["key"], name);
    EXPECT_EQ(record["scale_d"].get<double>(), scales(q.in(name))[0]);
    EXPECT_EQ(record["offset_d"].get<int64_t>(), std::lround(offset_of(q.in(name))) - 128);
    EXPECT_EQ(record["scale_w"].get<std::vector<double>>(), scales(q.in(name, 1)));
    EXPECT_EQ(record["offset_w"], Json(std::vector<int>(scales(q.in(name, 1)).size(), 0)));
    EXPECT_EQ(record["shape"], shape);
  }
  EXPECT_EQ(records[0]["scale_w"].size(), 8u);
  EXPECT_EQ(records[2]["scale_w"].size(), 1u);
}

TEST(AscendRecord, LineByLine) {
  Quantizing q("(float[1,2,6,4] x) => (float[1,2,3,2] y)", "[pool] y = AveragePool<kernel_shape = [2, 2], strides = [2, 2]>(x)");
  q.node("pool").quantized = true;
  q.node("pool").input_quant = {active(0.5, 3)};
  const char* const wanted =
      "record {\n  key: \"pool\"\n  value {\n    scale_d: 0.5\n    offset_d: %s\n    channels: 2\n    height: 6\n"
      "    width: 4\n  }\n}\n";
  const auto with = [&](const std::string& offset) { return std::string(wanted).replace(std::string(wanted).find("%s"), 2, offset); };
  EXPECT_EQ(Exported("ascend-record", *q.graph, q.platform).text("quantized_ascend.txt"), with("-125"));
  q.node("pool").input_quant = {active(0.5, 0, -128, 127)};
  EXPECT_EQ(Exported("ascend-record", *q.graph, q.platform).text("quantized_ascend.txt"), with("0")) << "int8 already";
}

TEST(AscendRecord, NamesAreQuotedAndScalesAreKeptInAmctsLimits) {
  PPQ_REQUIRE_PYTHON();
  Quantizing q("(float[1,2] x) => (float[1,1] z) <float[1,2] w = {1, 2}>", "[fc] y = Gemm<transB = 1>(x, w) [n] z = Neg(y)");
  Node& old = q.node("fc");
  const std::vector<Value*> inputs = old.inputs(), outputs = old.outputs();
  q.graph->remove_node(&old);
  Node* node = q.graph->add_node("Gemm", "a \"b\" \\c", inputs, outputs, q.graph->find_node("n"));
  node->attributes.set("transB", int64_t{1});
  node->quantized = true;
  node->input_quant = {active(1e-9, 0), active(3e7, 0, -128, 127)};
  Json records = parsed(Exported("ascend-record", *q.graph, q.platform));
  EXPECT_EQ(records.at(0)["key"], "a \"b\" \\c");
  EXPECT_NEAR(records[0]["scale_d"].get<double>(), std::ldexp(1, -23), 1e-13);
  EXPECT_NEAR(records[0]["scale_w"][0].get<double>(), std::ldexp(1, 23), 1);
}

TEST(AscendRecord, WhatTheRecordCannotSayIsRefused) {
  const auto refused = [](const std::string& signature, const std::string& body, const TensorQuantPtr& data, const TensorQuantPtr& weight) {
    Quantizing q(signature, body, {"w"});
    q.node("n").quantized = true;
    q.node("n").input_quant = {data, weight};
    const Error error = thrown([&] { Exported("ascend-record", *q.graph, q.platform); });
    EXPECT_EQ(error.kind(), ErrorKind::Unsupported);
    return std::string(error.what());
  };
  const std::string gemm = "(float[1,2] x, float[3,2] w) => (float[1,3] y)", gemm_body = "[n] y = Gemm<transB = 1>(x, w)";
  auto channels = active(0.5, 0, -128, 127);
  channels->scheme.granularity = Granularity::PerChannel;
  const auto good = active(0.5, 0, -128, 127);
  EXPECT_THAT(refused(gemm, gemm_body, active(0.5, 3), channels), AllOf(HasSubstr("tensor w"), HasSubstr("one scale a tensor")));
  EXPECT_THAT(refused(gemm, gemm_body, active(0.5, 3), active(0.5, 3)), AllOf(HasSubstr("tensor w"), HasSubstr("no zero point")));
  EXPECT_THAT(refused(gemm, gemm_body, active(0.5, 0, 0, 65535), good), AllOf(HasSubstr("tensor x"), HasSubstr("65535")));
  EXPECT_THAT(refused("(float[1,2,4] x, float[3,2,1] w) => (float[1,3,4] y)", "[n] y = Conv(x, w)", active(0.5, 3), good),
              AllOf(HasSubstr("tensor x"), HasSubstr("[1, 2, 4]")));
  EXPECT_THAT(refused("(float[1,2,H,4] x, float[3,2,1,1] w) => (float[1,3,H,4] y)", "[n] y = Conv(x, w)", active(0.5, 3), good),
              HasSubstr("--input-shape"));
}

}  // namespace
}  // namespace ppq::test

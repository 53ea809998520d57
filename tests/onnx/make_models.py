"""Writes one model a feature into a folder, with the onnx package: what a reader and writer must carry through unchanged."""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def info(name, shape, dtype=FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def entry(message, key, value):
    pair = message.metadata_props.add()
    pair.key, pair.value = key, value


def model_of(graph, ir=10, opsets=(("", 21),), **fields):
    model = helper.make_model(graph, ir_version=ir, opset_imports=[helper.make_opsetid(*o) for o in opsets], **fields)
    return model


def relu(name="r", source="x", target="y"):
    return helper.make_node("Relu", [source], [target], name=name)


def metadata():
    weight = numpy_helper.from_array(numpy.arange(6, dtype=numpy.float32).reshape(2, 3), "w")
    weight.doc_string = "weight doc"
    entry(weight, "tensor key", "tensor value")
    x, y, middle = info("x", ["batch", 2]), info("y", ["batch", 3]), info("m", ["batch", 3])
    for value in (x, y, middle):
        value.doc_string = value.name + " doc"
        entry(value, "value key", value.name)
    x.type.denotation = "TENSOR"
    x.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    node = helper.make_node("MatMul", ["x", "w"], ["m"], name="mm", doc_string="node doc")
    entry(node, "node key", "node value")
    leaky = helper.make_node("LeakyRelu", ["m"], ["y"], name="lr", alpha=0.25)
    leaky.attribute[0].doc_string = "attribute doc"
    graph = helper.make_graph([node, leaky], "g", [x], [y], [weight], doc_string="graph doc", value_info=[middle])
    entry(graph, "graph key", "graph value")
    annotation = graph.quantization_annotation.add()
    annotation.tensor_name = "m"
    pair = annotation.quant_parameter_tensor_names.add()
    pair.key, pair.value = "SCALE_TENSOR", "w"
    model = model_of(graph, opsets=(("ai.onnx.ml", 3), ("", 21), ("ai.onnx.training", 1)), producer_name="maker", producer_version="1.2",
                     model_version=7, doc_string="model doc", domain="org.test")
    entry(model, "b", "2")
    entry(model, "a", "1")
    training = model.training_info.add()
    training.algorithm.CopyFrom(helper.make_graph([relu()], "step", [], []))
    return model


def attributes():
    node = helper.make_node("Anything", ["x"], ["y", "", "z"], name="n", domain="org.test", i=-3, f=0.1, s=b"\xff\x00raw", ints=[1, 2], floats=[0.5, 1e-30],
                            strings=[b"a", b""], t=helper.make_tensor("inner", FLOAT, [2], [1, 2]))
    node.attribute.extend([
        helper.make_attribute("tensors", [helper.make_tensor("t0", INT64, [1], [4]), helper.make_tensor("t1", FLOAT, [], [5])]),
        helper.make_attribute("type", helper.make_tensor_type_proto(FLOAT, [1, "n"])),
        helper.make_attribute("sparse", helper.make_sparse_tensor(helper.make_tensor("v", FLOAT, [1], [3]), helper.make_tensor("i", INT64, [1], [2]), [5])),
        helper.make_attribute("text", helper.make_tensor("words", TensorProto.STRING, [2], [b"one", b"two"])),
        helper.make_attribute("nibbles", helper.make_tensor("n4", TensorProto.INT4, [3], [-8, 7, 1])),
        helper.make_attribute("body", helper.make_graph([relu("r", "x", "q")], "inner", [], [info("q", None)])),
        helper.make_attribute("bodies", [helper.make_graph([relu("r", "x", "q")], "first", [], [info("q", None)])]),
    ])
    for name, kind in (("no_ints", onnx.AttributeProto.INTS), ("no_floats", onnx.AttributeProto.FLOATS), ("no_strings", onnx.AttributeProto.STRINGS)):
        empty = node.attribute.add()
        empty.name, empty.type = name, kind
    graph = helper.make_graph([node], "g", [info("x", [None, "n", 4, 0])], [info("y", ["m"]), info("z", [])])
    return model_of(graph, opsets=(("", 17), ("org.test", 2)))


def constants():
    tensors = [helper.make_tensor("s", TensorProto.STRING, [2], [b"one", b"\xff"]), helper.make_tensor("u4", TensorProto.UINT4, [3], [1, 2, 15]),
               helper.make_tensor("f", FLOAT, [3], [1, 2, 3]), helper.make_tensor("i4", TensorProto.INT4, [2, 2], [-8, 7, 0, 1]),
               helper.make_tensor("empty", FLOAT, [0, 4], []), helper.make_tensor("scalar", INT64, [], [9])]
    sparse = helper.make_sparse_tensor(helper.make_tensor("sp", FLOAT, [2], [3, 4]), helper.make_tensor("i", INT64, [2], [2, 9]), [3, 4])
    nodes = [helper.make_node("Identity", [name], ["out_" + name]) for name in ("s", "u4", "f", "i4", "empty", "scalar")]
    for i, node in enumerate(nodes):
        node.name = f"n{i}"
    outputs = [info("out_" + t.name, t.dims, t.data_type) for t in tensors]
    graph = helper.make_graph(nodes, "g", [], outputs, tensors)
    graph.sparse_initializer.append(sparse)
    return model_of(graph)


def constant_nodes():
    value = helper.make_tensor("named", FLOAT, [2], [1, 2])
    nodes = [helper.make_node("Constant", [], ["c"], name="c", value=value), helper.make_node("Constant", [], ["d"], name="d", value_float=2.5),
             helper.make_node("Add", ["x", "c"], ["a"], name="add"), helper.make_node("Mul", ["a", "d"], ["y"], name="mul")]
    return model_of(helper.make_graph(nodes, "g", [info("x", [2])], [info("y", [2])]))


def ir3():
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"], name="add"), helper.make_node("Mul", ["y", "k"], ["z"], name="mul")], "g",
                              [info("w", [2]), info("x", [2]), info("k", [2])], [info("z", [2])],
                              [helper.make_tensor("k", FLOAT, [2], [1, 2]), helper.make_tensor("w", FLOAT, [2], [3, 4])])
    return model_of(graph, ir=3, opsets=(("", 7),))


def names():
    nodes = [helper.make_node("Relu", ["x"], ["a"], name="kept"), helper.make_node("Neg", ["a"], ["b"]), helper.make_node("Neg", ["b"], ["c"]),
             helper.make_node("Abs", ["c"], ["y"], name="Neg")]
    return model_of(helper.make_graph(nodes, "g", [info("x", [2])], [info("y", [2])]))


def loop():
    body = helper.make_graph(
        [helper.make_node("Add", ["state", "outer"], ["next"], name="add"), helper.make_node("Identity", ["cond_in"], ["cond_out"], name="keep"),
         helper.make_node("Mul", ["next", "inner"], ["scan"], name="mul")], "body",
        [info("i", [], INT64), info("cond_in", [], TensorProto.BOOL), info("state", [2])],
        [info("cond_out", [], TensorProto.BOOL), info("next", [2]), info("scan", [2])], [helper.make_tensor("inner", FLOAT, [2], [3, 4])], doc_string="body doc")
    entry(body, "body key", "body value")
    body.node[0].attribute.extend([])
    nodes = [helper.make_node("Relu", ["x"], ["outer"], name="relu"), helper.make_node("Loop", ["n", "", "x"], ["y", "scans"], name="loop", body=body)]
    return model_of(helper.make_graph(nodes, "g", [info("x", [2])], [info("y", [2]), info("scans", ["k", 2])], [helper.make_tensor("n", INT64, [], [3])]))


def types():
    sequence = helper.make_value_info("s", helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, [2])))
    optional = helper.make_value_info("o", helper.make_optional_type_proto(helper.make_tensor_type_proto(FLOAT, ["n"])))
    nodes = [helper.make_node("SequenceLength", ["s"], ["y"], name="length"), helper.make_node("OptionalHasElement", ["o"], ["z"], name="has")]
    return model_of(helper.make_graph(nodes, "g", [sequence, optional], [info("y", [], INT64), info("z", [], TensorProto.BOOL)]))


def quantized():
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], name="q"), helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], name="dq")]
    graph = helper.make_graph(nodes, "g", [info("x", ["N", 3])], [info("y", ["N", 3])],
                              [helper.make_tensor("s", FLOAT, [], [0.1]), helper.make_tensor("z", TensorProto.FLOAT8E4M3FN, [], [0.0])],
                              value_info=[info("q", ["N", 3], TensorProto.FLOAT8E4M3FN)])
    return model_of(graph, opsets=(("", 19),))


def main():
    for make in (metadata, attributes, constants, constant_nodes, ir3, names, loop, types, quantized):
        model = make()
        # A serialized field of a later IR version, unknown to this one.
        data = model.SerializeToString() + b"\xfa\x3e\x03new"
        with open(f"{sys.argv[1]}/{make.__name__}.onnx", "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()

"""Makes ONNX models of a BERT embedder in GGUF: `e5_onnx.py MODEL.gguf F32.onnx INT8.onnx`.

The graph is what ONNX Runtime's own optimiser makes of a BERT: attention as one operator, from the weights in f32, with
mean pooling and normalisation in it. `INT8.onnx` is its dynamic quantisation, with signed 8-bit weights."""

import sys

import numpy
import onnx
from gguf import GGUFReader, dequantize
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

MICROSOFT = "com.microsoft"


class Graph:
    """Nodes and weights of a graph in the making."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, name, values):
        self.weights.append(numpy_helper.from_array(numpy.ascontiguousarray(values), name))
        return name

    def node(self, operator, inputs, domain="", **attributes):
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, name=output, **attributes))
        return output


class Encoder:
    """The layers of the model in `reader`, added to `graph`."""

    def __init__(self, reader, graph):
        self.graph = graph
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}
        field = lambda name: reader.get_field(f"bert.{name}").contents()
        self.heads, self.layers = field("attention.head_count"), field("block_count")
        self.epsilon, self.width = field("attention.layer_norm_epsilon"), field("embedding_length")

    def numbers(self, name):
        tensor = self.tensors[name]
        return dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)

    def norm(self, x, name):
        weights = [self.graph.weight(f"{name}.{part}", self.numbers(f"{name}.{part}")) for part in ("weight", "bias")]
        return self.graph.node("LayerNormalization", [x, *weights], axis=-1, epsilon=self.epsilon)

    def dense(self, x, name):
        weight = self.graph.weight(f"{name}.weight", self.numbers(f"{name}.weight").T)
        bias = self.graph.weight(f"{name}.bias", self.numbers(f"{name}.bias"))
        return self.graph.node("Add", [self.graph.node("MatMul", [x, weight]), bias])

    def embedded(self, ids):
        graph = self.graph
        words = graph.node("Gather", [graph.weight("words", self.numbers("token_embd.weight")), ids])
        places = self.numbers("position_embd.weight") + self.numbers("token_types.weight").reshape(-1, self.width)[0]
        length = graph.node("Shape", [ids], start=1, end=2)
        zero = graph.weight("zero", numpy.array([0], numpy.int64))
        places = graph.node("Slice", [graph.weight("places", places), zero, length, zero])
        return self.norm(graph.node("Add", [words, places]), "token_embd_norm")

    def layer(self, x, index, mask):
        name = f"blk.{index}"
        parts = ("attn_q", "attn_k", "attn_v")
        weight = numpy.concatenate([self.numbers(f"{name}.{part}.weight").T for part in parts], axis=1)
        bias = numpy.concatenate([self.numbers(f"{name}.{part}.bias") for part in parts])
        weights = [self.graph.weight(f"{name}.qkv.weight", weight), self.graph.weight(f"{name}.qkv.bias", bias)]
        mixed = self.graph.node("Attention", [x, *weights, mask], MICROSOFT, num_heads=self.heads)
        mixed = self.dense(mixed, f"{name}.attn_output")
        x = self.norm(self.graph.node("Add", [x, mixed]), f"{name}.attn_output_norm")
        inner = self.graph.node("Gelu", [self.dense(x, f"{name}.ffn_up")])
        inner = self.dense(inner, f"{name}.ffn_down")
        return self.norm(self.graph.node("Add", [x, inner]), f"{name}.layer_output_norm")

    def pooled(self, x, mask):
        """The mean of the tokens that are not padding, as a unit vector."""
        graph = self.graph
        last = graph.weight("last", numpy.array([-1], numpy.int64))
        weights = graph.node("Unsqueeze", [graph.node("Cast", [mask], to=TensorProto.FLOAT), last])
        second = graph.weight("second", numpy.array([1], numpy.int64))
        total = graph.node("ReduceSum", [graph.node("Mul", [x, weights]), second], keepdims=0)
        # Dividing by the number of tokens falls away when the length becomes 1.
        return graph.node("LpNormalization", [total], axis=-1, p=2)


def build(path):
    graph = Graph()
    encoder = Encoder(GGUFReader(path), graph)
    shape = ["batch", "length"]
    inputs = [
        helper.make_tensor_value_info("ids", TensorProto.INT64, shape),
        helper.make_tensor_value_info("mask", TensorProto.INT64, shape),
    ]
    mask = graph.node("Cast", ["mask"], to=TensorProto.INT32)
    x = encoder.embedded("ids")
    for index in range(encoder.layers):
        x = encoder.layer(x, index, mask)
    graph.nodes.append(helper.make_node("Identity", [encoder.pooled(x, "mask")], ["vectors"]))
    output = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", encoder.width])
    body = helper.make_graph(graph.nodes, "embedder", inputs, [output], graph.weights)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(body, opset_imports=opsets, ir_version=10)


def main():
    gguf, f32, int8 = sys.argv[1:]
    onnx.save(build(gguf), f32)
    # No shapes are inferred behind the attention operator, which is not of ONNX itself.
    options = {"DefaultTensorType": TensorProto.FLOAT}
    quantize_dynamic(f32, int8, weight_type=QuantType.QInt8, extra_options=options)


if __name__ == "__main__":
    main()

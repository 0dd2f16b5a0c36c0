"""A network trained on CIFAR-10, from PyTorch to the flatbuffer: the same answers on real pictures.

The weights are four epochs of ReCU-ResNet-20 (`python -m repbnn_training train recu-resnet20-short`), 52% top-1 on the
test images as JPEG of quality 75, trained and tested on them: far from what the recipe reaches, and well above chance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra: pip install repbnn-edge[torch]")

from repbnn_training.data import MEAN, STD  # noqa: E402
from repbnn_training.networks import ReCUResNet20  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import repbnn_edge  # noqa: E402
from repbnn_edge.datasets import open_dataset, to_input  # noqa: E402
from repbnn_edge.runtime.sessions import open_session  # noqa: E402

WEIGHTS = Path(__file__).with_name("data") / "recu-resnet20-short.safetensors"
CIFAR = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10" / "test.npz"
PICTURES = 1000


@pytest.mark.skipif(not CIFAR.exists(), reason="CIFAR-10 is not here")
def test_a_trained_network_gives_the_same_answers_as_its_source(tmp_path):
    torch.set_num_threads(1)
    network = ReCUResNet20(1, normalise=False)
    network.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    exported = repbnn_edge.torch.export(network, torch.zeros(1, 3, 32, 32), tmp_path / "net.onnx")
    file = tmp_path / "net.tflite"
    report = repbnn_edge.convert(tmp_path / "net.onnx", file, mean=MEAN, std=STD, samples=4)
    assert exported is not None
    assert report.binary_convolutions.binary == report.binary_convolutions.found == 18
    assert report.verification.passed

    pictures = open_dataset(CIFAR)
    inputs = np.stack([to_input(pictures.picture(i), 32, 32, MEAN, STD) for i in range(PICTURES)])
    answers = {"source": _by_onnxruntime(tmp_path / "net.onnx", inputs)}
    for runtime in ("lce", "litert"):
        answers[runtime] = _by_file(runtime, file.read_bytes(), inputs)
    labels = pictures.labels[:PICTURES]
    assert np.mean(answers["source"] == labels) > 0.45
    for runtime in ("lce", "litert"):
        assert np.mean(answers[runtime] == answers["source"]) >= 0.99
        assert abs(np.mean(answers[runtime] == labels) - np.mean(answers["source"] == labels)) <= 0.005


def _by_onnxruntime(path, inputs):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options)
    name = session.get_inputs()[0].name
    first = np.ascontiguousarray(inputs.transpose(0, 3, 1, 2))
    return np.array([session.run(None, {name: first[i : i + 1]})[0].argmax() for i in range(len(first))])


def _by_file(runtime, data, inputs):
    session = open_session(runtime, data)
    answers = []
    for sample in inputs:
        session.set_input(sample[None])
        session.invoke()
        answers.append(session.output().argmax())
    return np.array(answers)

"""``python -m repbnn_training`` as a person calls it: one line an error, a kill costs minutes, the box is filled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra: pip install repbnn-edge[training]")

from PIL import Image  # noqa: E402
from repbnn_training import __main__ as command  # noqa: E402
from repbnn_training import data, engine, exchange, imagenet, store  # noqa: E402
from repbnn_training.recipes import RECIPES  # noqa: E402

from repbnn_edge.models import shipped  # noqa: E402
from tests.training.made_images import write_images  # noqa: E402

torch.set_num_threads(1)
CPU = torch.device("cpu")
# What a bare GPU machine need not have. (typer, whose newer versions bring pydantic, is only the command line's.)
_WITHOUT = ("pydantic", "platformdirs", "safetensors", "tensorflow", "larq", "onnx", "onnxruntime", "flatbuffers")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for name in ("train.npz", "test.npz"):
        write_images(folder / name)
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["repbnn_training", *map(str, arguments)])
    with pytest.raises(SystemExit) as leave:
        command.main()
    return int(leave.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "bogus", "--data", "{images}"], 2, "no such recipe"),
        (["train", "smoke", "--data", "/nowhere"], 3, "no such file"),
        (["train", "smoke", "--data", "{images}", "--form", "quick"], 2, "there is no quick"),
        (["train", "smoke", "--data", "{images}", "--form", "plain", "--limit", "5"], 2, "there are 5"),
        (["train", "smoke-kd", "--data", "{images}", "--form", "plain"], 2, "needs a teacher"),
        (["train", "smoke-kd", "--data", "{images}", "--teacher", "/nowhere"], 3, "no such checkpoint"),
        (["train", "smoke", "--data", "{images}", "--init-from", "/nowhere"], 3, "no weights for smoke"),
        (["box", "/nowhere", "--data", "{images}"], 3, "no such checkpoint"),
        (["imagenet", "--data", "/nowhere"], 3, "no such file"),
    ],
)
def test_an_error_is_one_line(
    arguments: list[str],
    code: int,
    words: str,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *(argument.format(images=images) for argument in arguments)) == code
    error = capfd.readouterr().err
    assert words in error
    assert error.startswith("error: ") and error.count("\n") == 1


def test_the_list_names_every_recipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "list") == 0
    printed = capsys.readouterr().out
    assert all(f"'{name}'" in printed for name in RECIPES)


def test_a_run_that_is_killed_goes_on(images: Path, tmp_path: Path) -> None:
    """kill -9, as soon as there is a checkpoint; then the same command again."""
    script = tmp_path / "train.py"
    script.write_text(
        "from dataclasses import replace\n"
        "from repbnn_training import __main__, recipes, store\n"
        "import torch\n"
        "torch.set_num_threads(1)\n"
        "store.CHECKPOINT_SECONDS = 0.0\n"
        "recipes.RECIPES['smoke'] = replace(recipes.RECIPES['smoke'], widths=(4, 8, 8), batch=16, epochs=3)\n"
        "__main__.main()\n"
    )
    arguments = ["train", "smoke", "--data", str(images), "--runs", str(tmp_path / "runs"), "--form", "plain"]
    whole = [sys.executable, "-W", "ignore", str(script), *arguments]
    first = subprocess.Popen(whole, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoint = tmp_path / "runs" / "smoke-seed1" / "checkpoint.pt"
    while not checkpoint.exists():
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    assert 0 < store.load(checkpoint)["step"] < 48
    done = subprocess.run(whole, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0 and "top-1" in done.stdout, done.stderr[-2000:]
    assert store.load(checkpoint)["step"] == 48
    assert (checkpoint.parent / "log.csv").read_text().count("\n") == 1 + 3
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == ["checkpoint.pt", "log.csv"]


def test_training_needs_torch_numpy_and_pillow_alone(images: Path) -> None:
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({_WITHOUT!r}))\n"
        "import torch\n"
        "from pathlib import Path\n"
        "from repbnn_training import data, distributed, exchange, suite\n"
        f"print(len(data.load(Path({str(images / 'test.npz')!r}), torch.device('cpu'), 3)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout == "3\n", done.stderr[-2000:]


def test_the_suite_goes_on_piece_by_piece(images: Path, tmp_path: Path) -> None:
    """A piece that has no time, then one that finishes."""
    arguments = ["suite", "--data", str(images), "--runs", str(tmp_path), "--smoke", "--form", "plain", "--seed", "1"]

    def piece(minutes: float) -> str:
        whole = [sys.executable, "-W", "ignore", "-m", "repbnn_training", *arguments, "--stop-after", str(minutes)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    assert "not done: the same command goes on" in piece(0)
    assert "; done" in piece(9)
    result = json.loads((tmp_path / "suite.json").read_text())
    rows = result["runs"]
    assert result["gain"] == [result["gain_mean"]] == [rows[0]["top1"] - rows[1]["top1"]]
    assert [(row["recipe"], row["done"]) for row in rows] == [
        ("rep-smoke", True),
        ("smoke", True),
        ("smoke-float", True),
    ]


def test_the_box_holds_what_was_trained(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = replace(RECIPES["rep-recu-resnet20-cpu"], batch=16, epochs=1)
    pixels = data.load(images / "test.npz", CPU, 16)
    job = engine.Run(recipe, 5, tmp_path / "run", pixels, pixels)
    engine.train([job])
    into = tmp_path / "weights"
    arguments = ["box", job.folder, "--data", images, "--into", into, "--limit", 40]
    assert call(monkeypatch, *arguments) == 0
    assert "top-1" in capsys.readouterr().out
    monkeypatch.setattr(shipped, "FOLDER", into)
    shipped.cards.cache_clear()
    (card,) = shipped.cards().values()
    shipped.cards.cache_clear()
    network = engine.network_of(recipe)
    exchange.load_into(network, into / card.weights)
    held_out = data.load(images / "test.npz", CPU, 40)
    assert card.source_top1 == engine.evaluate(network, held_out)
    assert (card.beta, card.seed, card.test_images, card.finished) == (2, 5, 40, True)
    assert card.machine == store.load(job.folder)["machine"]
    assert card.bytes == (into / card.weights).stat().st_size < 1_000_000
    assert set(card.agreement) == {"litert", "lce", "all"} and min(card.agreement.values()) >= 0.9
    page = (into / "rep-recu-resnet20-beta2.md").read_text()
    assert max(map(len, page.splitlines())) <= 120
    assert (into / "rep-recu-resnet20-beta2.csv").read_bytes() == (job.folder / "log.csv").read_bytes()


def test_imagenets_two_steps_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Narrow, on pictures of 32 pixels; everything else is the command as documented."""
    random = np.random.default_rng(0)
    for part in ("train", "val"):
        for label, level in (("bright", 200), ("dark", 40)):
            (tmp_path / part / label).mkdir(parents=True)
            for index in range(2):
                noise = random.integers(level - 30, level + 30, (40, 50, 3), dtype=np.uint8)
                Image.fromarray(noise).save(tmp_path / part / label / f"{index}.png")
    small = imagenet.TwoStep
    monkeypatch.setattr(imagenet, "TwoStep", lambda **numbers: small(**numbers, size=32, divide=8))
    arguments = ["imagenet", "--data", tmp_path, "--runs", tmp_path / "runs", "--epochs", 1, "--batch", 2]
    arguments += ["--workers", 0]
    assert call(monkeypatch, *arguments, "--step", 2) == 2
    assert "run step 1 first" in capsys.readouterr().err
    assert call(monkeypatch, *arguments, "--step", 1, "--stop-after", 0) == 0
    assert "the same command goes on" in capsys.readouterr().out
    assert call(monkeypatch, *arguments, "--step", 1) == 0
    assert call(monkeypatch, *arguments, "--step", 2) == 0
    assert capsys.readouterr().out.count("top-1") == 2
    assert store.load(tmp_path / "runs" / "step2")["steps"] == 2

"""Two CPU processes under torchrun: one run, one clock, one writer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra: pip install repbnn-edge[training]")

from tests.training.made_images import write_images  # noqa: E402

_TWO_OF_A_RUN = """
import sys, time
from pathlib import Path
import torch
from dataclasses import replace
from repbnn_training import data, distributed, engine, schedule
from repbnn_training.recipes import RECIPES

torch.set_num_threads(1)
folder = Path(sys.argv[1])
world, device = distributed.start()
images = data.load(folder / "train.npz", device, 48)
recipe = replace(RECIPES["smoke"], batch=8, widths=(4, 8, 8), epochs=4)

class Skewed(schedule.Deadline):
    '''A clock that differs from process to process, as real ones do.'''
    left = property(lambda self: 9.0 - self.ticks + 3 * world.rank)
    ticks = 0
    def tick(self):
        self.ticks += 1

job = engine.Run(recipe, 1, folder / "run", images, images, world=world, deadline=Skewed(0.0))
stop = time.monotonic() + (0.0 if world.rank == 0 else 3600.0)
assert not engine.train([job], stop=stop)  # the second would wait forever for a step that never comes
assert job.step == 0
assert engine.train([job])
torch.save({"step": job.step, "network": job.network.state_dict()}, folder / f"rank{world.rank}.pt")
distributed.finish()
"""


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--nproc-per-node", "2", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)


def test_both_processes_learn_the_same_by_one_clock(tmp_path: Path) -> None:
    write_images(tmp_path / "train.npz", 48)
    (tmp_path / "script.py").write_text(_TWO_OF_A_RUN)
    done = torchrun(str(tmp_path / "script.py"), str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = (torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert first["step"] == second["step"] == 9
    parameters = [name for name in first["network"] if "running" not in name]  # each norm has its own half's moments
    for name in parameters:
        torch.testing.assert_close(first["network"][name], second["network"][name], rtol=0, atol=0)
    assert (tmp_path / "run" / "log.csv").read_text().count("\n") == 1 + 2


def test_the_command_runs_under_torchrun_and_only_the_first_writes(tmp_path: Path) -> None:
    for name in ("train.npz", "test.npz"):
        write_images(tmp_path / name)
    runs = tmp_path / "runs"
    done = torchrun(
        "-m", "repbnn_training", "train", "smoke", "--data", str(tmp_path), "--runs", str(runs), "--form", "plain"
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("top-1") == 1
    state = torch.load(runs / "smoke-seed1" / "checkpoint.pt", weights_only=True)
    assert state["step"] == 2
    assert all(value.isfinite().all() for value in state["network"].values())

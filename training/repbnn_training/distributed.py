"""Several processes on one run, as ``torchrun`` starts them: each takes its share of every batch."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class World:
    """Which of how many processes this is; only the first writes."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether checkpoints and logs are this process's to write."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients averaged over all processes."""
        return network if self.size == 1 else DistributedDataParallel(network)

    def agreed(self, value: float) -> float:
        """The first process's value, for all.

        What hangs on a clock goes through here: processes that disagree by one step wait for each other forever.
        """
        if self.size == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        torch.distributed.broadcast(shared, 0)
        return float(shared)


def start() -> tuple[World, torch.device]:
    """Join the others, where ``torchrun`` started several, and take a device each."""
    size, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if size == 1:
        return World(), device
    # gloo beside nccl: what is agreed lies on the CPU, and must not wait for the GPU's queue.
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    return World(torch.distributed.get_rank(), size), device


def finish() -> None:
    """Leave the others, if there were any."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()

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


def start() -> tuple[World, torch.device]:
    """Join the others, where ``torchrun`` started several, and take a device each."""
    size, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if size == 1:
        return World(), device
    torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return World(torch.distributed.get_rank(), size), device

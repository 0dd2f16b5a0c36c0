"""The recipes: a killed run goes on as if it had not been, and what they train is what the importer converts."""

from __future__ import annotations

import csv
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra: pip install repbnn-edge[training]")

from repbnn_training import data, engine, exchange, schedule  # noqa: E402
from repbnn_training.networks import ReCUConv2d, ReCUResNet20, SignActivation  # noqa: E402
from repbnn_training.recipes import RECIPES  # noqa: E402
from repbnn_training.schedule import Deadline, rate  # noqa: E402

from repbnn_edge.errors import BadInputError, UsageError  # noqa: E402
from repbnn_edge.models import describe  # noqa: E402
from tests.training.made_images import write_images  # noqa: E402

torch.set_num_threads(1)
TINY = replace(RECIPES["rep-smoke"], epochs=2, batch=8, widths=(4, 8, 8), warmup=0.5)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("data") / "train.npz"
    write_images(path, 32)
    return data.load(path, torch.device("cpu"))


def run(folder: Path, images: Any) -> Any:
    return engine.Run(TINY, 3, folder, images, images)


def test_a_killed_run_goes_on_as_if_it_had_not_been(images: Any, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", images)
    engine.train([whole])
    first = run(tmp_path / "killed", images)
    for _ in range(3):  # into the middle of the first epoch
        first.advance()
    first.save()
    del first
    second = run(tmp_path / "killed", images)
    assert second.step == 3
    engine.train([second])
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], value, rtol=0, atol=0)


def test_the_log_has_a_line_an_epoch(images: Any, tmp_path: Path) -> None:
    engine.train([run(tmp_path, images)])
    with (tmp_path / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert rows[-1]["test_top1"] != "nan"


def test_every_epoch_and_seed_has_an_order_of_its_own(images: Any, tmp_path: Path) -> None:
    orders = []
    for seed in (3, 4):
        job = engine.Run(TINY, seed, tmp_path / str(seed), images, images)
        for epoch in (0, 1):
            job._plan(epoch)
            orders.append((*job._order.tolist(), float(job._draws[0, 0, 0])))
    assert len(set(orders)) == 4
    assert all(sorted(order[:-1]) == list(range(32)) for order in orders)


def test_a_killed_run_logs_each_epoch_once(images: Any, tmp_path: Path) -> None:
    """The checkpoint is of the middle of the first epoch, and the kill came after the second one was logged."""
    first = run(tmp_path, images)
    first.advance()
    first.save()
    checkpoint = (tmp_path / "checkpoint.pt").read_bytes()
    engine.train([first])
    (tmp_path / "checkpoint.pt").write_bytes(checkpoint)
    with (tmp_path / "log.csv").open("a") as stream:
        stream.write("3,1.9")  # cut by the kill
    engine.train([run(tmp_path, images)])
    with (tmp_path / "log.csv").open() as stream:
        assert [row["epoch"] for row in csv.DictReader(stream)] == ["1", "2"]


@pytest.mark.parametrize("damage", [b"", b"PK no zip", None], ids=["empty", "other", "cut"])
def test_a_broken_checkpoint_is_named(images: Any, tmp_path: Path, damage: bytes | None) -> None:
    run(tmp_path, images).save()
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-2000] if damage is None else damage)
    with pytest.raises(BadInputError, match=r"checkpoint\.pt: it is no checkpoint"):
        run(tmp_path, images)


def test_the_papers_recipe_is_the_authors(images: Any, tmp_path: Path) -> None:
    """z-hXu/ReCU, cifar/run.sh and main.py."""
    for name, beta in (("recu-resnet20", 1), ("rep-recu-resnet20", 2)):
        recipe = RECIPES[name]
        assert (recipe.epochs, recipe.batch, recipe.rate, recipe.decay, recipe.warmup) == (600, 256, 0.1, 5e-4, 5)
        assert recipe.normalise and recipe.beta == beta and not recipe.spread and not recipe.distil
    own = replace(RECIPES["rep-recu-resnet20"], batch=8, widths=(4, 8, 8))
    (group,) = engine.Run(own, 1, tmp_path, images, images).optimizer.param_groups
    assert (group["momentum"], group["nesterov"], group["weight_decay"]) == (0.9, False, 5e-4)
    torch.manual_seed(0)
    start = engine.network_of(replace(own, widths=(16, 32, 64))).blocks[8].conv2.weight
    assert start.detach().std().item() == pytest.approx((2 / start[0].numel()) ** 0.5, rel=0.02)


def test_a_folder_of_another_recipe_is_refused(images: Any, tmp_path: Path) -> None:
    run(tmp_path, images).save()
    with pytest.raises(UsageError, match="another recipe or seed"):
        engine.Run(TINY, 4, tmp_path, images, images)


def test_what_a_recipe_cannot_do_is_refused(images: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no quick"):
        engine.Run(TINY, 1, tmp_path, images, images, form="quick")
    with pytest.raises(UsageError, match="takes 64 images, and there are 32"):
        engine.Run(replace(TINY, batch=64), 1, tmp_path, images, images)
    with pytest.raises(UsageError, match="division of the activation"):
        engine.Run(replace(TINY, normalise=True), 1, tmp_path, images, images, form="fused")


def test_several_runs_share_a_process(images: Any, tmp_path: Path) -> None:
    runs = [run(tmp_path / name, images) for name in ("a", "b")]
    engine.train(runs)
    assert all(job.done for job in runs)
    for name, value in runs[0].network.state_dict().items():
        torch.testing.assert_close(runs[1].network.state_dict()[name], value, rtol=0, atol=0)


def test_augmentation_moves_and_mirrors_but_invents_nothing(images: Any) -> None:
    pixels = torch.arange(32 * 32, dtype=torch.int32).reshape(1, 1, 32, 32).expand(40, 3, 32, 32) + 1
    moved = data.augment(pixels, torch.rand((3, 40), generator=torch.Generator().manual_seed(0)))
    assert moved.shape == pixels.shape
    mirrored = 0
    for picture in moved:
        inner = picture[0, 4:28, 4:28]
        steps = inner[:, 1:] - inner[:, :-1]
        assert steps.abs().eq(1).all()
        mirrored += int(steps[0, 0] < 0)
        assert (inner[1:] - inner[:-1]).eq(32).all()
    assert 5 < mirrored < 35


def test_rep_keeps_binary_weights_and_repeats_in_blocks() -> None:
    counts = [
        sum(m.weight.numel() for m in ReCUResNet20(beta).modules() if isinstance(m, ReCUConv2d)) for beta in (1, 2)
    ]
    assert counts[0] == counts[1]
    layer = ReCUConv2d(4, 8, 1, 2, normalise=False).eval()
    output = layer(torch.randn(1, 8, 6, 6))
    assert output.shape == (1, 16, 6, 6)
    for copy in range(1, 4):
        torch.testing.assert_close(output[:, 4 * copy : 4 * copy + 4], output[:, :4], rtol=0, atol=0)


def test_copies_start_apart_where_the_recipe_says_so() -> None:
    plain, spread = (engine.network_of(replace(TINY, spread=width)) for width in (0.0, 0.7))
    assert not plain.blocks[0].bn1.bias.any()
    copies = spread.blocks[0].bn1.bias.view(4, -1)
    torch.testing.assert_close(copies[:, 0], torch.tensor([-0.7, -0.7 / 3, 0.7 / 3, 0.7]))
    assert (copies == copies[:, :1]).all()
    twin = engine.network_of(replace(TINY, beta=1, spread=0.7)).blocks[0].bn1.bias
    assert len(twin.unique()) == len(twin) and twin.abs().max() <= 0.7


def test_the_sign_of_zero_is_that_of_binary_hardware() -> None:
    assert SignActivation.apply(torch.tensor([-1.0, -0.0, 0.0, 2.0])).tolist() == [-1, 1, 1, 1]


def test_tau_grows_from_low_to_high() -> None:
    network = ReCUResNet20(1, (4, 8, 8))
    values = []
    for progress in (0.0, 0.5, 1.0):
        network.set_tau(progress)
        values.append(float(network.blocks[0].conv1.tau))
    assert values[0] == pytest.approx(0.85)
    assert values[2] == pytest.approx(0.99)
    assert values[0] < values[1] < 0.92


def test_a_teacher_is_asked_where_the_recipe_distils(images: Any, tmp_path: Path) -> None:
    own = replace(RECIPES["smoke-float"], epochs=1, batch=8, widths=(4, 8, 8))
    engine.train([engine.Run(own, 1, tmp_path / "teacher", images, images)])
    taught = engine.teacher(tmp_path / "teacher", torch.device("cpu"))
    recipe = replace(TINY, name="kd", distil=0.7, epochs=1)
    student = engine.Run(recipe, 1, tmp_path / "student", images, images, teacher=taught)
    logits = torch.randn(8, 10)
    pixels, labels = torch.randn(8, 3, 32, 32), torch.randint(0, 10, (8,))
    taught_logits = taught(pixels)
    cross_entropy, softmax = torch.nn.functional.cross_entropy, torch.nn.functional.log_softmax
    for answers in (taught_logits, logits):  # no divergence, and some
        mine, wanted = softmax(answers / 4, 1), softmax(taught_logits / 4, 1)
        divergence = (wanted.exp() * (wanted - mine)).sum(1).mean()
        expected = 0.3 * cross_entropy(answers, labels) + 0.7 * 16 * divergence
        torch.testing.assert_close(student._objective(answers, pixels, labels), expected, rtol=0.02, atol=0.02)
    engine.train([student])
    assert student.done
    with pytest.raises(UsageError, match="needs a teacher"):
        engine.Run(recipe, 2, tmp_path / "none", images, images)
    with pytest.raises(UsageError, match="needs no teacher"):
        engine.Run(TINY, 2, tmp_path / "none", images, images, teacher=taught)
    with pytest.raises(BadInputError, match="no such checkpoint"):
        engine.teacher(tmp_path / "nowhere", torch.device("cpu"))


def test_a_stopped_run_goes_on(images: Any, tmp_path: Path) -> None:
    whole, part = run(tmp_path / "whole", images), run(tmp_path / "part", images)
    engine.train([whole])
    assert not engine.train([part], stop=time.monotonic())
    again = run(tmp_path / "part", images)
    assert engine.train([again])
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], value, rtol=0, atol=0)


def test_a_run_with_a_deadline_ends_at_it_whatever_its_epochs(images: Any, tmp_path: Path) -> None:
    class Soon:
        left = 3.0

        def tick(self) -> None:
            self.left -= 1

    job = engine.Run(TINY, 3, tmp_path, images, images, deadline=Soon())  # type: ignore[arg-type]
    rates = []
    while not job.done:
        job.advance()
        job.deadline.tick()
        rates.append(job.optimizer.param_groups[0]["lr"] / TINY.rate)
    assert job.step == 3 < job.total
    assert rates[-1] < rates[-2]


def test_a_deadline_counts_steps_at_the_speed_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(schedule.time, "time", lambda: now[0])
    deadline = Deadline(1100.0)
    for took in (30.0, 2.0, 2.0):  # the first compiles
        now[0] += took
        deadline.tick()
    assert deadline.left == pytest.approx((1100 - 1034) / 2)


def test_the_rate_warms_up_and_ends_at_nothing() -> None:
    assert rate(0.0, 0, 10) == pytest.approx(0.1)
    assert rate(0.5, 50, 10) == pytest.approx(0.5)
    assert rate(1.0, 100, 10) == pytest.approx(0.0)


def test_weights_go_out_and_come_back_with_the_same_signs(tmp_path: Path) -> None:
    network, other = ReCUResNet20(2, normalise=False).eval(), ReCUResNet20(2, normalise=False).eval()
    tensors = exchange.to_tensors(network)
    exchange.from_tensors(other, tensors)
    x = torch.randn(2, 3, 32, 32)
    for one, two in zip(network.modules(), other.modules(), strict=True):
        if isinstance(one, ReCUConv2d):
            assert (one.binary_weight() == two.binary_weight()).float().mean() > 0.9999
    torch.testing.assert_close(network.linear.weight, other.linear.weight)
    assert other(x).shape == (2, 10)
    description = describe(exchange.NETWORK, 2)
    wanted = {f"{n.name}/{variable}": shape for n in description.nodes for variable, shape in n.weights.items()}
    assert {key: value.shape for key, value in tensors.items()} == wanted
    with pytest.raises(BadInputError, match="another beta"):
        exchange.from_tensors(ReCUResNet20(1), tensors)


def test_a_run_starts_from_another(images: Any, tmp_path: Path) -> None:
    first = run(tmp_path / "runs" / "smoke-seed3", images)
    first.save()
    place = exchange.start_of(tmp_path / "runs", "smoke", 2, 3)
    second = engine.Run(replace(TINY, rate=0.01), 4, tmp_path / "next", images, images, init_from=place)
    assert second.step == 0
    for name, value in first.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], value, rtol=0, atol=0)
    assert exchange.start_of(place, "smoke", 2, 3) == place
    with pytest.raises(BadInputError, match="no weights for smoke with seed 9"):
        exchange.start_of(tmp_path / "runs", "smoke", 2, 9)
    with pytest.raises(BadInputError, match="holds another network"):
        exchange.load_into(ReCUResNet20(1), place)

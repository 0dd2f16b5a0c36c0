"""The fused training step against PyTorch's own operators, layer by layer and as a whole."""

from __future__ import annotations

import shutil

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra: pip install repbnn-edge[training]")
if shutil.which("g++") is None:
    pytest.skip("the fused step needs g++", allow_module_level=True)

from repbnn_training import fused  # noqa: E402
from repbnn_training.networks import ReCUResNet20, SignActivation  # noqa: E402
from torch.nn import functional  # noqa: E402

from repbnn_edge.errors import UnsupportedError  # noqa: E402

torch.set_num_threads(1)


@pytest.mark.parametrize(("width", "copies"), [(16, 1), (32, 1), (64, 1), (8, 4), (16, 4), (32, 4), (16, 2)])
def test_one_layer_is_norm_shortcut_and_hardtanh(width: int, copies: int) -> None:
    torch.manual_seed(width + copies)
    channels = width * copies
    y = torch.randint(-40, 41, (3, 5, 7, width)).bfloat16()
    shortcut = (torch.rand(3, 5, 7, channels) * 2 - 1).bfloat16()
    norm = torch.nn.BatchNorm2d(channels)
    torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    torch.nn.init.uniform_(norm.bias, -0.5, 0.5)
    own = torch.nn.BatchNorm2d(channels)
    own.load_state_dict(norm.state_dict())
    alpha = torch.rand(width) + 0.1
    d_sign, d_next = (torch.randn(3, 5, 7, channels).bfloat16() for _ in range(2))

    leaf_y = y.float().permute(0, 3, 1, 2).requires_grad_()
    leaf_s = shortcut.float().permute(0, 3, 1, 2).requires_grad_()
    expected = functional.hardtanh(norm((leaf_y * alpha[:, None, None]).repeat(1, copies, 1, 1)) + leaf_s)
    # 0.999 is 1 in bfloat16, where the gradient ends: none comes from there, so that both forms see the same.
    clear = (expected.detach().abs() < 0.99).permute(0, 2, 3, 1)
    d_sign, d_next = d_sign * clear, d_next * clear
    # What the next layer sends back through its sign, and past it.
    inner = expected.detach().requires_grad_()
    SignActivation.apply(inner).backward(d_sign.float().permute(0, 3, 1, 2))
    expected.backward(inner.grad + d_next.float().permute(0, 3, 1, 2))

    out, sign, kept = fused.activate(y, shortcut, own.weight.detach(), own.bias.detach(), alpha, own)
    d_y, d_sum, d_gamma, d_beta = fused.gradients(d_sign, d_next, out, y, kept, own)
    rounding = {"rtol": 0.01, "atol": 0.01}
    torch.testing.assert_close(out.float(), expected.detach().permute(0, 2, 3, 1), rtol=0, atol=0.004)
    assert (sign.float() == torch.where(expected.detach() < 0, -1.0, 1.0).permute(0, 2, 3, 1)).float().mean() > 0.999
    torch.testing.assert_close(d_sum.float(), leaf_s.grad.permute(0, 2, 3, 1), rtol=0.02, atol=0.04)
    torch.testing.assert_close(d_y.float(), leaf_y.grad.permute(0, 2, 3, 1), **rounding)
    torch.testing.assert_close(d_gamma, norm.weight.grad, rtol=0.02, atol=0.2)
    torch.testing.assert_close(d_beta, norm.bias.grad, rtol=0.02, atol=0.2)
    torch.testing.assert_close(own.running_mean, norm.running_mean)
    torch.testing.assert_close(own.running_var, norm.running_var)
    assert own.num_batches_tracked == 1


def test_an_unknown_width_is_refused() -> None:
    norm = torch.nn.BatchNorm2d(4)
    with pytest.raises(UnsupportedError, match="--form compiled"):
        fused.activate(
            torch.zeros(1, 2, 2, 4).bfloat16(), None, norm.weight.detach(), norm.bias.detach(), norm.bias, norm
        )


@pytest.mark.parametrize("beta", [1, 2])
def test_the_gradients_of_a_whole_network_point_the_same_way(beta: int) -> None:
    """A rounding before a sign flips a bit, so they are near, not equal; one block keeps them near."""
    torch.manual_seed(0)
    plain, quick = (ReCUResNet20(beta, normalise=False).train() for _ in range(2))
    for network in (plain, quick):
        network.blocks = network.blocks[:1]
        network.bn2, network.linear = torch.nn.BatchNorm1d(16 * beta), torch.nn.Linear(16 * beta, 10)
    quick.load_state_dict(plain.state_dict())
    images, labels = torch.randn(32, 3, 32, 32), torch.randint(0, 10, (32,))
    functional.cross_entropy(plain(images.bfloat16().float()), labels).backward()
    functional.cross_entropy(fused.logits(quick, images), labels).backward()
    theirs = dict(quick.named_parameters())
    for name, parameter in plain.named_parameters():
        if parameter.ndim == 4:  # sums over few channels are too near to 0 for a direction
            alike = functional.cosine_similarity(parameter.grad.flatten(), theirs[name].grad.flatten(), 0)
            assert alike > 0.9, name


def test_the_gradient_of_a_pooled_shortcut() -> None:
    x = torch.randn(2, 32, 8, 8, requires_grad=True)
    pooled = fused._pooled(x, 64)
    gradient = torch.randn_like(pooled)
    pooled.backward(gradient)
    torch.testing.assert_close(fused._unpooled(gradient, 32), x.grad)

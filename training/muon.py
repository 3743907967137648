"""Muon where the processor multiplies in float32 only."""

import torch
from torch.optim import Muon


class Float32Muon(Muon):
    """`torch.optim.Muon` with the Newton-Schulz iteration in float32.

    torch's own casts to bfloat16, in which a CPU that lacks it takes forty times as long
    (`modeling.cpu.bf16_slowdown`), and a step of recipes/tiny.yaml several times. State and settings are torch's.
    """

    @torch.no_grad()
    def step(self, closure=None):
        """One update."""
        loss = None if closure is None else torch.enable_grad()(closure)()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: torch.Tensor, group: dict) -> None:
        state, gradient, momentum = self.state[parameter], parameter.grad, group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        update = gradient.lerp(mean, momentum) if group["nesterov"] else mean
        rows, columns = parameter.shape
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        scale = max(1, rows / columns) ** 0.5  # adjust_lr_fn "original"
        parameter.add_(orthogonalize(update, group), alpha=-group["lr"] * scale)


def orthogonalize(matrix: torch.Tensor, group: dict) -> torch.Tensor:
    """About U V^T of a matrix U S V^T, by Newton-Schulz iterations (Jordan et al. 2024), in float32."""
    a, b, c = group["ns_coefficients"]
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.float().T if tall else matrix.float()
    x = x / x.norm().clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x

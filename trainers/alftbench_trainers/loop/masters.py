"""What AdamW steps on: the trained weights themselves, or float32 copies of weights in half precision.

A step of the learning rate's size rounds away in most weights of bfloat16, whose digits end at 1/256 of a weight;
in the copy it adds up over steps until it shows (mixed precision, arXiv 1710.03740).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from alftbench.errors import UsageError


class Masters:
    """The trained weights of a model, and what AdamW steps on in their place.

    Args:
        model: whose weights that need a gradient are trained.
        copies: step on float32 copies?

    Raises:
        UsageError: copies are asked of a model that is in float32 already.
    """

    def __init__(self, model: Any, copies: bool) -> None:
        if copies and model.dtype == torch.float32:
            raise UsageError("option master=true: the weights are in float32 already; train with --dtype bfloat16")
        self.trained: list[Tensor] = [weight for weight in model.parameters() if weight.requires_grad]
        self.copies = copies
        self.stepped = [weight.detach().float().clone() for weight in self.trained] if copies else self.trained

    def collect(self) -> None:
        """Add the gradients of a pass to those of the copies, in float32."""
        if not self.copies:
            return
        for weight, copy in zip(self.trained, self.stepped, strict=True):
            if weight.grad is not None:
                gradient = weight.grad.float()
                copy.grad = gradient if copy.grad is None else copy.grad + gradient
                weight.grad = None

    def show(self) -> None:
        """Round the copies into the model."""
        if self.copies:
            with torch.no_grad():
                for weight, copy in zip(self.trained, self.stepped, strict=True):
                    weight.copy_(copy)

    def tensors(self) -> dict[str, Tensor]:
        """The stepped weights by place."""
        return {str(place): weight.detach().contiguous() for place, weight in enumerate(self.stepped)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """The inverse of `tensors`."""
        with torch.no_grad():
            for place, weight in enumerate(self.stepped):
                weight.copy_(tensors[str(place)])
        self.show()

"""Lanes of equal structure as one module of stacked parameters.

Shapes: L lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._pytree import tree_map

Module_co = TypeVar("Module_co", bound=nn.Module, covariant=True)
Result = TypeVar("Result")

# Lanes; what more of them touch no longer fits the caches of a CPU.
_AT_ONCE_ON_A_CPU = 16


class Stacked(nn.Module, Generic[Module_co]):
    """Modules of equal structure as one: parameters and buffers carry a leading lane dimension."""

    def __init__(self, modules: Sequence[Module_co]) -> None:
        super().__init__()
        parameters, buffers = stack_module_state(list(modules))
        # ParameterDict refuses dots in names.
        self.weights = nn.ParameterDict(
            {k.replace(".", "/"): nn.Parameter(v.detach(), v.requires_grad) for k, v in parameters.items()}
        )
        self.buffer_names = tuple(buffers)
        for name, value in buffers.items():
            self.register_buffer("stacked/" + name.replace(".", "/"), value.detach())
        self._template = (modules[0],)  # in a tuple: its own parameters are not this module's

    @property
    def template(self) -> Module_co:
        """One of the modules, for what all of them share; its weights mean nothing."""
        return self._template[0]

    def map(self, function: Callable[..., Result], *args: Any) -> Result:
        """Call ``function(module, *args)`` for every lane at once.

        Tensors in ``args`` and in what is returned, which may be nested, lead with the lane dimension; those
        that the function itself sees do not.
        """
        template = self.template

        def call(weights: Mapping[str, Tensor], buffers: Mapping[str, Tensor], *lane_args: Any) -> Result:
            return functional_call(_Caller(template, function), _prefixed(weights, buffers), lane_args)

        some = next(iter(self.weights.values()))
        if len(some) == 1:
            stacked = _alone(call)
        else:
            stacked = vmap(call, chunk_size=_AT_ONCE_ON_A_CPU if some.device.type == "cpu" else None)
        return stacked(self._named(), self._named_buffers(), *args)

    def __len__(self) -> int:
        """Number of lanes, L."""
        return len(next(iter(self.weights.values())))

    @property
    def parameters_each(self) -> int:
        """How many numbers one module learns."""
        return sum(weight[0].numel() for weight in self.weights.values())

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all modules but those at ``rows``."""
        chosen = list(rows)
        self.weights = nn.ParameterDict(
            {k: nn.Parameter(v.detach()[chosen], v.requires_grad) for k, v in self.weights.items()}
        )
        for name in self.buffer_names:
            slot = "stacked/" + name.replace(".", "/")
            setattr(self, slot, getattr(self, slot)[chosen])

    def part(self, rows: Sequence[int]) -> Self:
        """The modules at ``rows``, as a copy of their own."""
        chosen = deepcopy(self)
        chosen.keep(rows)
        return chosen

    def take(self, states: Sequence[Mapping[str, Tensor]]) -> None:
        """Hold modules of these states, as :meth:`lane_state` gives them, in place of those it has."""
        some = next(iter(self.weights.values()))
        whole = {name: torch.stack([state[name] for state in states]) for name in states[0]}
        self.weights = nn.ParameterDict(
            {
                k: nn.Parameter(whole[k.replace("/", ".")].to(v), v.requires_grad)
                for k, v in self.weights.items()
            }
        )
        for name in self.buffer_names:
            setattr(self, "stacked/" + name.replace(".", "/"), whole[name].to(some.device))

    @torch.no_grad()
    def put(self, index: int, state: Mapping[str, Tensor]) -> None:
        """Give one module the state that :meth:`lane_state` gave."""
        for name, value in {**self._named(), **self._named_buffers()}.items():
            value[index].copy_(state[name])

    def lane_state(self, index: int) -> dict[str, Tensor]:
        """The state dict of one module, copied to the CPU."""
        both = {**self._named(), **self._named_buffers()}
        return {name: value[index].detach().clone().cpu() for name, value in both.items()}

    def _named(self) -> dict[str, Tensor]:
        return {name.replace("/", "."): value for name, value in self.weights.items()}

    def _named_buffers(self) -> dict[str, Tensor]:
        return {name: getattr(self, "stacked/" + name.replace(".", "/")) for name in self.buffer_names}


class _Caller(nn.Module):
    """Lets ``functional_call`` run any function of a module."""

    def __init__(self, inner: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.inner = inner
        self._function = function

    def forward(self, *args: Any) -> Any:
        return self._function(self.inner, *args)


def _alone(function: Callable[..., Result]) -> Callable[..., Result]:
    """Map a function over one lane as ``vmap`` does, without the overhead."""
    return lambda *args: tree_map(lambda out: out[None], function(*tree_map(lambda part: part[0], args)))


def _prefixed(*groups: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"inner.{name}": value for group in groups for name, value in group.items()}

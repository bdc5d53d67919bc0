"""Backbones: the past of a latent trajectory -> hidden state, in one pass over true frames or frame by frame.

Every backbone answers ``read(z_BTD, state) -> (h_BTH, state)``: the hidden state after each frame, and what
it must remember to go on. Reading a sequence in pieces gives what reading it at once gives. Nothing looks
ahead.

Shapes: B windows, T frames, D latent dimensions, H hidden units, N attention heads, S frames in the cache,
E units of an attention head.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.own_parts.registry import PartKind, made_instance
from trainables.predictor.config import ON_STATES, Structure
from trainables.predictor.heads.base import Survey
from trainables.predictor.linear import Linear
from trainables.predictor.model.key_value_cache import KeyValueCache

# A pytree of tensors, known to its backbone alone; None before the first frame.
BackboneState = Any


def build_backbone(structure: Structure, dim: int) -> Backbone:
    """The backbone that a structure names, over latents of ``dim`` dimensions.

    Raises:
        InputError: it is a user's own, and cannot be made of the structure and the dimensions.
    """
    kinds: dict[str, Callable[[int, int, int], Backbone]] = {
        "gru": GRUBackbone,
        "mlp": WindowedMLP,
        "transformer": CausalTransformer,
    }

    def wrapped(backbone: Backbone) -> Backbone:
        if structure.precision == "auto":
            backbone = HalfPrecisionBackbone(backbone)
        if structure.head in ON_STATES:
            backbone = BesideFrameBackbone(backbone)
        return WhitenedBackbone(backbone, dim) if structure.coordinates == "whitened" else backbone

    kind = kinds.get(structure.backbone)
    sizes = dim, structure.width, structure.depth
    backbone = wrapped(
        made_instance(Backbone, PartKind.BACKBONE, structure.backbone, structure, dim)
        if kind is None
        else kind(*sizes)
    )
    if not structure.clean_context:
        return backbone
    return BesideCleanBackbone(backbone, wrapped(WindowedMLP(dim, structure.width, 1)), dim)


class Backbone(nn.Module):
    """A module that reads frames one after another and remembers what it needs to go on."""

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H] after each of some frames, and the state after the last of them."""
        raise TypeError(f"{type(self).__name__} does not say how it reads")

    def step(self, z_BD: Tensor, state: BackboneState) -> tuple[Tensor, BackboneState]:
        """Read one more frame: its hidden state [B, H], and the state after it."""
        h_BTH, state = self.read(z_BD.unsqueeze(1), state)
        return h_BTH[:, 0], state

    def start_from(self, survey: Survey) -> None:
        """Set what a survey of the training data says before training; most backbones ask it nothing."""


class GRUBackbone(Backbone):
    """Gated recurrent layers (Cho et al. 2014), read out together with the current frame.

    Plain matrix products instead of ``nn.GRU``, whose fused kernel cannot be stacked over lanes.
    """

    def __init__(self, dim: int, width: int, depth: int) -> None:
        super().__init__()
        sizes = [dim] + [width] * (depth - 1)
        self.inputs = nn.ModuleList(Linear(size, 3 * width) for size in sizes)
        self.recurrent = nn.ModuleList(Linear(width, 3 * width) for _ in sizes)
        # What is linear in the present frame need not be learnt by a nonlinearity.
        self.straight = Linear(dim, width, bias=False)
        self.readout = _Readout(dim + width, width)

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H], and the state: each layer's h [B, H]."""
        x_BTH, new = z_BTD, []
        for layer, (inputs, recurrent) in enumerate(zip(self.inputs, self.recurrent, strict=True)):
            gates = inputs(x_BTH)
            h = torch.zeros_like(gates[:, 0, : gates.shape[-1] // 3]) if state is None else state[layer]
            outputs = []
            # Unbound once: every index into it would fill a whole tensor of zeros on the way back.
            for gates_B in gates.unbind(1):
                h = _gru_cell(gates_B, recurrent(h), h)
                outputs.append(h)
            x_BTH = torch.stack(outputs, 1) if outputs else gates[..., : h.shape[-1]]
            new.append(h)
        return self.straight(z_BTD) + self.readout(torch.cat([z_BTD, x_BTH], -1)), tuple(new)


class WindowedMLP(Backbone):
    """The last few frames, concatenated, through residual layers; zeros stand before the first frame."""

    window = 4

    def __init__(self, dim: int, width: int, depth: int) -> None:
        super().__init__()
        self.embed = Linear(self.window * dim, width)
        self.blocks = nn.ModuleList(_Readout(width, width) for _ in range(depth))

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H], and the state: the last frames [B, window - 1, D]."""
        frames = z_BTD.shape[1]
        padded = (
            F.pad(z_BTD, (0, 0, self.window - 1, 0)) if state is None else torch.cat([state[0], z_BTD], 1)
        )
        h = self.embed(torch.cat([padded[:, i : i + frames] for i in range(self.window)], -1))
        for block in self.blocks:
            h = h + block(h)
        return h, (padded[:, frames:],)


class CausalTransformer(Backbone):
    """Pre-norm transformer with rotary positions (Su et al. 2021) and a key-value cache with room ahead."""

    def __init__(self, dim: int, width: int, depth: int) -> None:
        super().__init__()
        self.embed = Linear(dim, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H], and the state: each block's keys and values."""
        x_BTH, new = self.embed(z_BTD), []
        for layer, block in enumerate(self.blocks):
            x_BTH, cache = block(x_BTH, None if state is None else state[layer])
            new.append(cache)
        return self.norm(x_BTH), tuple(new)


class WhitenedBackbone(Backbone):
    """A backbone that reads frames whitened by a survey's affine map."""

    mean_D: Tensor
    inverse_DD: Tensor

    def __init__(self, inner: Backbone, dim: int) -> None:
        super().__init__()
        self.inner = inner
        self.register_buffer("mean_D", torch.zeros(dim))
        self.register_buffer("inverse_DD", torch.eye(dim))

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H], and the state, of the backbone inside."""
        return self.inner.read((z_BTD - self.mean_D) @ self.inverse_DD.mT, state)

    def start_from(self, survey: Survey) -> None:
        """Take the survey's whitening, where it has one."""
        if survey.whitening is None:
            return
        self.mean_D.copy_(survey.whitening.mean_D)
        self.inverse_DD.copy_(survey.whitening.inverse_DD)


class BesideCleanBackbone(Backbone):
    """Two backbones whose hidden states are added: one reads frames with their noise, one reads them clean.

    Frames are [noisy, clean], 2 D numbers, or D of which there is but one reading.
    """

    def __init__(self, noisy: Backbone, clean: Backbone, dim: int) -> None:
        super().__init__()
        self.noisy, self.clean, self.dim = noisy, clean, dim

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H], and the states of both."""
        before = (None, None) if state is None else state
        h_BTH, noisy = self.noisy.read(z_BTD[..., : self.dim], before[0])
        more_BTH, clean = self.clean.read(z_BTD[..., -self.dim :], before[1])
        return h_BTH + more_BTH, (noisy, clean)

    def start_from(self, survey: Survey) -> None:
        """Let both take what the survey says."""
        self.noisy.start_from(survey)
        self.clean.start_from(survey)


class BesideFrameBackbone(Backbone):
    """A backbone whose hidden states are followed by the frames that it read."""

    def __init__(self, inner: Backbone) -> None:
        super().__init__()
        self.inner = inner

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states and frames [B, T, H + D], and the state of the backbone inside."""
        h_BTH, state = self.inner.read(z_BTD, state)
        return torch.cat([h_BTH, z_BTD], -1), state


class HalfPrecisionBackbone(Backbone):
    """A backbone whose products are taken in bfloat16 on a GPU; what it hands on is in full precision."""

    devices: tuple[str, ...] = ("cuda",)

    def __init__(self, inner: Backbone) -> None:
        super().__init__()
        self.inner = inner

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H] in the precision of ``z_BTD``, and the state of the backbone inside."""
        device = z_BTD.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device in self.devices):
            h_BTH, state = self.inner.read(z_BTD, state)
        return h_BTH.to(z_BTD.dtype), state


class ThinnedBackbone(Backbone):
    """A backbone whose windows do without some hidden units."""

    def __init__(self, inner: Backbone, kept_BH: Tensor) -> None:
        super().__init__()
        self.inner, self.kept_BH = inner, kept_BH

    def read(self, z_BTD: Tensor, state: BackboneState = None) -> tuple[Tensor, BackboneState]:
        """Hidden states [B, T, H], scaled by what is kept of each, and the state of the backbone inside."""
        h_BTH, state = self.inner.read(z_BTD, state)
        # Branching runs follow several copies of every window, one after the other.
        kept_BH = self.kept_BH.repeat(len(h_BTH) // len(self.kept_BH), 1)
        # A frame behind the hidden units is kept whole.
        kept_BH = F.pad(kept_BH, (0, h_BTH.shape[-1] - kept_BH.shape[-1]), value=1.0)
        return h_BTH * kept_BH.unsqueeze(1).to(h_BTH), state


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_heads = max(1, width // 32)
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = Linear(width, 3 * width), Linear(width, width)
        self.mlp = nn.Sequential(Linear(width, 4 * width), nn.GELU(), Linear(4 * width, width))

    def forward(self, x_BTH: Tensor, cache: KeyValueCache | None) -> tuple[Tensor, KeyValueCache]:
        q, k, v = (
            part.unflatten(-1, (self.attention_heads, -1)).transpose(1, 2)
            for part in self.qkv(self.norm_attention(x_BTH)).chunk(3, -1)
        )
        start = 0 if cache is None else cache.frames
        q, k = _rotate(q, start), _rotate(k, start)
        cache = KeyValueCache.of(k, v) if cache is None else cache.with_more(k, v)
        x_BTH = x_BTH + self.out(_attend(q, *cache.tensors, start).transpose(1, 2).flatten(2))
        return x_BTH + self.mlp(self.norm_mlp(x_BTH)), cache


class _Readout(nn.Module):
    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.hidden, self.out = Linear(size, 2 * width), Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.silu(self.hidden(x)))


def _gru_cell(from_input: Tensor, from_state: Tensor, h: Tensor) -> Tensor:
    width = h.shape[-1]
    gates = torch.sigmoid(from_input[..., : 2 * width] + from_state[..., : 2 * width])
    reset, update = gates.chunk(2, -1)
    candidate = torch.tanh(from_input[..., 2 * width :] + reset * from_state[..., 2 * width :])
    return torch.lerp(candidate, h, update)


def _attend(q_BNTE: Tensor, k_BNSE: Tensor, v_BNSE: Tensor, start: int) -> Tensor:
    frames = q_BNTE.shape[2]
    seen_TS = None
    if start and frames > 1:  # nothing lies ahead of a single frame
        seen_TS = torch.ones(frames, start + frames, dtype=torch.bool, device=q_BNTE.device).tril(start)
    # On a CPU PyTorch takes the attention of stacked lanes one after the other, and says so; it is still
    # faster than products and a softmax of all of them.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        return F.scaled_dot_product_attention(q_BNTE, k_BNSE, v_BNSE, attn_mask=seen_TS, is_causal=start == 0)


def _rotate(x_BNTE: Tensor, start: int) -> Tensor:
    frames, size = x_BNTE.shape[-2:]
    position = torch.arange(start, start + frames, device=x_BNTE.device, dtype=x_BNTE.dtype)
    rate = 10000.0 ** (-torch.arange(0, size, 2, device=x_BNTE.device, dtype=x_BNTE.dtype) / size)
    angle = position[:, None] * rate
    even, odd = x_BNTE[..., 0::2], x_BNTE[..., 1::2]
    turned = torch.stack([even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()], -1)
    return turned.flatten(-2)

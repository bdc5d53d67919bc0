"""Conversions between units of information."""

from __future__ import annotations

import math


def bits_per_second(nats_per_frame: float, frame_rate: float) -> float:
    """Information in bits per second of audio, from nats per frame and the frame rate in Hz."""
    return nats_per_frame * frame_rate / math.log(2)

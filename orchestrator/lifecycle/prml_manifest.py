"""The primary criterion of a sealed plan as a manifest of PRML 0.1, which the tool falsify checks.

C. Öztürk, "PRML: Pre-Registered ML Manifest Specification", version 0.1, https://spec.falsify.dev/v0.1. A
manifest binds one metric, one threshold, data and a seed to the SHA-256 of its canonical bytes. What a seal
holds beyond that, it names by the seal's hash.
"""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.records.seal import seal_hash
from orchestrator.runtime.atomic_files import write_atomically
from search_spaces.study import Claim, Role
from trainables.errors import InputError

VERSION = "prml/0.1"
_NOTE = (
    "The lower end of the interval has to exceed the threshold. This is the primary criterion alone: a GO "
    "also asks for nulls, plants, control worlds and required criteria, which the sealed plan holds. "
    "dataset.hash is the SHA-256 of the sealed description of the data as canonical JSON."
)
_FIRST_BITS = 62  # of a hash that stand in for the random bits of a UUID


def prml_manifest(seal: Mapping[str, Any], sealed_at: float, producer: str) -> dict[str, Any]:
    """The manifest of a sealed plan.

    Args:
        seal: the plan.
        sealed_at: seconds since 1970.
        producer: who vouches for it: a domain, an ORCID or a GitHub handle.

    Raises:
        InputError: the primary criterion is no threshold on one metric.
    """
    primary = next(c for c in seal["study"]["criteria"] if c["role"] == Role.PRIMARY)
    if primary["claim"] != Claim.GREATER:
        raise InputError(
            f"--producer asks for a PRML manifest, which holds one threshold on one metric, but the primary "
            f"criterion of {seal['study']['name']} is {primary['claim']!r}; leave --producer out"
        )
    difference = f" minus {primary['versus']}" if primary["versus"] else ""
    return {
        "version": VERSION,
        "claim_id": _uuid7(sealed_at, seal_hash(seal)),
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(sealed_at)),
        "metric": f"lower end of the interval of {primary['metric']}, {primary['arm']}{difference}",
        "metric_args": {
            "alpha": float(seal["study"]["alpha"]),
            "arm": primary["arm"],
            "metric": primary["metric"],
            "seal": seal_hash(seal),
            "seeds": ", ".join(map(str, seal["seeds"])),
        },
        "comparator": ">",
        "threshold": float(primary["success"]),
        "dataset": {"hash": seal_hash(seal["data"]), "id": seal["data"]["representation"]},
        "seed": int(seal["seeds"][0]),
        "producer": {"id": producer},
        "notes": _NOTE,
    }


def canonical_bytes(manifest: Mapping[str, Any]) -> bytes:
    """The manifest as the specification writes it: keys sorted, two spaces a level, LF, UTF-8.

    Raises:
        InputError: a text has characters that the specification forbids.
    """
    return ("\n".join(_lines(manifest, 0)) + "\n").encode()


def write_manifest(path: Path, manifest: Mapping[str, Any]) -> str:
    """Write canonical bytes, and their hash beside them; return the hash (SHA-256, hex)."""
    content = canonical_bytes(manifest)
    digest = hashlib.sha256(content).hexdigest()
    write_atomically(path, content)
    write_atomically(path.with_name(f"{path.name.removesuffix('.yaml')}.sha256"), f"{digest}\n")
    return digest


def _lines(mapping: Mapping[str, Any], level: int) -> Iterator[str]:
    for key in sorted(mapping):
        value, indent = mapping[key], "  " * level
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(value, level + 1)
        else:
            yield f"{indent}{key}: {_scalar(value)}"


def _scalar(value: str | int | float) -> str:
    """A number, or a text in the quotes that the reference emitter gives it."""
    if isinstance(value, float):
        text = repr(value)
        mantissa, exponent, power = text.partition("e")
        return text if "." in mantissa or not exponent else f"{mantissa}.0e{power}"
    if isinstance(value, int):
        return str(value)
    if unicodedata.normalize("NFC", value) != value or not value.isprintable():
        raise InputError(
            f"{value!r} has characters that a PRML manifest must not have; write it in plain ones"
        )
    return value if _is_plain(value) else "'" + value.replace("'", "''") + "'"


def _is_plain(text: str) -> bool:
    """Whether YAML reads the text as itself without quotes."""
    odd = text[:1] in "-?:,[]{}#&*!|>'\"%@`=~<" or text != text.strip() or ": " in text or " #" in text
    resolved = text.lower() in ("", "null", "true", "false", "yes", "no", "on", "off", "y", "n")
    numeric = text[:1].isdigit() and all(c.isdigit() or c in "._:eE+-TZx" for c in text)
    is_uuid = len(text) == 36 and text.count("-") == 4
    return not (odd or resolved or text.endswith(":") or (numeric and not is_uuid))


def _uuid7(seconds: float, digest: str) -> str:
    """A UUID of version 7 whose random bits are those of a hash, so that the same seal has the same."""
    bits = int(digest, 16)
    stamp = f"{int(seconds * 1000):012x}"
    first = f"{bits & 0xFFF:03x}"
    rest = f"{(0b10 << _FIRST_BITS) | (bits >> 12) & ((1 << _FIRST_BITS) - 1):016x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{first}-{rest[:4]}-{rest[4:]}"

"""Make conformance streams: ``python -m tests.conformance.make``, from the root of the repository.

Codes every case with every model and writes what each frame must decode to; writes the self-test
data beside the released weights in the same way. What a model has already made is left as it is,
so that old streams keep telling what the format and the arithmetic are: only cases without a
stream, and streams of another model than the present one, are made. The table of bounds in
``docs/exactness.md`` is written each time.

``--anew`` makes all streams, and the tiny model only if its file is gone. That is for a change of
the format or of the arithmetic on purpose, which is marked **format** in the changelog, and never
to make a test pass.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
import tempfile
from pathlib import Path
from typing import Any

from colorvid.bitstream import ClvWriter, StreamHeader
from colorvid.codec.encoder import Encoder
from colorvid.exact.arithmetic import SUM_LIMIT
from colorvid.files.selftest_torch import networks_sha256
from colorvid.frame import DEPTHS
from colorvid.models.loading import Model
from colorvid.models.modelfile import RELEASED, find_model
from colorvid.models.networks import prove_model, save_model
from tests import tiny
from tests.conformance.cases import (
    CASES,
    EXPECTED,
    FOLDER,
    MODELS,
    SELFTEST,
    STREAMS,
    TINY,
    Case,
    expected,
    model,
    stream,
)

DOCUMENT = FOLDER.parents[1] / "docs" / "exactness.md"
BEGIN, END = "<!-- bounds:begin -->", "<!-- bounds:end -->"


def make_tiny() -> None:
    """Make the tiny model and pack it."""
    network = tiny.network(seed=2026)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        save_model(path, network, tiny.tables_for(network))
        TINY.write_bytes(lzma.compress(path.read_bytes(), preset=9))


def make_stream(path: Path, coder: Model, case: Case) -> list[str]:
    """Write a stream; gives the SHA-256 of every frame, in order of display."""
    encoder = Encoder(coder, case.settings)
    _, height, width = case.size
    source = case.source(*case.size)
    header = StreamHeader(
        pixel_format=DEPTHS.index(source[0].depth),
        width=width,
        height=height,
        rate_num=25,
        rate_den=1,
        gop_length=case.settings.gop,
        reorder=case.settings.reorder,
        references=case.settings.references,
        model_id=coder.identity,
        **case.tags,
    )
    coded = [ready for frame in source for ready in encoder.push(frame)] + encoder.flush()
    with open(path, "wb") as file:
        writer = ClvWriter(file)
        writer.write_header(header)
        for ready in coded:
            writer.write_packet(ready.packet)
        writer.finish()
    print(f"{path.name}: {path.stat().st_size} bytes")
    shown = sorted(coded, key=lambda ready: ready.packet.display_number)
    return [ready.picture.sha256() for ready in shown]


def make_set(anew: bool) -> None:
    """Bring streams and expectations in line with the cases and the models."""
    before = expected() if EXPECTED.exists() and not anew else {}
    after: dict[str, dict[str, Any]] = {}
    for name in MODELS:
        coder = model(name)
        for case in CASES:
            path = stream(name, case)
            entry = before.get(path.stem, {})
            if entry.get("model") != coder.identity.hex() or not path.exists():
                frames = make_stream(path, coder, CASES[case])
                entry = {"model": coder.identity.hex(), "frames": frames}
            after[path.stem] = entry
    for path in STREAMS.glob("*.clv"):
        if path.stem not in after:
            path.unlink()
    EXPECTED.write_text(json.dumps(after, indent=1) + "\n", encoding="utf-8")


def make_selftest(anew: bool) -> None:
    """Write what `colorvid.files.selftest` needs beside each released model."""
    for name in RELEASED:
        coder, path = model(name), find_model(name)
        answers = path.with_suffix(".json")
        text = answers.read_text(encoding="utf-8") if answers.exists() and not anew else "{}"
        if json.loads(text).get("model") != coder.identity.hex():
            frames = make_stream(path.with_suffix(".clv"), coder, SELFTEST)
            known = {"model": coder.identity.hex(), "networks": networks_sha256(coder)}
            text = json.dumps({**known, "frames": frames}, indent=1) + "\n"
            answers.write_text(text, encoding="utf-8")


def bounds_table() -> str:
    """What was proved of each released model, as a table."""
    lines = ["| model | convolutions | largest sum | of 2^24 | in | largest of a transform |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for name in RELEASED:
        bounds = prove_model(model(name).network)
        sums = [b for b in bounds if b.allowed < SUM_LIMIT]
        top = max(sums, key=lambda bound: bound.largest)
        transforms = max(b.largest for b in bounds if b.allowed >= SUM_LIMIT)
        lines.append(
            f"| `{name}` | {len(sums)} | {top.largest:,} | {top.largest / SUM_LIMIT:.1%} "
            f"| `{top.layer}` | 2^{math.log2(transforms):.1f} of 2^53 |"
        )
    return "\n".join(lines)


def make_bounds() -> None:
    """Write `bounds_table` into the document."""
    before, begin, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    text = f"{before}{begin}\n{bounds_table()}\n{end}{after}"
    DOCUMENT.write_text(text, encoding="utf-8")


def main() -> None:
    """Read the command line and make what is to be made."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--anew", action="store_true", help="make all streams, after a new format")
    anew = parser.parse_args().anew
    if not TINY.exists():
        make_tiny()
    STREAMS.mkdir(exist_ok=True)
    make_set(anew)
    make_selftest(anew)
    make_bounds()
    print(f"{sum(p.stat().st_size for p in (TINY, EXPECTED, *STREAMS.iterdir()))} bytes in all")


if __name__ == "__main__":
    main()

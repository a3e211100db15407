from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from colorvid.entropy import rans
from colorvid.entropy.rans import CodeBook, SymbolReader, SymbolWriter
from colorvid.entropy.tables import MAX_SYMBOL, tables_of
from tests import tiny

SYMBOLS = np.array([0, 1, -1, 0, -2, 2, 0, 1, 9, -300, 2047, 0], np.int32)
INDEX = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 2], np.int32)
WORDS = "3f88d64ee603bfb94cd73325ffff"
COMPRESSAI = "328a91def301000048f3bd3b3325ffffa3ff0080"


@pytest.fixture(params=["plain", "core"])
def coder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each entropy coder in turn: in Python, and in the native core."""
    if request.param == "plain":
        monkeypatch.setattr(rans, "core", lambda: None)
    return str(request.param)


def book() -> CodeBook:
    tables = tables_of([np.array([1.0, 2, 1]), np.array([1.0, 4, 10, 4, 1]), np.array([1.0])])
    return CodeBook(tables, tables)


def written(symbols: np.ndarray, index: np.ndarray, codebook: CodeBook) -> bytes:
    writer = SymbolWriter()
    writer.write(codebook.latents, symbols, index)
    return writer.finish()


def test_golden_words(coder: str) -> None:
    assert written(SYMBOLS, INDEX, book()).hex() == WORDS


@pytest.mark.parametrize("words", [WORDS, COMPRESSAI])
def test_golden_words_are_read_in_parts(coder: str, words: str) -> None:
    codebook = book()
    reader = SymbolReader(bytes.fromhex(words))
    first = reader.read(codebook.latents, INDEX[:5])
    nothing = reader.read(codebook.latents, INDEX[:0])
    rest = reader.read(codebook.latents, INDEX[5:])
    assert len(nothing) == 0
    assert np.concatenate((first, rest)).tolist() == SYMBOLS.tolist()


def test_zeros_are_the_empty_stream() -> None:
    codebook = book()
    assert written(np.zeros(12, np.int32), INDEX, codebook) == b""
    assert SymbolWriter().finish() == b""
    assert SymbolReader(b"").read(codebook.latents, INDEX).tolist() == [0] * 12


@pytest.mark.parametrize("count", range(1, 40))
def test_few_symbols_take_few_bytes(coder: str, count: int) -> None:
    """Every length of the state, and every number of words behind it."""
    codebook = book()
    symbols, index = np.resize(SYMBOLS[:8], count), np.full(count, 1, np.int32)
    data = written(symbols, index, codebook)
    assert np.array_equal(SymbolReader(data).read(codebook.latents, index), symbols)
    information = codebook.latents.bits(symbols, index)
    assert len(data) <= (information + 16) / 8 + 1, "the first symbol may take 16 bits"


def test_the_smallest_stream_is_one_byte(coder: str) -> None:
    """The lowest symbol of a table leaves the encoder's state at 0."""
    codebook = book()
    data = written(np.array([-1], np.int32), np.array([0], np.int32), codebook)
    assert data == b"\0"
    assert SymbolReader(data).read(codebook.latents, np.array([0], np.int32)).tolist() == [-1]


def test_real_tables_come_near_the_information() -> None:
    tables = tiny.latent_tables()
    codebook = CodeBook(tables, tables)
    random = np.random.default_rng(7)
    index = random.integers(0, 48, 20000).astype(np.int32)
    deviation = 0.12 * np.exp(index * np.log(64 / 0.12) / 63)
    symbols = np.rint(random.laplace(0, deviation / np.sqrt(2))).astype(np.int32)
    data = written(symbols, index, codebook)
    assert len(data) * 8 == pytest.approx(tables.bits(symbols, index), rel=0.01)
    reader = SymbolReader(data)
    assert np.array_equal(reader.read(tables, index), symbols)


def test_branch_coders_mirror_each_other() -> None:
    codebook = CodeBook(tables_of([np.ones(9)] * 3), tiny.latent_tables())
    flags = torch.tensor([[True, False, True], [False, True, True]])
    hyper = torch.arange(-9.0, 9).reshape(1, 3, 2, 3) * flags
    index = torch.tensor([0.0, 5, 63, 0, 20])
    symbols = torch.tensor([7.0, -1, 90, 0, 3])
    writer = SymbolWriter()
    out = writer.branch(codebook)
    assert torch.equal(out.flags(flags, (2, 3)), flags)
    assert 0 < out.hyper_bits < 20
    assert torch.equal(out.hyper(hyper, hyper.shape, flags), hyper)
    assert out.latents(symbols, index).tolist() == [0, -1, 90, 0, 3]
    assert out.hyper_bits > 12 * 3 and out.latent_bits > 10 and out.seconds > 0
    back = SymbolReader(writer.finish()).branch(codebook)
    assert torch.equal(back.flags(None, (2, 3)), flags)
    assert torch.equal(back.hyper(None, hyper.shape, flags).float(), hyper)
    decoded = back.latents(None, index)
    assert decoded.tolist() == [0, -1, 90, 0, 3] and decoded.dtype == index.dtype


def test_two_books_share_one_stream() -> None:
    books = [book(), CodeBook(tiny.latent_tables(), tiny.latent_tables())]
    writer = SymbolWriter()
    for each in (*books, books[0]):
        writer.write(each.latents, SYMBOLS, INDEX)
    reader = SymbolReader(writer.finish())
    for each in (*books, books[0]):
        assert np.array_equal(reader.read(each.latents, INDEX), SYMBOLS)


def test_cut_streams_give_symbols_within_limits() -> None:
    codebook, data = book(), bytes.fromhex(WORDS)
    for length in range(1, len(data)):
        got = SymbolReader(data[:length]).read(codebook.latents, INDEX)
        assert got.dtype == np.int32 and len(got) == len(INDEX)
        assert np.abs(got).max() <= MAX_SYMBOL


GARBAGE = """
import numpy as np
from colorvid.entropy import rans
from colorvid.entropy.rans import CodeBook, SymbolReader
from colorvid.entropy.tables import MAX_SYMBOL
from tests import tiny
tables = tiny.latent_tables()
book = CodeBook(tables, tables)
random = np.random.default_rng(3)
index = random.integers(0, 64, 3000).astype(np.int32)
streams = [bytes([b]) * n for b in (0x00, 0x0F, 0xF0, 0xFF) for n in (1, 7, 4000, 3_000_001)]
streams += [b"\\xff\\xff\\0\\0" + b"\\x0f\\0\\0\\0" * 500_000, b"\\0" * 8 + b"\\xff" * 2_000_000]
streams += [random.bytes(int(n)) for n in random.integers(1, 9000, 60)]
for stream in streams:
    reader = SymbolReader(stream)
    for part in np.array_split(index, 3):
        got = reader.read(tables, part)
        assert len(got) == len(part) and np.abs(got).max() <= MAX_SYMBOL
print("survived", len(streams))
"""


def test_garbage_never_crashes() -> None:
    # The coder is compiled code: a fault of it would end the interpreter, so another one runs it.
    done = subprocess.run([sys.executable, "-c", GARBAGE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "survived 78\n"), done.stderr[-2000:]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 300])
def test_both_coders_are_the_same(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes, whichever of both writes, and the same symbols, whichever reads."""
    codebook = CodeBook(tables_of([np.ones(9)] * 3), tiny.latent_tables())
    random = np.random.default_rng(count)
    parts = []
    for tables in (codebook.hyper, codebook.latents, codebook.hyper):
        index = random.integers(0, len(tables.sizes), count).astype(np.int32)
        parts.append((tables, index, random.integers(-40, 41, count).astype(np.int32)))

    def coded() -> bytes:
        writer = SymbolWriter()
        for tables, index, symbols in parts:
            writer.write(tables, symbols, index)
        return writer.finish()

    def read(data: bytes) -> list[list[int]]:
        reader = SymbolReader(data)
        return [reader.read(tables, index).tolist() for tables, index, _ in parts]

    data = coded()
    assert (len(data) == 0) == (count == 0)
    damaged = bytes(reversed(data)) + b"\xff" * 8 * (count > 0)
    whole, other = read(data), read(damaged)
    assert whole == [symbols.tolist() for _, _, symbols in parts]
    assert all(abs(symbol) <= MAX_SYMBOL for symbol in sum(other, []))
    monkeypatch.setattr(rans, "core", lambda: None)
    assert (coded(), read(data), read(damaged)) == (data, whole, other)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:FutureWarning")  # of compressai's import
@pytest.mark.parametrize("count", [4, 40, 4000])
def test_what_compressai_writes_is_read(coder: str, count: int) -> None:
    """The same coder, but for the state in which its encoder begins."""
    from compressai.ans import BufferedRansEncoder

    tables = tiny.latent_tables()
    random = np.random.default_rng(count)
    index = random.integers(0, 64, count).astype(np.int32)
    symbols = random.integers(-90, 91, count).astype(np.int32)
    encoder = BufferedRansEncoder()
    encoder.encode_with_indexes(
        symbols.tolist(), index.tolist(), tables.rows, tables.sizes.tolist(),
        (-tables.reach).tolist(),
    )  # fmt: skip
    theirs, ours = encoder.flush(), written(symbols, index, CodeBook(tables, tables))
    assert np.array_equal(SymbolReader(theirs).read(tables, index), symbols)
    assert len(theirs) - 8 <= len(ours) <= len(theirs) - 1

"""Finding, choosing and calling the native core.

The core is a shared library of plain C functions (`src/api.h`), called through ctypes, which
releases the interpreter lock. It gives the same integers as the Python path, which stays as the
reference and decodes where there is no library; only the core searches for motion, which encoding
needs. The environment variable ``COLORVID_NATIVE`` chooses: ``0`` the Python path, the name of a
`Level` in small letters the kernels of that level, ``1`` or nothing the best that this machine has.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from colorvid.errors import ConfigError

INTERFACE = 12
"""What `colorvid_interface` must answer; see `src/api.h`."""
VARIABLE = "COLORVID_NATIVE"
_ABSENT = "install a C++ compiler and then colorvid again"

_HANDLE = ctypes.c_void_p
_INT = ctypes.c_int
_SIZE = ctypes.c_size_t
_STEP = ctypes.c_ssize_t
_ARRAY = ctypes.c_void_p
_LAYER = ctypes.c_void_p
_PLACE = ctypes.POINTER(ctypes.c_void_p)

_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "interface": (_INT, ()),
    "has_level": (_INT, (_INT,)),
    "roof": (ctypes.c_double, (_INT, ctypes.c_double)),
    "motion_new": (_HANDLE, (_INT, _INT, _INT)),
    "motion_free": (None, (_HANDLE,)),
    "motion_start": (_INT, (_HANDLE, _INT)),
    "motion_encode": (
        _INT,
        (_HANDLE, _ARRAY, _ARRAY, _ARRAY, _ARRAY, _PLACE, ctypes.POINTER(_SIZE)),
    ),
    "motion_decode": (
        _INT,
        (_HANDLE, _ARRAY, ctypes.c_char_p, _SIZE, _ARRAY, _ARRAY, _ARRAY, _ARRAY),
    ),
    "reference_new": (_HANDLE, ()),
    "reference_fill": (_INT, (_INT, _HANDLE, _ARRAY, _INT, _INT)),
    "reference_free": (None, (_HANDLE,)),
    "pyramid_new": (_INT, (_ARRAY, _INT, _INT, _PLACE)),
    "pyramid_free": (None, (_HANDLE,)),
    "novelty": (_INT, (_INT, _HANDLE, _HANDLE, _INT, _ARRAY)),
    "inherit": (_INT, (_INT, _ARRAY, _ARRAY, _INT, _INT, _INT, _ARRAY)),
    "estimate": (
        _INT,
        (_INT, _HANDLE, _ARRAY, _ARRAY, _HANDLE, _HANDLE, ctypes.c_int64)
        + (_ARRAY, _ARRAY, _ARRAY, _ARRAY, _ARRAY),
    ),
    "compensate": (
        _INT,
        (_INT, _INT, _INT, _ARRAY, _ARRAY, _INT, _INT, _ARRAY, _ARRAY, _ARRAY)
        + (_INT, _INT, _ARRAY),
    ),
    "symbols_read": (
        _INT,
        (_ARRAY, _ARRAY, _INT, _INT, _ARRAY, _INT, ctypes.c_char_p, _SIZE, _ARRAY),
    ),
    "symbols_write": (
        _INT,
        (_ARRAY, _ARRAY, _INT, _INT, _ARRAY, _INT, _ARRAY, _ARRAY, _SIZE, ctypes.POINTER(_SIZE)),
    ),
    "model_new": (_HANDLE, ()),
    "model_free": (None, (_HANDLE,)),
    "model_tensor": (_INT, (_HANDLE, ctypes.c_char_p, _INT, _ARRAY, _INT, _ARRAY, _SIZE)),
    "model_build": (_INT, (_HANDLE, _ARRAY, _INT, ctypes.c_char_p, _SIZE)),
    "workspace_new": (_HANDLE, (_INT,)),
    "workspace_free": (None, (_HANDLE,)),
    "workspace_work": (None, (_HANDLE, _ARRAY, _ARRAY)),
    "codec_new": (_HANDLE, (_HANDLE, _INT, _INT, _INT, _INT)),
    "codec_free": (None, (_HANDLE,)),
    "codec_decode": (
        _INT,
        (_HANDLE, _HANDLE, _INT, _ARRAY, ctypes.c_char_p, _SIZE, _ARRAY, _ARRAY),
    ),
    "codec_encode": (
        _INT,
        (_HANDLE, _HANDLE, _INT, _INT, _ARRAY, _ARRAY, _ARRAY, _PLACE)
        + (ctypes.POINTER(_SIZE), _ARRAY),
    ),
    "kernel_filter_line": (None, (_INT, _ARRAY, _STEP, _ARRAY, _ARRAY, _INT)),
    "kernel_window_errors": (
        None,
        (_INT, _ARRAY, _STEP, _ARRAY, _STEP, _ARRAY),
    ),
    "kernel_hadamard_errors": (
        None,
        (_INT, _ARRAY, _STEP, _ARRAY, _STEP, _ARRAY),
    ),
    "kernel_block_error": (ctypes.c_int32, (_INT, _ARRAY, _STEP, _ARRAY, _STEP)),
    "kernel_predict": (
        None,
        (_INT, _INT, _ARRAY, _STEP, _ARRAY, _ARRAY, _ARRAY, _STEP),
    ),
    "kernel_predict10": (
        None,
        (_INT, _INT, _ARRAY, _STEP, _ARRAY, _ARRAY, _ARRAY, _STEP),
    ),
    "kernel_round_line": (None, (_INT, _ARRAY, _INT, _ARRAY, _INT)),
    "kernel_round_line10": (None, (_INT, _ARRAY, _INT, _ARRAY, _INT)),
    "kernel_pointwise": (None, (_INT, _LAYER, _ARRAY, _STEP, _ARRAY, _STEP, _INT)),
    "kernel_depthwise": (None, (_INT, _LAYER, _ARRAY, _STEP, _ARRAY, _STEP, _INT)),
    "kernel_leaky": (None, (_INT, _ARRAY, _INT)),
    "kernel_add_features": (None, (_INT, _ARRAY, _ARRAY, _INT)),
    "kernel_gate": (None, (_INT, _ARRAY, _ARRAY, _ARRAY, _INT)),
    "kernel_scale_latents": (None, (_INT, _ARRAY, _ARRAY, _ARRAY, _INT)),
    "kernel_add_basis": (None, (_INT, _ARRAY, _ARRAY, ctypes.c_double, _INT)),
    "kernel_project": (None, (_INT, _ARRAY, _ARRAY, _INT, _ARRAY, _INT)),
    "kernel_block_bends": (None, (_INT, _ARRAY, _STEP, _INT, _ARRAY)),
    "kernel_block_bends10": (None, (_INT, _ARRAY, _STEP, _INT, _ARRAY)),
    "kernel_filter_block": (None, (_INT, _LAYER, _ARRAY, _STEP, _INT, _ARRAY, _STEP)),
    "kernel_filter_block10": (None, (_INT, _LAYER, _ARRAY, _STEP, _INT, _ARRAY, _STEP)),
}
"""Result and arguments of each function of `src/api.h`, without its prefix."""


_Functions: TypeAlias = dict[str, Callable[..., Any]]


class Level(IntEnum):
    """Sets of instructions that kernels are written for, as `src/cpu.h` numbers them."""

    PLAIN = 0
    AVX2 = 1
    AVX512 = 2
    AVX512VNNI = 3
    NEON = 4


class Status(IntEnum):
    """What functions of the core return, as `src/api.h` numbers them."""

    FINE = 0
    OUT_OF_MEMORY = 1
    WRONG_ARGUMENT = 2
    WRONG_VECTOR = 3
    WRONG_MODEL = 4
    NO_REFERENCE = 5


@dataclass(frozen=True, slots=True)
class Core:
    """The library, and the level of the kernels to use.

    Attributes:
        functions: the functions of `src/api.h` by name, without their prefix.
        quick: the same, keeping the interpreter lock: for work that takes less time than to wait
            for the lock.
        level: passed to the functions that take one.
    """

    functions: _Functions
    quick: _Functions
    level: Level

    def call(self, name: str, *arguments: Any, quick: bool = False) -> Status:
        """Call a function that returns a status; of `quick` or of `functions`.

        Raises:
            MemoryError: the memory does not suffice.
            ConfigError: the function refuses its arguments, or a reference is not there.
        """
        status = Status((self.quick if quick else self.functions)[name](*arguments))
        if status is Status.OUT_OF_MEMORY:
            raise MemoryError(f"native core: {name} has no memory")
        if status is Status.WRONG_ARGUMENT:
            raise ConfigError(
                f"native core: {name} refuses its arguments; sizes must fit together and vectors "
                "must be in range"
            )
        if status is Status.NO_REFERENCE:
            raise ConfigError("native core: an inter frame needs its references")
        return status


def pointer(array: NDArray[Any], dtype: type[np.generic] | np.dtype[Any]) -> int:
    """Address of a C-contiguous array of ``dtype``; the caller keeps the array alive."""
    assert array.dtype == dtype and array.flags.c_contiguous
    return array.ctypes.data


def core() -> Core | None:
    """The native core, or None where the Python path is to be used.

    Logs one warning for a process if there is no usable library.

    Raises:
        ConfigError: ``COLORVID_NATIVE`` has another value than the ones above, or asks for a level
            that this machine does not have.
    """
    wanted = os.environ.get(VARIABLE, "1")
    if wanted == "0":
        return None
    library = _library()
    if isinstance(library, str):
        _warn(library)
        return None
    return at_level(wanted)


def core_for_encoding() -> Core:
    """The native core, without which nothing searches for motion.

    Raises:
        ConfigError: there is none, or as `core`.
    """
    found = core()
    if found is None:
        library = _library()
        reason = library if isinstance(library, str) else f"{VARIABLE}=0 switches it off"
        raise ConfigError(
            f"encoding needs the native core, and {reason}; decoding works without it"
        )
    return found


def describe() -> str:
    """What `core` gives, in a few words: for the version and the self-test."""
    if os.environ.get(VARIABLE) == "0":
        return f"native core switched off by {VARIABLE}=0"
    library = _library()
    if isinstance(library, str):
        return f"no native core: {library}"
    found = at_level(os.environ.get(VARIABLE, "1"))
    return f"native core with {found.level.name.lower()} kernels"


def levels() -> list[Level]:
    """The levels that this machine has, the best one last.

    Raises:
        ConfigError: there is no usable library.
    """
    has_level = _functions()[0]["has_level"]
    return [level for level in Level if has_level(level)]


@lru_cache(maxsize=8)
def at_level(wanted: str) -> Core:
    """The core with the kernels that a value of ``COLORVID_NATIVE`` other than 0 asks for.

    Raises:
        ConfigError: there is no such value or no usable library, or this machine does not have
            the level.
    """
    here = levels()
    names = {level.name.lower(): level for level in here} | {"1": here[-1]}
    if wanted not in names:
        raise ConfigError(
            f"{VARIABLE} is {wanted!r}; this machine allows 0, {', '.join(sorted(names))}"
        )
    return Core(*_functions(), names[wanted])


def _functions() -> tuple[_Functions, _Functions]:
    """The functions of the library, which must be there."""
    library = _library()
    if isinstance(library, str):
        raise ConfigError(f"no native core: {library}")
    return library


@lru_cache(maxsize=1)
def _library() -> tuple[_Functions, _Functions] | str:
    """The functions of the library, releasing and keeping the lock, or why there are none."""
    # The finder of imports knows where the library lies in every kind of installation.
    found = importlib.util.find_spec("colorvid.native._core")
    if found is None or found.origin is None:
        return f"colorvid was installed without it; {_ABSENT}"
    try:
        library = ctypes.CDLL(found.origin)
        interface = _function(library, "interface")()  # before functions that another one may lack
        if interface != INTERFACE:
            return f"it has interface {interface}, this colorvid needs {INTERFACE}; {_ABSENT}"
        quick = ctypes.PyDLL(found.origin)
        return _every_function(library), _every_function(quick)
    except (OSError, AttributeError) as error:
        return f"it cannot be loaded ({error}); {_ABSENT}"


def _every_function(library: ctypes.CDLL) -> _Functions:
    return {name: _function(library, name) for name in _FUNCTIONS}


def _function(library: ctypes.CDLL, name: str) -> Callable[..., Any]:
    result, arguments = _FUNCTIONS[name]
    function = getattr(library, f"colorvid_{name}")
    function.restype, function.argtypes = result, arguments
    return function  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _warn(reason: str) -> None:
    """Say once a process that everything takes the slow path."""
    logging.getLogger("colorvid").warning("colorvid runs without its native core: %s", reason)

"""Packages that only some work needs: one line says which is missing and what to install."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from colorvid.errors import ColorvidError

_ORIGINS = {"PIL": "pillow", "pytorch_msssim": "pytorch-msssim", "skvideo": "scikit-video"}
_OWN = "colorvid"


def install_hint(*modules: str) -> str:
    """The command that installs the packages of ``modules``, for the end of a message."""
    return "install it with: pip install " + " ".join(package_of(name) for name in modules)


def package_of(module: str) -> str:
    """Name under which pip knows the package of an imported module."""
    return _ORIGINS.get(module, module)


def missing_package(error: BaseException, purpose: str) -> ColorvidError | None:
    """The error to report where ``error`` is the import of a package that is not installed.

    Args:
        error: any error.
        purpose: what needs the package: the subject of the message.

    Returns:
        None if it is another error, or if what is missing is a part of colorvid.
    """
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    module = error.name.partition(".")[0]
    if module == _OWN:
        return None
    package = package_of(module)
    return ColorvidError(f"{purpose} needs {package}, which is missing; {install_hint(module)}")


@contextmanager
def needed_for(purpose: str) -> Iterator[None]:
    """Around imports of packages that only ``purpose`` needs.

    Raises:
        ColorvidError: a package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = missing_package(error, purpose)
        if missing is None:
            raise
        raise missing from None

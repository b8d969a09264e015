"""fastopt: optimizer updates for NumPy arrays, compiled from one formula each."""

__version__ = "0.1.0"

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastopt.public import *  # noqa: F403


def __getattr__(name: str) -> Any:
    """Load what is asked for: Numba takes half a second, which importing fastopt alone does not cost."""
    if name != "__all__" and name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f"{__name__}.{name}")
    public = importlib.import_module("fastopt.public")
    names = {exported: getattr(public, exported) for exported in public.__all__}
    globals().update(names, __all__=public.__all__)
    if name in globals():
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})

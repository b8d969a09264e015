"""Every Numba option of fastopt, and the cache that lets the next process skip compiling.

Numba's own cache never hits for functions that close over jitted functions, and it stamps only the
file of the outermost function. Kernels are therefore stored under a stable name (rule, variant, driver) and a
digest of all that they are made of. The digest is part of the file's name, so that processes with
different versions of a rule can never load each other's code; saving removes what is stored under the same
name with another digest, so that the folder grows neither from run to run nor from edit to edit.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import types
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import caching
from numba.core.dispatcher import Dispatcher
from numba.core.registry import cpu_target

import fastopt

# error_model="numpy": a division that may raise forbids SIMD. No fastmath and no contraction: the bits
# of a step must not depend on which elements share a vector.
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

# What only compiled code calls needs no door for Python or C: a quarter of the time to compile, and the same code.
INSIDE: dict[str, Any] = {**OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
# What is called for every element stays SIMD only where it is called: long ones too are part of the loop.
INLINED: dict[str, Any] = {**INSIDE, "forceinline": True}

Compiled = Any  # a Numba dispatcher

# Numba loads its typing registries (0.2 s) when it first compiles or loads anything: part of the
# import, so that a first step from a filled cache takes milliseconds.
cpu_target.target_context.refresh()


@cache
def compiled(function: Callable[..., Any], inlined: bool = False) -> Compiled:
    """A part of a kernel: compiled, and stored on disk, with the kernel that calls it."""
    return _refusing(numba.njit(**(INLINED if inlined else INSIDE))(_named(function)))


def _refusing(part: Compiled) -> Compiled:
    """Let calls from Python, which would find no code to jump to, end in an error."""

    def refuse(*arguments: Any, **named: Any) -> None:
        raise TypeError(f"{part.__name__} is a part of kernels, which only compiled code can call")

    part._compile_for_args = refuse
    part.add_overload = lambda result: part.overloads.update({tuple(result.signature.args): result})
    return part


def standalone(function: Callable[..., Any]) -> Compiled:
    """A part of kernels that Python calls too."""
    return numba.njit(**OPTIONS)(_named(function))


def _named(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy whose name holds a digest of what it is made of.

    Numba names machine code by qualified name, argument types and a number counted in each process.
    Two processes count alike, so code loaded from the cache could stand under the name of other code
    compiled here, and the linker would take either for both.
    """
    named = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    named.__module__ = function.__module__
    named.__qualname__ = f"{function.__qualname__}_{digest(function)[:16]}"
    return named


def kernel(
    function: Callable[..., Any],
    name: str,
    digest: str,
    *,
    parallel: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Compiled:
    """A function that Python calls: at its first call loaded from the cache, or checked and compiled."""
    dispatcher = numba.njit(**OPTIONS, parallel=parallel)(_named(function))
    dispatcher._cache = _KernelCache(dispatcher.py_func, name, digest, check)
    return dispatcher


def address(kernel: Compiled, signature: tuple[Any, ...]) -> int:
    """Where the code of a kernel without a result lies, for `fastopt.drivers.machine.call`; true while it is held."""
    kernel.compile(signature)
    result = kernel.overloads[signature]
    return int(result.library.get_pointer_to_function(result.fndesc.llvm_cfunc_wrapper_name))


def assembly(kernel: Compiled) -> str:
    """The machine code of a kernel that was compiled, or loaded from the cache, for one signature."""
    (result,) = kernel.overloads.values()
    library = result.library
    # the cache keeps the optimised module beside the code that was made of it
    return str(library.codegen._tm.emit_assembly(library._get_module_for_linking()))


# ---- rules --------------------------------------------------------------------------------------


@cache
def rule_function(function: Callable[..., Any], header: np.dtype[Any] | None = None) -> Compiled:
    """Compile one of a rule's functions together with the plain functions that it calls.

    One that reads header rows is compiled for one layout of them: Numba would take a longer row for a shorter. Others
    are called for every element.
    """
    callees = {n: v for n, v in references(function) if isinstance(v, types.FunctionType)}
    own = {n: rule_function(f, header) for n, f in callees.items() if not _is_scalar(f)}
    cells = function.__closure__ or ()
    names = function.__code__.co_freevars
    closure = tuple(
        types.CellType(own[n]) if n in own else cell for n, cell in zip(names, cells, strict=True)
    )
    linked = types.FunctionType(
        function.__code__,
        {**function.__globals__, **own},
        function.__name__,
        function.__defaults__,
        closure,
    )
    return compiled(linked, inlined=header is None)


def _is_scalar(function: types.FunctionType) -> bool:
    return function.__module__ == "fastopt.scalar"


def references(function: Any) -> Iterator[tuple[str, Any]]:
    """The values of the global and enclosing names that a function's code uses, and what it takes from modules."""
    code = function.__code__
    names = list(_names(code))
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, types.ModuleType):
            for attribute in names:
                taken = vars(value).get(attribute)  # not what a module makes up when it is asked
                if isinstance(taken, _DATA) or _is_someones(taken):
                    yield f"{name}.{attribute}", taken
        elif name in function.__globals__:
            yield name, value
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # an empty cell
            yield name, cell.cell_contents


_DATA = (bool, int, float, complex, str, tuple, np.ndarray, np.generic)


def _is_someones(function: Any) -> bool:
    """Whether it is code of the user's, not of a library whose version is in the digest already."""
    inner = getattr(function, "py_func", function)
    package = str(getattr(inner, "__module__", "")).split(".")[0]
    return isinstance(inner, types.FunctionType) and package not in ("numba", "numpy", "fastopt")


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


# ---- the cache ----------------------------------------------------------------------------------


def digest(*parts: Any) -> str:
    """A digest of functions (code, constants, what they call), values and fastopt's own sources."""
    state = hashlib.sha256(_library_digest())
    seen: set[int] = set()
    for part in parts:
        for piece in _pieces(part, seen):
            state.update(piece)
            state.update(b"\0")
    return state.hexdigest()


def _pieces(part: Any, seen: set[int]) -> Iterator[bytes]:
    if isinstance(part, Dispatcher):
        part = part.py_func
        yield part.__qualname__.encode()  # of a part of fastopt's: holds a digest already
    if isinstance(part, types.FunctionType):
        if id(part) in seen:
            return
        seen.add(id(part))
        yield from _pieces(part.__code__, seen)
        yield repr(part.__defaults__).encode()
        for name, value in references(part):
            yield name.encode()
            if not isinstance(value, types.ModuleType):
                yield from _pieces(value, seen)
    elif isinstance(part, types.CodeType):
        yield part.co_code
        yield repr(part.co_names).encode()
        for constant in part.co_consts:
            yield from _pieces(constant, seen)
    elif isinstance(part, np.ndarray):
        yield f"{part.dtype.descr} {part.shape} {part.strides}".encode()
        yield part.tobytes()
    else:
        yield repr(part).encode()


@cache
def _library_digest() -> bytes:
    state = hashlib.sha256(f"{fastopt.__version__} {np.__version__} {sys.version}".encode())
    root = Path(fastopt.__file__).parent
    for source in sorted(
        [*root.glob("*.py"), *root.glob("drivers/*.py"), *root.glob("storage/*.py")]
    ):
        state.update(source.read_bytes())
    return state.digest()


def cache_folder() -> Path:
    """Where compiled kernels are kept: FASTOPT_CACHE_DIR, else Numba's, else the user's cache folder."""
    if chosen := os.environ.get("FASTOPT_CACHE_DIR"):
        return Path(chosen)
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR) / "fastopt"
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "fastopt"


def is_writable(folder: Path) -> bool:
    """Whether kernels can be kept in this folder, which need not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


class _Locator(caching._CacheLocator):  # type: ignore[misc]
    def __init__(self, digest: str) -> None:
        self._digest = digest

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return self._digest

    def get_disambiguator(self) -> str:
        return ""


class _Implementation(caching.CompileResultCacheImpl):  # type: ignore[misc]
    def __init__(self, name: str, digest: str) -> None:
        self._locator = _Locator(digest)
        versions = "-".join(
            [
                fastopt.__version__,
                f"numba{numba.__version__}",
                f"numpy{np.__version__}",
                str(sys.implementation.cache_tag),
            ]
        )
        self.stable_name = f"{name}.{versions}"
        self._filename_base = f"{self.stable_name}.{digest[:16]}"
        self._lineno = 0


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache with a stamp of our own; what goes wrong on disk means "not cached"."""

    def __init__(
        self, function: Callable[..., Any], name: str, digest: str, check: Callable[[], None]
    ) -> None:
        self._name = name
        self._check = check
        self._py_func = function
        self._impl = _Implementation(name, digest)
        self._cache_path = self._impl.locator.get_cache_path()
        self._cache_file = caching.IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=digest,
        )
        self.enable()

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return signature, codegen.magic_tuple()

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            loaded = super().load_overload(signature, target_context)
        except Exception:  # unreadable folder, truncated or foreign pickle: compile instead
            loaded = None
        if loaded is None:
            self._check()
        return loaded

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            self._remove_other_digests()
            super().save_overload(signature, data)
        except Exception:  # an index that cannot be read is started anew, if it can be written
            try:
                self.flush()
                super().save_overload(signature, data)
            except Exception:
                self.disable()

    def _remove_other_digests(self) -> None:
        for entry in Path(self._cache_path).glob(f"{self._impl.stable_name}.*.nb?"):
            if not entry.name.startswith(self._impl.filename_base):
                entry.unlink(missing_ok=True)

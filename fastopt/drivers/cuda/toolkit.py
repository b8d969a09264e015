"""NVIDIA's tools, found among installed wheels or a toolkit: what makes machine code, and what shows it.

None of them needs a GPU or its driver.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

#: What installs all of it.
INSTALL = 'pip install "fastopt[cuda13]"'


class MissingTool(ModuleNotFoundError):
    """A tool that is not installed; the message says what installs it."""


def require_compiler() -> None:
    """Refuse to go on without numba-cuda, or with Numba's simulator in its place.

    Raises
    ------
    MissingTool
        With what helps.
    """
    if importlib.util.find_spec("numba_cuda") is None:
        raise MissingTool(f"numba-cuda, which compiles kernels, is not installed; {INSTALL}")
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") not in ("", "0"):
        raise MissingTool(
            "NUMBA_ENABLE_CUDASIM is set, and the simulator compiles nothing; unset it"
        )


class Linked(NamedTuple):
    """What the linker made.

    Attributes
    ----------
    code : bytes
        PTX or a cubin.
    log : str
        What ptxas said of registers and spills; empty for PTX.
    """

    code: bytes
    log: str


def link(code: bytes, cc: tuple[int, int], *, fused: bool = True, output: str = "cubin") -> Linked:
    """Make machine code, or PTX, for a compute capability from LTO-IR or PTX.

    Code of LTO-IR flushes denormals of single precision to zero, as the CPU's kernels do; GPUs have no such mode for
    double precision.

    Parameters
    ----------
    code : bytes
        LTO-IR, or PTX.
    cc : tuple of two ints
        The compute capability, such as (9, 0).
    fused : bool
        False forbids to contract a multiplication and an addition of LTO-IR into one instruction. In PTX
        that is decided already.
    output : str
        ``"cubin"``, or ``"ptx"`` (of LTO-IR).

    Raises
    ------
    MissingTool
        nvJitLink is not installed.
    ValueError
        The linker knows no such capability.
    RuntimeError
        The linker refused, with what it said.
    """
    nvjitlink = _nvjitlink()
    is_ptx = b".version" in code[:4096]
    options = [f"-arch=sm_{cc[0]}{cc[1]}"]
    options += [] if is_ptx else ["-lto", "-ftz=1", *([] if fused else ["-fma=0"])]
    options += ["-ptx"] if output == "ptx" else ["-Xptxas=-v", "-verbose"]
    kind = nvjitlink.InputType.PTX if is_ptx else nvjitlink.InputType.LTOIR
    try:
        handle = nvjitlink.create(len(options), options)
    except Exception as reason:
        raise ValueError(f"compute capability {cc[0]}.{cc[1]}: nvJitLink: {reason}") from reason
    try:
        try:
            nvjitlink.add_data(handle, kind, code, len(code), "kernel")
            nvjitlink.complete(handle)
        except Exception as reason:
            said = bytearray(nvjitlink.get_error_log_size(handle))
            nvjitlink.get_error_log(handle, said)
            raise RuntimeError(f"nvJitLink for sm_{cc[0]}{cc[1]}: {_text(said)}") from reason
        if output == "ptx":
            made = bytearray(nvjitlink.get_linked_ptx_size(handle))
            nvjitlink.get_linked_ptx(handle, made)
            return Linked(bytes(made).rstrip(b"\0"), "")
        made = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, made)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
        return Linked(bytes(made), _text(log))
    finally:
        nvjitlink.destroy(handle)


def _text(raw: bytearray) -> str:
    return bytes(raw).rstrip(b"\0").decode(errors="replace").strip()


def _nvjitlink() -> Any:
    try:
        from cuda.bindings import nvjitlink

        nvjitlink.version()  # loads the library
    except (ImportError, RuntimeError) as reason:
        raise MissingTool(f"nvJitLink is not installed; {INSTALL}") from reason
    return nvjitlink


class Resources(NamedTuple):
    """What a kernel takes of a multiprocessor.

    Attributes
    ----------
    registers : int
        Registers of 32 bits per thread.
    spills : int
        Bytes per thread that are stored to, and loaded from, local memory for want of registers.
    """

    registers: int
    spills: int


def resources(log: str) -> Resources:
    """Registers and spills, from the linker's log: the largest over its kernels."""
    registers = [int(n) for n in re.findall(r"[Uu]sed (\d+) registers", log)]
    spills = [int(n) for n in re.findall(r"(\d+) bytes spill (?:stores|loads)", log)]
    if not registers:
        raise RuntimeError(f"the linker's log names no registers: {log!r}")
    return Resources(max(registers), sum(spills))


def disassemble(cubin: bytes) -> str:
    """The machine code of a cubin as text, by nvdisasm.

    Raises
    ------
    MissingTool
        nvdisasm is not installed.
    """
    program = find("nvdisasm")
    if program is None:
        raise MissingTool(
            f"nvdisasm, which shows machine code, is not installed; {_disassembler()}"
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        done = subprocess.run(
            [program, "--print-code", str(file)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"nvdisasm: {done.stderr.strip()}")
    return done.stdout


@cache
def find(name: str) -> str | None:
    """The path of one of NVIDIA's programs, such as nvdisasm, in wheels, a toolkit or on the path."""
    try:
        from cuda.pathfinder import find_nvidia_binary_utility
    except ImportError:
        return shutil.which(name)
    found: str | None = find_nvidia_binary_utility(name)
    return found


def _disassembler() -> str:
    """The command that installs nvdisasm in the version of the other tools."""
    try:
        major = int(version("cuda-bindings").split(".")[0])
    except (PackageNotFoundError, ValueError):
        return INSTALL
    return f'pip install "fastopt[cuda{major}]"'

"""Fixtures for several modules of tests."""

import gc

import pytest


@pytest.fixture
def collect():
    """`gc.collect` over what the test makes: to walk all kernels of the process takes a second."""
    gc.freeze()
    return gc.collect


@pytest.fixture
def torch64():
    """Torch, keeping its own scalars (step, eta, mu_product) in float64, as fastopt does."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)


@pytest.fixture
def jax64():
    """JAX with 64-bit numbers."""
    jax = pytest.importorskip("jax", reason="jax is not installed")
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield jax
    jax.config.update("jax_enable_x64", before)

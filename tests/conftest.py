"""Fixtures for several modules of tests."""

import pytest


@pytest.fixture
def torch64():
    """Torch, keeping its own scalars (step, eta, mu_product) in float64, as fastopt does."""
    torch = pytest.importorskip("torch", reason="torch is not installed (extra: torch)")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield torch
    torch.set_default_dtype(before)

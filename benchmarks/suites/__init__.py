"""What airspeed velocity runs: ``make asv``.

asv imports this folder from the working tree, as a package of its own, beside the fastopt that it installed for the commit
that is measured. So what lies beside this folder must be found without the root of the repository, and the
fastopt in it, on the path.
"""

import importlib.util
import sys
from pathlib import Path

if "benchmarks" not in sys.modules:
    _beside = Path(__file__).resolve().parent.parent
    _spec = importlib.util.spec_from_file_location(
        "benchmarks", _beside / "__init__.py", submodule_search_locations=[str(_beside)]
    )
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["benchmarks"] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["benchmarks"])

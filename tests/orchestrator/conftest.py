"""Ray reads its settings as it is imported, so they are put in place before any test module is."""

import pytest

from orchestrator.runtime.ray_cluster import connected, set_ray_environment

set_ray_environment()


@pytest.fixture(scope="module")
def address():
    """Of a Ray that is there already, for commands of which it is not asked that they start one."""
    import ray

    with connected(None):
        yield ray.get_runtime_context().gcs_address

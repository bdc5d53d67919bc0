import pytest

from tests.orchestrator.handoff.spoken_run import spoken_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return spoken_run(tmp_path_factory.mktemp("spoken"))

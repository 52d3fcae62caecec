import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.fakes import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Its files are not writable for the group, whatever the umask of whoever runs the tests."""
    umask = os.umask(0o022)
    yield Project(tmp_path)
    os.umask(umask)

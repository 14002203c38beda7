"""What the tests of the kit share."""

import pytest

from metaopt import testing


@pytest.fixture
def failures():
    """Runs all checks of a plugin; message and line of those that fail, by check."""

    def failures(spec):
        return {outcome.check: f"{outcome.message}\n{outcome.location}" for outcome in testing.check(spec).failures}

    return failures

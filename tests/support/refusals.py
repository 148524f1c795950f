"""What a user must be told: one sentence, raised as an error of the project's own."""

import contextlib

import pytest

from conformance.errors import UsageError


@contextlib.contextmanager
def refused(said, error=UsageError):
    """Demand an error in one line that the regular expression ``said`` finds."""
    with pytest.raises(error, match=said) as caught:
        yield caught
    assert "\n" not in str(caught.value)

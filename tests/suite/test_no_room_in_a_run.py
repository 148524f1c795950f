"""A full disk or full shared memory is nobody's error: exit code 3, one sentence, and no node is broken."""

import errno
import os
import re

import pytest
from support.suite_run import run_suite

from conformance.runs.directory import read_records


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_an_isolated_device_without_room_for_its_tensors(network, tmp_path, monkeypatch, number):
    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full)
    result = run_suite(tmp_path / "run", "--device=cpu", "--isolate", "--nodes=norm/*", network=network)
    assert result.code == 3
    said = rf"[0-9]+ bytes of tensors cannot be shared in /\S+: {os.strerror(number)}; free some, or"
    assert re.search(said, result.text)
    assert "broken" not in {record.outcome for record in read_records(result.directory)}

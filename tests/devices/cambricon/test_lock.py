"""The lock of a card between real processes: contention, death, inheritance, and what the loser is told."""

import contextlib
import getpass
import json
import os
import platform
import signal
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refusals import refused

from conformance.devices.cambricon import card_lock
from conformance.devices.cambricon.card_lock import card_owner, take_card
from conformance.errors import InfrastructureError

HOLD = """
import sys
from pathlib import Path
from conformance.devices.cambricon.card_lock import take_card
from conformance.errors import InfrastructureError
try:
    lock = take_card([int(index) for index in sys.argv[2].split(",")], Path(sys.argv[1]))
    print("took", lock.index, flush=True)
except InfrastructureError as error:
    print("refused", error, flush=True)
sys.stdin.read()
"""


class Process:
    """Another process that takes a card and keeps it until it is told to end."""

    def __init__(self, directory, indices="0", code=HOLD):
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(directory), indices],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = self.process.stdout.readline().strip()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def other(tmp_path):
    """Start processes that take cards; all of them are gone when the test ends."""
    started = []

    def start(indices="0", code=HOLD):
        started.append(Process(tmp_path, indices, code))
        return started[-1]

    yield start
    for process in started:
        process.kill()


def test_a_free_card_is_taken_and_let_go(tmp_path):
    with closing(take_card([3], tmp_path)) as lock:
        assert lock.index == 3
        assert card_owner(3, tmp_path) is not None
    assert card_owner(3, tmp_path) is None
    take_card([3], tmp_path).close()


def test_two_processes_contend(tmp_path, other):
    holder = other()
    assert holder.said == "took 0"
    loser = other()
    assert loser.said.startswith("refused card 0 is taken by process")
    with pytest.raises(InfrastructureError):
        take_card([0], tmp_path)
    holder.end()
    take_card([0], tmp_path).close()


def test_the_loser_is_told_who_has_the_card(tmp_path, other):
    holder = other()
    with pytest.raises(InfrastructureError) as refused:
        take_card([0], tmp_path)
    owner = json.loads((tmp_path / "card-0.lock").read_bytes())
    sentence = str(refused.value)
    assert owner["pid"] == holder.process.pid
    assert owner["command"].startswith(f"{sys.executable} -c ' import sys from pathlib")
    assert f"process {holder.process.pid} of {getpass.getuser()} on {platform.node()}" in sentence
    assert f"since {owner['since']}, running `{owner['command']}`" in sentence
    assert "wait until it ends, end it, or choose another card with --device-option card=NUMBER" in sentence
    assert str(tmp_path) in sentence
    assert "\n" not in sentence


def test_a_killed_owner_lets_go(tmp_path, other):
    other().kill()
    assert card_owner(0, tmp_path) is None
    take_card([0], tmp_path).close()


def test_the_second_card_is_taken_when_the_first_is_not_free(tmp_path, other):
    assert other("0,1").said == "took 0"
    assert other("0,1").said == "took 1"
    assert other("0,1").said.count("is taken by process") == 2
    with closing(take_card([1, 0, 2], tmp_path)) as lock:
        assert lock.index == 2


def test_one_process_cannot_take_a_card_twice(tmp_path):
    with closing(take_card([0], tmp_path)), refused(f"process {os.getpid()} of", InfrastructureError):
        take_card([0], tmp_path)


def test_a_child_that_got_the_descriptor_keeps_the_card(tmp_path):
    lock = take_card([0], tmp_path)
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[lock.descriptor])
    lock.close()
    assert card_owner(0, tmp_path) is not None
    child.communicate()
    assert card_owner(0, tmp_path) is None


def test_a_child_that_did_not_get_it_does_not(tmp_path):
    lock = take_card([0], tmp_path)
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, close_fds=False)
    lock.close()
    assert card_owner(0, tmp_path) is None
    child.communicate()


HAND_ON = HOLD.replace(
    "sys.stdin.read()",
    "import subprocess\n"
    "command = [sys.executable, '-c', 'import sys; sys.stdin.read()']\n"
    "print(subprocess.Popen(command, pass_fds=[lock.descriptor]).pid, flush=True)\n"
    "sys.stdin.read()",
)


def test_an_owner_that_died_before_its_worker_is_said_to_have_ended(tmp_path, other):
    owner = other(code=HAND_ON)
    worker = int(owner.process.stdout.readline())
    owner.process.kill()
    owner.process.wait()
    with refused(r"which has ended, but something still holds the card", InfrastructureError):
        take_card([0], tmp_path)
    os.kill(worker, signal.SIGKILL)


def test_closing_twice_does_not_close_somebody_elses_descriptor(tmp_path):
    lock = take_card([0], tmp_path)
    number = lock.descriptor
    lock.close()
    reused = os.open(tmp_path, os.O_RDONLY)
    os.dup2(reused, number)
    lock.close()
    os.fstat(number)
    for descriptor in {reused, number}:
        os.close(descriptor)
    with pytest.raises(ValueError, match="the lock of card 0 is closed"):
        assert lock.descriptor


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"pid": 12, "user": "a',
        b"\xff\xfe\0",
        b"null",
        b'{"pid": "x"}',
        b'{"pid": -1, "user": "a", "host": "b", "since": "c", "command": "d"}',
    ],
)
def test_an_owner_that_left_garbage_is_still_an_owner(tmp_path, text):
    with closing(take_card([0], tmp_path)):
        (tmp_path / "card-0.lock").write_bytes(text)
        with refused("card 0 is taken by a process that left no word of itself", InfrastructureError):
            take_card([0], tmp_path)


@settings(max_examples=40)
@given(
    st.binary(max_size=300)
    | st.builds(
        lambda pid, text: json.dumps(
            dict.fromkeys(["user", "host", "since", "command"], text) | {"pid": pid}
        ).encode(),
        st.integers(),
        st.text(),
    )
)
def test_whatever_stands_in_the_file_is_one_sentence(tmp_path_factory, text):
    directory = tmp_path_factory.mktemp("locks")
    with closing(take_card([0], directory)):
        (directory / "card-0.lock").write_bytes(text)
        sentence = card_owner(0, directory)
    assert sentence
    assert sentence.isprintable()


def test_a_new_owner_writes_over_a_longer_old_one(tmp_path):
    (tmp_path / "card-0.lock").write_bytes(b"x" * 10_000)
    with closing(take_card([0], tmp_path)):
        assert json.loads((tmp_path / "card-0.lock").read_bytes())["pid"] == os.getpid()


def test_a_command_that_is_no_text_does_not_stop_its_owner(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python", "\udcff\n\n", "x" * 10_000])
    with closing(take_card([0], tmp_path)):
        assert (
            len(json.loads((tmp_path / "card-0.lock").read_bytes())["command"]) == card_lock.LONGEST_COMMAND
        )


def test_a_user_without_a_name_has_a_number(tmp_path, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nameless)
    with closing(take_card([0], tmp_path)):
        assert f"of user {os.getuid()} on" in card_owner(0, tmp_path)


def test_directory_and_files_are_for_everybody_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        take_card([0], tmp_path / "cards").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cards").stat().st_mode) == 0o1777
    assert stat.S_IMODE((tmp_path / "cards/card-0.lock").stat().st_mode) == 0o666


def test_an_existing_file_is_opened_without_creating_it(tmp_path, monkeypatch):
    """Linux refuses O_CREAT on another user's file in a directory that all may write to."""
    take_card([0], tmp_path).close()
    opened = []
    real = os.open
    monkeypatch.setattr(
        os,
        "open",
        lambda path, flags, *rest, **more: opened.append(flags) or real(path, flags, *rest, **more),
    )
    take_card([0], tmp_path).close()
    assert len(opened) == 2
    assert not any(flags & os.O_CREAT for flags in opened)


@pytest.mark.parametrize("kind", ["link", "file", "directory"])
def test_what_cannot_be_a_lock_is_one_sentence(tmp_path, kind):
    directory = tmp_path / "cards"
    if kind == "file":
        directory.write_text("mine")
    else:
        directory.mkdir()
    if kind == "link":
        (tmp_path / "precious").write_text("mine")
        (directory / "card-0.lock").symlink_to(tmp_path / "precious")
    if kind == "directory":
        (directory / "card-0.lock").mkdir()
    with refused(r"card-0.lock, cannot be used: .*; make it and its directory", InfrastructureError):
        take_card([0], directory)
    if kind == "link":
        assert (tmp_path / "precious").read_text() == "mine"
        with refused("cannot be used", InfrastructureError):
            card_owner(0, directory)


def test_no_card_to_choose_from(tmp_path):
    with refused("there is no card to take; `mlu-conformance devices`", InfrastructureError):
        take_card([], tmp_path)


def test_looking_at_a_lock_makes_nothing_and_takes_nothing(tmp_path, other):
    assert card_owner(0, tmp_path) is None
    assert list(tmp_path.iterdir()) == []
    other().end()
    assert card_owner(0, tmp_path) is None
    assert other().said == "took 0"


def test_somebody_who_only_looks_does_not_make_a_card_taken(tmp_path, monkeypatch):
    """The shared lock of card_owner is gone by the next attempt."""
    import fcntl

    take_card([0], tmp_path).close()
    looking = os.open(tmp_path / "card-0.lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    waited = []
    monkeypatch.setattr(card_lock.time, "sleep", lambda seconds: waited.append(seconds) or os.close(looking))
    with closing(take_card([0], tmp_path)) as lock:
        assert lock.index == 0
    assert len(waited) == 1


def test_a_second_name_of_somebody_elses_file_is_not_written_into(tmp_path):
    (tmp_path / "cards").mkdir()
    theirs = tmp_path / "theirs"
    theirs.write_text("kept", encoding="utf-8")
    os.link(theirs, tmp_path / "cards/card-0.lock")
    for use in (lambda: take_card([0], tmp_path / "cards"), lambda: card_owner(0, tmp_path / "cards")):
        with refused(
            r"card-0.lock, is no plain file, or has a second name, .*; delete it", InfrastructureError
        ):
            use()
    assert theirs.read_text(encoding="utf-8") == "kept"


def test_a_directory_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "cards").symlink_to(tmp_path / "theirs")
    with refused(
        "the lock of a card, .*cards/card-0.lock, cannot be used: Not a directory", InfrastructureError
    ):
        take_card([0], tmp_path / "cards")
    assert list((tmp_path / "theirs").iterdir()) == []


def test_a_directory_in_which_everybody_may_delete_is_refused(tmp_path):
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards").chmod(0o777)
    with refused(r"lets everybody delete the locks of others; run `chmod 1777 .*cards`", InfrastructureError):
        take_card([0], tmp_path / "cards")
    (tmp_path / "cards").chmod(0o1777)
    take_card([0], tmp_path / "cards").close()


AS_NOBODY = HOLD.replace(
    "try:", "import os, pwd\nos.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\ntry:", 1
)
"""As another user from the moment on at which everything is imported."""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("first", "second"), [(HOLD, AS_NOBODY), (AS_NOBODY, HOLD)])
def test_two_users_share_the_cards_of_a_machine(first, second):
    """Whoever made directory and file: the other user sees the lock, and takes the card after it."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as ends:
        place = Path(name)
        place.chmod(0o1777)
        said = []
        for code in (first, second, second):
            process = Process(place / "cards", code=code)
            ends.callback(process.end)
            said.append(process.said)
            if len(said) == 2:
                ends.pop_all().close()
        assert (said[0], said[2]) == ("took 0", "took 0")
        assert said[1].startswith("refused card 0 is taken by process")

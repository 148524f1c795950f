"""Progress: a bar that is rewritten on a terminal, a line per piece of work in a log."""

from conformance.progress import BAR, Progress


def shown(calls, *, terminal):
    written = []
    progress = Progress(written.append, terminal=terminal)
    for call in calls:
        progress(*call)
    return "".join(written)


def test_a_log_gets_one_line_per_piece_of_work():
    calls = [(0, 2, "making"), (1, 2, "making"), (2, 2, "making"), (0, 3, "verifying"), (3, 3, "verifying")]
    assert shown(calls, terminal=False) == "making (2)\nverifying (3)\n"


def test_the_same_work_done_again_is_said_again():
    assert shown([(0, 1, "making"), (1, 1, "making")] * 2, terminal=False) == "making (1)\n" * 2


def test_a_terminal_gets_one_line_that_is_rewritten():
    text = shown([(0, 2, "making"), (1, 2, "making"), (2, 2, "making")], terminal=True)
    first, half, whole = text.removeprefix("\r").split("\r")
    assert first == f"making [{'.' * BAR}] 0/2"
    assert half == f"making [{'#' * (BAR // 2)}{'.' * (BAR // 2)}] 1/2"
    assert whole == f"making [{'#' * BAR}] 2/2\n"


def test_nothing_to_do_is_done():
    assert shown([(0, 0, "making")], terminal=True).endswith("0/0\n")

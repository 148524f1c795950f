"""A command that does when it is interrupted what none may: ``python -m faults.careless KIND DIRECTORY``."""

import os
import subprocess
import sys
from pathlib import Path


def main(kind, directory):
    golden, record = directory / "golden.npy", directory / "records.jsonl"
    golden.write_text("made")
    record.write_text("first\n")
    if kind == "leaves a process":
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        with (directory / "half.part").open("w") as file:
            os.fsync(file.fileno())
    except KeyboardInterrupt:
        if kind == "loses a golden":
            golden.unlink()
        if kind == "loses a record":
            record.write_text("second\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))

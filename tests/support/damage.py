"""Damaging files in one place."""


def edited(path, old, new):
    """Replace what must be in a text file, wherever it stands."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def flip(path, position, mask=1):
    """Change bits of one byte of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= mask
    path.write_bytes(data)

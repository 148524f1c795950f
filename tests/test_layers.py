"""Imports go down the layers of the design, never up; TensorFlow is imported where it is needed only."""

from __future__ import annotations

import ast
import collections
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).resolve().parents[1] / "conformance"

LAYERS = (
    ("breadcrumbs", "cached_methods", "clock", "errors", "locations", "machine", "progress", "tables"),
    ("exit_guard", "options", "shard"),
    ("files", "golden_places", "npy", "precision", "settings"),
    ("numerics",),
    ("graph", "judging"),
    ("quantization", "freezing"),
    ("weights", "fingerprints"),
    ("golden_tensors",),
    ("network_file",),
    ("networks",),
    ("initialising",),
    ("goldens",),
    ("devices",),
    ("expected",),
    ("evaluation",),
    ("operators",),
    ("runs",),
    ("probing",),
    ("dumps",),
    ("gating",),
    ("history",),
    ("report",),
    ("diagnosis", "html"),
    ("commands",),
    ("cli", "plugin", "suite"),
)
"""Lowest first; what stands together does not import each other."""

NEIGHBOURS = (
    ("graph", "judging", "quantization"),
    ("freezing",),
    ("devices",),
    ("expected",),
    ("evaluation", "runs"),
    ("diagnosis", "dumps", "gating", "history", "html", "report"),
    ("commands", "plugin", "suite"),
)
"""Folders that a reader has open together."""

TOGETHER = {("plugin", "suite"), ("suite", "plugin"), ("cli", "plugin")}
"""Neighbours that may: the suite's tests use the plugin's fixtures, the command line starts the plugin."""


def level(part):
    """Return the layer of a part of the package, by its first name below ``conformance``."""
    found = [index for index, layer in enumerate(LAYERS) if part in layer]
    assert found, f"conformance.{part} stands in no layer: say in LAYERS where it belongs"
    return found[0]


def modules():
    return {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(ROOT.rglob("*.py"))
    }


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def all_imports(tree):
    """Return what is imported anywhere, for type checking too."""
    return [name for node in ast.walk(tree) for name in imported(node)]


def imports_at_once(tree):
    """Return what is imported as soon as the module is: neither in a function nor for type checking."""
    names, pending = [], list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
            continue
        names += imported(node)
        pending += ast.iter_child_nodes(node)
    return names


def wrong_imports(module, names):
    """Return the imports of ``module`` that do not go down."""
    own = module.split(".")[1] if "." in module else None
    wrong = []
    for name in names:
        parts = name.split(".")
        if parts[0] != "conformance" or own is None or parts[1] in (own, "__version__"):
            continue
        if level(parts[1]) >= level(own) and (own, parts[1]) not in TOGETHER:
            wrong.append(f"{module} imports {name}")
    return wrong


MODULES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules().items()}


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module):
    assert wrong_imports(module, all_imports(MODULES[module])) == []


@pytest.mark.parametrize("module", MODULES)
def test_tensorflow_is_imported_late(module):
    heavy = {"tensorflow", "keras", "networkx", "matplotlib", "jinja2", "PIL", "google"}
    assert [name for name in imports_at_once(MODULES[module]) if name.split(".")[0] in heavy] == []


def test_no_import_goes_round_in_a_circle():
    """Not even for type checking or in a function: of two files in a circle neither can be read first."""
    imports = nx.DiGraph()
    for module, tree in MODULES.items():
        found = [part for name in all_imports(tree) for part in (name, name.rpartition(".")[0])]
        imports.add_edges_from((module, name) for name in found if name in MODULES and name != module)
    assert [sorted(circle) for circle in nx.strongly_connected_components(imports) if len(circle) > 1] == []


def test_no_two_files_of_neighbouring_rooms_have_one_name():
    places = collections.defaultdict(set)
    for module, path in modules().items():
        part = module.split(".")[1] if "." in module else ""
        rooms = [index for index, layer in enumerate(NEIGHBOURS) if part in layer]
        if rooms and path.name != "__init__.py":
            places[rooms[0], path.name].add(module)
    assert [sorted(doubled) for doubled in places.values() if len(doubled) > 1] == []


@pytest.mark.parametrize("part", ["judging", "goldens", "fingerprints", "networks", "graph"])
def test_no_device_is_seen_below_devices(part):
    """So a golden cannot come from the device under test, and a judge cannot ask it."""
    for module, tree in MODULES.items():
        if module.split(".")[1:2] == [part]:
            assert [name for name in all_imports(tree) if name.startswith("conformance.devices")] == []


def test_judging_needs_no_tensorflow_at_all():
    reached, pending = set(), [module for module in MODULES if module.startswith("conformance.judging")]
    while pending:
        module = pending.pop()
        if module in reached or module not in MODULES:
            continue
        reached.add(module)
        names = all_imports(MODULES[module])
        assert not [name for name in names if name.split(".")[0] == "tensorflow"], module
        pending += [part for name in names for part in (name, name.rpartition(".")[0])]
    assert "conformance.numerics.metrics" in reached
    assert not [
        module for module in reached if module.startswith(("conformance.graph", "conformance.devices"))
    ]


def test_the_walk_sees_what_is_wrong():
    """The test of the tests."""
    source = (
        "import tensorflow as tf\n"
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import keras\n    from conformance.devices.base import Device\n"
        "def late():\n    import PIL\n    from conformance.cli import main\n"
        "class Early:\n    import networkx\n"
        "try:\n    import matplotlib\nexcept ImportError:\n    pass\n"
        "from conformance.errors import UsageError\n"
    )
    tree = ast.parse(source)
    assert set(imports_at_once(tree)) == {
        "tensorflow",
        "typing.TYPE_CHECKING",
        "networkx",
        "matplotlib",
        "conformance.errors.UsageError",
    }
    assert wrong_imports("conformance.goldens", all_imports(tree)) == [
        "conformance.goldens imports conformance.devices.base.Device",
        "conformance.goldens imports conformance.cli.main",
    ]
    with pytest.raises(AssertionError, match=r"conformance.helpers stands in no layer"):
        level("helpers")

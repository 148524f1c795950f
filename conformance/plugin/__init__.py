"""The pytest plugin: options, parametrisation, fixtures, report. One concern per module.

It is loaded by ``pytest_plugins`` of a conftest, after the plugins that are installed, or before them by
``-p conformance.plugin``; no hook depends on which.
"""

pytest_plugins = (  # a module stands before those that import it
    "conformance.plugin.markers",
    "conformance.plugin.options",
    "conformance.plugin.stopping",
    "conformance.plugin.selection",
    "conformance.plugin.asked_operators",
    "conformance.plugin.benchmarks",
    "conformance.plugin.benchmark_comparison",
    "conformance.plugin.sharding",
    "conformance.plugin.xdist",
    "conformance.plugin.session",
    "conformance.plugin.page",
    "conformance.plugin.properties",
    "conformance.plugin.terminal",
)

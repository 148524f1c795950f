"""Loads the plugin: options, cases, fixtures, report. A module stands before those that import it."""

pytest_plugins = (
    "conformance.plugin.options",
    "conformance.plugin.stopping",
    "conformance.plugin.selection",
    "conformance.plugin.benchmarks",
    "conformance.plugin.xdist",
    "conformance.plugin.session",
    "conformance.plugin.terminal",
)

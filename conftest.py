"""Loads the plugin: options, cases, fixtures, report."""

pytest_plugins = (
    "conformance.plugin.options",
    "conformance.plugin.selection",
    "conformance.plugin.execution",
    "conformance.plugin.terminal",
)

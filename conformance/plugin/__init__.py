"""The pytest plugin: options, parametrisation, fixtures, report. One concern per module."""

"""Devices: anything that runs a frozen graph at a precision."""

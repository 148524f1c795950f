"""Dumps: what chosen nodes of a network compute on a device, in files to keep, to send and to compare."""

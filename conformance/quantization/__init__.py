"""Scales of the fixed-point inputs and filters: the file that holds them, and their calibration."""

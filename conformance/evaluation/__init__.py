"""Driving a device: own errors, the chained and the fused network, its time, its calibration."""

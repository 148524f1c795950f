"""Reading a device's arithmetic from outside: small graphs whose results tell its numeric choices.

Everything here sees the device through :class:`conformance.devices.base.Device` alone, and predicts what it
would give in NumPy's float64 and whole numbers, never by the emulator: what reads a device and what imitates
one are written twice, and :mod:`conformance.probing.verifying` holds them together.
"""

"""The check of docs/contract.md, as a device's author writes it."""

from smallest_device import SmallestDevice

from conformance.devices.contract import check_device


def test_contract():
    """The device keeps the contract."""
    check_device(SmallestDevice)

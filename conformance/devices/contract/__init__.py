"""The contract that every device keeps, as a check that a device's author calls from a test."""

from conformance.devices.contract.check import ContractBroken, ContractReport, check_device

__all__ = ["ContractBroken", "ContractReport", "check_device"]

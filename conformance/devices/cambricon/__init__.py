"""The Cambricon card: a driver here, a worker under the vendor's interpreter."""

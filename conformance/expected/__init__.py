"""What a device is held to, without one: attainable errors, bounds, scales, waivers, the least time."""

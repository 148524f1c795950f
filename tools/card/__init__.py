"""What a real card did, and how near the emulator comes."""

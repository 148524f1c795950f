"""What a run leaves behind: its records and its environment, in one directory."""

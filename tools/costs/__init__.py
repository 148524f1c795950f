"""What commands cost on networks of several sizes: building these, running, watching memory, the table."""

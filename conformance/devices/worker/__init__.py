"""The protocol of worker processes: how one is started, asked, given tensors, and survived."""

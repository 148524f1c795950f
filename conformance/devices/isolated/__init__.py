"""Any device in a process of its own: the parent's side and the child's."""

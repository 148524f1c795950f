"""What right devices may give at a node: a value and a radius per element, derived operator by operator."""

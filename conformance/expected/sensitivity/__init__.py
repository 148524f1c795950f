"""What a run would find: the smallest faults that are caught at a node, from right devices and judge."""

"""From a checkpoint to a frozen graph: values are copied from the file into constants, never converted."""

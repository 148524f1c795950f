"""Reports made from the records of a run alone."""

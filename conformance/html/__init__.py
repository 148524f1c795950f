"""One page per run, gate or history: a single HTML file that needs neither network nor TensorFlow."""

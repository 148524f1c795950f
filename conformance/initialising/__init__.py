"""From a model file to a directory with a ``network.toml``: what ``mlu-conformance init`` writes."""

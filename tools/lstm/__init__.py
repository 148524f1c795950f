"""The LSTM that adds: its task, its training network and its training."""

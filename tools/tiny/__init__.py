"""Training of the embedded models on Fluent drawings: `python -m tools.tiny.train`."""

"""Reports changes of `spec/`, and whom they break: `python -m tools.spec_diff REF`."""

"""What changed in `spec/`, and whom it breaks: `python -m tools.spec_diff REF`."""

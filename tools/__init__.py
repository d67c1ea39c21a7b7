"""Tools that generate, check and measure the project. None of them is in the wheel."""

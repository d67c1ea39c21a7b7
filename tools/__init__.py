"""What makes and checks the project; nothing here is shipped in the wheel."""

"""What each command of `trunkline` does; imported only when it runs."""

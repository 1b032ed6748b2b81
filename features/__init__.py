"""What was known about a deal at a moment: the as-of algebra, one file per feature family, the matrix."""

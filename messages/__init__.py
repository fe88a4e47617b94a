"""The vocabulary that every room shares. It imports nothing of ours."""

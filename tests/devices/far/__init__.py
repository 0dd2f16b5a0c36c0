"""The far ends of the device tests: a small Linux of their own, an adbd and an sshd in front of it."""

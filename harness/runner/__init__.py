"""hz3-runner: a C++ program, and the thin command in front of it."""

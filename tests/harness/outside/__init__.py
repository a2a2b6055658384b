"""For tests from outside: flow files, the command line as a process, the stores with clients of their own."""

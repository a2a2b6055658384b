"""The local stack: real servers for Switchyard, started from package registries, on loopback, in one directory."""

"""When two values, rows or documents are the same; which keys differ. Pure, but for files on this machine."""

"""One verb of the command line, one file: each builds the parts it needs and hands them on."""

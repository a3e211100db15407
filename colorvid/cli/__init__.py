"""The command line: options, what each command does with them, messages and exit codes."""

"""The subcommands of `liuhen`, one file each; every one returns its exit code."""

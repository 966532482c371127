"""The offload process: what the spool holds goes to a central store, and nothing is believed that was not read back."""

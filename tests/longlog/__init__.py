"""Long logs: spools with thousands of real segments, and what a start costs on them."""

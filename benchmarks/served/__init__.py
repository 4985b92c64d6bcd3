"""What the servers of the benchmarks serve; each module runs in the environment of its peer."""

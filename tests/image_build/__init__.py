"""Units, rules and `make install`: what a device is given, judged here and in a bare Debian 13."""

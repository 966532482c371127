"""A real store with versions and Object Lock: Ceph RGW from Debian's packages, one node on loopback, behind TLS."""

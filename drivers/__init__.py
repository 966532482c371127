"""Drivers: the ports of `edge.ports` on real libraries; importing this package loads none of them."""
